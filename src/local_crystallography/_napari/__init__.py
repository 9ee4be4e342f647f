"""The napari plugin: the only folder that knows napari, magicgui, qtpy or pyqtgraph."""
