"""The latent explorer at 100,000 atoms in the real viewer, compared with napari-clusters-plotter on the same points.

    python benchmarks/peers/make_environments.py FOLDER clusters_plotter
    xvfb-run -s "-screen 0 1280x800x24" python benchmarks/explorer.py --environments FOLDER [--repeats 20] [--rounds 50]

Without `--environments` the peer is left out. Every time is a median, from the user's action to the end of the last
repaint it causes: wall time, and in brackets CPU time of the GUI thread, which other work on the same cores disturbs
less. A virtual display draws the layers without a graphics card: a frame of the canvas is reported separately, and the
rows "without the canvas" are measured with the layers hidden. Ours repaints three plots, the peer one.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))

import numpy as np
import psutil
from qtpy import QtCore, QtGui, QtWidgets
from repaints import TYPES, Repaints, canvas_of, draw, mouse, outline, release, settle
from run import python_of

from local_crystallography import Analysis, Atoms, Encode, Image, TrainVae
from local_crystallography._napari.show import open_viewer
from local_crystallography.steps.paint_map import Brush

SIDE, ATOMS, PITCH = 2048, 100_000, 6.4
CENTRES = 2 * np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], float)
REACH = 1.3
Times = Sequence[tuple[float, float]]


def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """yx (n, 2), z (n, 2) in four clusters, and the cluster of each."""
    rng = np.random.default_rng(0)
    columns = int(SIDE / PITCH) - 3
    yx = PITCH * np.stack(np.divmod(np.arange(ATOMS), columns), axis=1) + PITCH
    label = rng.integers(0, len(CENTRES), ATOMS)
    return yx, CENTRES[label] + rng.normal(0, 0.4, (ATOMS, 2)), label


def analysis_of(yx: np.ndarray, z: np.ndarray, label: np.ndarray) -> Analysis:
    """The points as an analysed image, with one map."""
    rng = np.random.default_rng(1)
    analysis = Analysis(Image(rng.normal(size=(SIDE, SIDE)).astype(np.float32), 0.02, "100,000 atoms"))
    angle = rng.uniform(-np.pi, np.pi, len(yx))
    offsets = rng.normal(0, 0.3, (2, len(yx)))
    columns = {"angle_rad": angle, "offset_y_px": offsets[0], "offset_x_px": offsets[1], "z0": z[:, 0], "z1": z[:, 1]}
    analysis.atoms = Atoms.at(yx, pixel_size=0.02).with_features(**columns, label=label)
    return analysis


class Ours:
    """The viewer with the explorer, and simulated user actions."""

    def __init__(self, analysis: Analysis) -> None:
        self.viewer = open_viewer(analysis)
        self.window = self.viewer.window.main_menu.window()
        self.dock = next(iter(self.viewer.window.dock_widgets.values()))
        settle(2)
        self.explorer = self.dock.docks.show_explorer()
        self.canvas = canvas_of(self.window)
        self.acts: list[tuple[float, float]] = []

    def show_plots(self, number: int = 3) -> None:
        """Show this many plots, the first of z0 and z1, and watch them being drawn."""
        self.explorer.bar.number_chosen.emit(number)
        settle(2)
        self.plots = self.explorer.plots
        self.watch = Repaints([self.canvas, *(plot.plot.viewport() for plot in self.plots)])

    @property
    def port(self) -> QtWidgets.QWidget:
        """The widget that draws the first plot."""
        return self.plots[0].plot.viewport()

    def spots(self, places: np.ndarray) -> list[QtCore.QPointF]:
        """Positions of z on the first plot."""
        plot, box = self.plots[0].plot, self.plots[0].box
        return [QtCore.QPointF(plot.mapFromScene(box.mapViewToScene(QtCore.QPointF(*place)))) for place in places]

    def choose(self, tool: str) -> None:
        """Select a tool."""
        self.explorer.buttons[tool].click()

    def lasso(self, k: int) -> tuple[float, float]:
        """Draw around one cluster after the other."""
        path = self.spots(outline(CENTRES[k % len(CENTRES)], REACH))
        draw(self.port, path)
        return self.watch.after(lambda: release(self.port, path[-1]))

    def pan(self, repeats: int) -> list[tuple[float, float]]:
        """Pan the plot in small steps."""
        self.choose("Move")
        middle = self.spots(np.zeros((1, 2)))[0]
        draw(self.port, [middle, middle + QtCore.QPointF(20, 0)])
        steps = [middle + QtCore.QPointF(20 + 4 * (k % 8), 2 * (k % 5)) for k in range(1, repeats + 1)]
        move = TYPES.MouseMove
        times = [self.watch.after(lambda spot=spot: mouse(self.port, move, spot, True)) for spot in steps]
        release(self.port, steps[-1])
        self.choose("Lasso")
        return times

    def zoom(self, k: int) -> tuple[float, float]:
        """Scroll up and down with the wheel."""
        spot, turn = self.spots(np.zeros((1, 2)))[0], QtCore.QPoint(0, 120 if k % 2 else -120)
        qt = QtCore.Qt
        flags, phase = (qt.MouseButton.NoButton, qt.KeyboardModifier.NoModifier), qt.ScrollPhase.NoScrollPhase
        place = QtCore.QPointF(self.port.mapToGlobal(spot))
        event = QtGui.QWheelEvent(spot, place, QtCore.QPoint(), turn, *flags, phase, False)
        return self.watch.after(lambda: QtWidgets.QApplication.sendEvent(self.port, event))

    def hover(self, k: int) -> tuple[float, float]:
        """Point at one atom after the other."""
        spot = self.spots(CENTRES[k % len(CENTRES)][None])[0] + QtCore.QPointF(k % 7, k % 5)
        return self.watch.after(lambda: mouse(self.port, TYPES.MouseMove, spot, False))

    def hover_image(self, k: int) -> tuple[float, float]:
        """Point at one atom after the other in the image."""
        spot = QtCore.QPointF(self.canvas.rect().center()) + QtCore.QPointF(9 * (k % 11), 7 * (k % 13))
        return self.watch.after(lambda: mouse(self.canvas, TYPES.MouseMove, spot, False))

    def lasso_on_image(self, k: int) -> tuple[float, float]:
        """Choose the lasso and draw around atoms in the image; the sum of what both take."""
        lasso = self.dock.docks.actions.lasso
        chosen = self.watch.after(lambda: lasso.action.setChecked(True))
        centre = np.array([self.canvas.width(), self.canvas.height()]) * (0.5 + 0.05 * (k % 3))
        path = [QtCore.QPointF(*spot) for spot in outline(centre, 0.2 * self.canvas.height())]
        draw(lasso.sheet, path)
        selected = self.watch.after(lambda: release(lasso.sheet, path[-1]))
        assert self.dock.controller.selection.count > 0.02 * ATOMS
        return chosen[0] + selected[0], chosen[1] + selected[1]

    def pan_image(self, repeats: int) -> list[tuple[float, float]]:
        """Pan the canvas in small steps of the mouse."""
        middle = QtCore.QPointF(self.canvas.rect().center())
        draw(self.canvas, [middle, middle + QtCore.QPointF(20, 0)])
        steps = [middle + QtCore.QPointF(20 + 4 * (k % 8), 2 * (k % 5)) for k in range(1, repeats + 1)]
        move = TYPES.MouseMove
        times = [self.watch.after(lambda spot=spot: mouse(self.canvas, move, spot, True)) for spot in steps]
        release(self.canvas, steps[-1])
        return times

    def repaint_map(self, brush: Brush, k: int) -> tuple[float, float]:
        """Paint a column on 2048 x 2048 pixels and show it in its layer."""
        values = np.roll(self.dock.session.analysis.atoms.features["z0"].to_numpy(), k)
        results = self.dock.session.results

        def act() -> None:
            results.previews.prepare({"z0": brush.paint(values)})
            wall, busy = time.perf_counter(), time.thread_time()
            results.previews.show("z0")
            self.acts.append((1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - busy)))

        return self.watch.after(act)

    def frame(self) -> tuple[float, float]:
        """Draw the canvas again, with nothing new."""
        return self.watch.after(self.canvas.update)


def measure_ours(repeats: int) -> dict[str, Times]:
    """Every measure, by name."""
    analysis = analysis_of(*points())
    ours = Ours(analysis)
    ours.show_plots()
    times: dict[str, Times] = {}

    def every(name: str, act: Callable[[int], tuple[float, float]]) -> None:
        print(name, file=sys.stderr, flush=True)
        act(0)  # what happens only once is not counted
        times[name] = [act(k) for k in range(1, repeats + 1)]

    times["first_lasso_on_image"] = [ours.lasso_on_image(0)]
    every("lasso_on_image", ours.lasso_on_image)
    every("frame", lambda k: ours.frame())
    times["pan_image"] = ours.pan_image(repeats)
    ours.viewer.camera.zoom *= 6
    settle(1)
    times["pan_near"] = ours.pan_image(repeats)
    ours.viewer.reset_view()
    settle(1)
    every("lasso", ours.lasso)
    every("hover", ours.hover)
    every("hover_image", ours.hover_image)
    brush = Brush(analysis.atoms, analysis.image, reach=PITCH, left_out=np.zeros(ATOMS, bool))
    brush.paint(np.zeros(ATOMS))
    every("map", lambda k: ours.repaint_map(brush, k))
    times["map_without_frame"] = ours.acts[-repeats:]
    ours.canvas.hide()
    every("lasso_without_canvas", ours.lasso)
    every("zoom", ours.zoom)
    every("hover_without_canvas", ours.hover)
    times["pan"] = ours.pan(repeats)
    assert 0.2 * ATOMS < ours.dock.controller.selection.count < 0.3 * ATOMS
    ours.viewer.close()
    return times


def measure_peer(python: Path, repeats: int) -> dict[str, Times]:
    """The measures of napari-clusters-plotter, by name."""
    yx, z, _ = points()
    worker = Path(__file__).parent / "peers" / "clusters_plotter.py"
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, yx=yx, z=z, centres=CENTRES, reach=REACH, repeats=repeats)
        command = [str(python), "-W", "ignore", str(worker), str(source), str(result)]
        subprocess.run(command, env=os.environ, check=True)
        with np.load(result) as file:
            assert file["selected"].min() > 0.2 * ATOMS
            return {name: [tuple(each) for each in file[name]] for name in file.files if name != "selected"}


def memory(rounds: int) -> tuple[float, float]:
    """Megabytes after two rounds of train, select, clear, and after all of them."""
    viewer = open_viewer()
    viewer.open_sample("napari-local-crystallography", "quick")
    dock = next(iter(viewer.window.dock_widgets.values()))
    first = [dock.panels[name].form.step() for name in ("segment", "find_atoms", "refine_atoms", "extract_sub_images")]
    wait_for(dock, tuple(first))
    sizes = []
    for _ in range(rounds + 2):
        wait_for(dock, (TrainVae(epochs=1), Encode()))
        controller = dock.controller
        controller.selection.apply(np.arange(len(controller.selection)) % 2 == 0)
        settle(0.2)
        controller.selection.clear()
        settle(0.2)
        sizes.append(psutil.Process().memory_info().rss / 2**20)
    viewer.close()
    return sizes[1], sizes[-1]


def wait_for(dock: QtWidgets.QWidget, steps: tuple) -> None:
    """Run steps and wait for their end."""
    dock.controller.run(steps, again=True)
    while dock.controller.running:
        settle(0.05)


ROWS = {
    "lasso released, to all views repainted": "lasso",
    "lasso released, without the canvas": "lasso_without_canvas",
    "a frame of the canvas by itself": "frame",
    "one step of panning the canvas, all atoms in view": "pan_image",
    "the same, zoomed in six times": "pan_near",
    "lasso on the image, the first in the process": "first_lasso_on_image",
    "lasso on the image": "lasso_on_image",
    "one step of panning a plot, without the canvas": "pan",
    "one step of zooming a plot, without the canvas": "zoom",
    "hover over a plot": "hover",
    "hover over a plot, without the canvas": "hover_without_canvas",
    "hover over the image": "hover_image",
    "repaint one map of 2048 x 2048": "map",
    "of that, passing it to its layer: what blocks the window": "map_without_frame",
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--environments", type=Path, help="folder filled by make_environments.py")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    ours = measure_ours(options.repeats)
    peer = {}
    if options.environments is not None:
        peer = measure_peer(python_of(options.environments / "clusters_plotter"), options.repeats)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, software GL, {ATOMS:,} atoms,")
    print(f"medians of {options.repeats}, in ms: wall time (CPU time of the GUI thread).\n")
    print("| measure | ours | napari-clusters-plotter | ratio |\n| --- | --- | --- | --- |")
    for words, name in ROWS.items():
        own, other = median(ours[name]), median(peer.get(name, []))
        ratios = [f"{theirs / mine:.1f}" for mine, theirs in zip(own, other, strict=False)]
        print(f"| {words} | {shown(own)} | {shown(other)} | {' ('.join(ratios) + ')' if ratios else ''} |")
    if options.rounds:
        before, after = memory(options.rounds)
        print(
            f"\nMemory after 2 and {options.rounds + 2} rounds of train, select, clear: {before:.0f} MB, {after:.0f} MB"
        )
        print(f"({100 * (after / before - 1):+.1f} %).")


def median(times: Times) -> list[float]:
    """Medians of wall and CPU time; empty if nothing was measured."""
    return [statistics.median(part) for part in zip(*times, strict=True)]


def shown(times: list[float]) -> str:
    """The text of a table cell."""
    return f"{times[0]:.0f} ({times[1]:.0f})" if times else ""


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # closing 100,000 points is not what is measured
