"""A viewer whose window has docks but neither canvas nor layer controls, which take seconds to fill."""

from napari.components import ViewerModel
from npe2 import PluginManager
from qtpy import QtCore, QtWidgets

PLUGIN = "napari-local-crystallography"

AREAS = {
    "right": QtCore.Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": QtCore.Qt.DockWidgetArea.BottomDockWidgetArea,
}


class LightWindow:
    """Docks as in the window of napari."""

    def __init__(self, viewer):
        self.viewer = viewer
        self.main = QtWidgets.QMainWindow()
        self.main.setCentralWidget(QtWidgets.QWidget())
        self.main.resize(1280, 800)
        self.dock_widgets = {}

    def add_dock_widget(self, widget, *, name, area="right", tabify=False):
        """Put a widget into a dock of its own."""
        dock, others = QtWidgets.QDockWidget(name, self.main), self._docks(AREAS[area])
        dock.setWidget(widget)
        self.main.addDockWidget(AREAS[area], dock)
        if tabify and others:
            self.main.tabifyDockWidget(others[-1], dock)
            dock.show()
            dock.raise_()
        self.dock_widgets[name] = widget
        return dock

    def add_plugin_dock_widget(self, plugin, name):
        """The main dock of the plugin in a dock, and itself."""
        from local_crystallography._napari.main.dock import MainDock

        widget = MainDock(self.viewer)
        return self.add_dock_widget(widget, name=f"{name} ({plugin})"), widget

    def remove_dock_widget(self, widget):
        """Take a widget out of its dock, as napari does, and leave it alive."""
        dock = widget.parent()
        self.dock_widgets = {name: other for name, other in self.dock_widgets.items() if other is not widget}
        widget.setParent(None)
        self.main.removeDockWidget(dock)
        dock.deleteLater()

    def close(self):
        """Remove all docks, and the window."""
        for widget in list(self.dock_widgets.values()):
            if widget in self.dock_widgets.values():  # the main one takes others with it
                self.remove_dock_widget(widget)
        self.main.close()
        self.main.deleteLater()

    def _docks(self, area):
        return [
            each for each in self.main.findChildren(QtWidgets.QDockWidget) if self.main.dockWidgetArea(each) == area
        ]


class LightViewer(ViewerModel):
    """The layers of a viewer, and a window with docks."""

    _window: LightWindow = None

    def __init__(self):
        super().__init__()
        self._window = LightWindow(self)
        plugins = PluginManager.instance()
        if PLUGIN not in plugins:
            plugins.discover()  # for samples and sessions

    @property
    def window(self):
        """Where docks are added."""
        return self._window
