"""The lasso of napari-clusters-plotter: `python clusters_plotter.py IN.npz OUT.npz`, by the Python it is installed in.

IN: yx (n, 2) of the points in pixels, z (n, 2), centres (k, 2) of the clusters of z, the reach of a lasso around one,
the number of repeats. OUT: milliseconds (repeats, 2), wall time and CPU time of the thread, for each measure: `lasso`,
from its release to plot and layer repainted; `lasso_without_canvas`, the same with the layers hidden, as a virtual
display draws them slowly; `pan`, one step of moving the plot; `selected`, points in the class after each lasso.
"""

import os
import sys

os.environ.setdefault("QT_API", "pyqt6")

import napari
import numpy as np
from napari_clusters_plotter._new_plotter_widget import PlotterWidget
from qtpy import QtCore
from repaints import TYPES, Repaints, canvas_of, draw, mouse, outline, release, settle


def main() -> None:
    """Open, measure, save."""
    with np.load(sys.argv[1]) as file:
        given = {name: file[name] for name in file.files}
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1280, 800)
    viewer.add_image(np.zeros((2048, 2048), np.float32), name="image")
    features = {"z0": given["z"][:, 0], "z1": given["z"][:, 1]}
    layer = viewer.add_points(given["yx"], features=features, size=5, border_width=0, name="atoms")
    plotter = PlotterWidget(viewer)
    viewer.window.add_dock_widget(plotter, name="plotter", area="right")
    viewer.layers.selection = {layer}
    plotter.x_axis, plotter.y_axis = "z0", "z1"
    settle(3)
    plot, repeats = plotter.plotting_widget, int(given["repeats"])
    port, canvas = plot.canvas, canvas_of(viewer.window.main_menu.window())
    watch = Repaints([port, canvas])

    def spots(places: np.ndarray) -> list[QtCore.QPointF]:
        x, y = plot.axes.transData.transform(places).T / port.device_pixel_ratio
        return [QtCore.QPointF(*spot) for spot in zip(x, port.height() - y, strict=True)]

    def lasso(k: int) -> tuple[float, float]:
        path = spots(outline(given["centres"][k % len(given["centres"])], float(given["reach"])))
        plot.class_spinbox.value = 1 + k % 2
        draw(port, path)
        time = watch.after(lambda: release(port, path[-1]))
        selected.append(int((np.asarray(layer.features["MANUAL_CLUSTER_ID"]) == 1 + k % 2).sum()))
        return time

    selected: list[int] = []
    results = {}
    plot.selection_toolbar.buttons["LASSO"].click()
    lasso(0)
    results["lasso"] = [lasso(k) for k in range(repeats)]
    canvas.hide()
    results["lasso_without_canvas"] = [lasso(k) for k in range(repeats)]
    canvas.show()
    plot.selection_toolbar.buttons["LASSO"].click()
    next(action for action in plot.toolbar.actions() if action.text() == "Pan").trigger()
    middle = spots(given["centres"].mean(axis=0)[None])[0]
    mouse(port, TYPES.MouseButtonPress, middle, True)
    steps = [middle + QtCore.QPointF(4 * (k % 8), 2 * (k % 5)) for k in range(1, repeats + 1)]
    results["pan"] = [watch.after(lambda spot=spot: mouse(port, TYPES.MouseMove, spot, True)) for spot in steps]
    release(port, steps[-1])
    np.savez(sys.argv[2], selected=selected, **{name: np.array(times) for name, times in results.items()})
    os._exit(0)  # the layers are many, and closing them is not what is measured


if __name__ == "__main__":
    main()
