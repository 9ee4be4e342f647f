"""The napari plugin, the only folder that imports napari, magicgui, qtpy or pyqtgraph."""
