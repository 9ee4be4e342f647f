"""Five tasks of a first hour, done by the mouse and the keyboard alone in a real viewer, with a picture after each.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/five_tasks.py --out DIR [--theme light]

Needs xdotool and openbox. The tasks: a first result from the empty viewer; two classes named and made into labels; an
atom deleted, another added and both encoded; the session saved, opened again in an empty viewer and gone on with; a
profile across an interface. Clicks and keys go through the X server, from a thread, since menus have a loop of their
own; only the file dialogs are answered by the script.
"""

import argparse
import os
import queue
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ["NAPARI_CONFIG"] = f"{tempfile.mkdtemp()}/settings.yaml"  # as for somebody who has never seen it

import napari
import numpy as np
from napari.qt import get_qapp
from qtpy import QtCore, QtWidgets

from local_crystallography._napari.layers.camera import camera_of, canvas_in
from local_crystallography._napari.main import dock as main_dock
from local_crystallography._napari.main.dock import MainDock

LONGEST = 600.0


CALLS: "queue.Queue[Callable[[], None]]" = queue.Queue()


def here(call: Callable[[], Any]) -> Any:
    """The result of a call in the thread of the window."""
    done, result = threading.Event(), []

    def called() -> None:
        result.append(call())
        done.set()

    CALLS.put(called)
    if not done.wait(LONGEST):
        raise TimeoutError("the window does not answer")
    return result[0]


def answer() -> None:
    """Make the calls of the user; in the thread of the window, also while a menu is open."""
    while not CALLS.empty():
        CALLS.get()()


class User:
    """Somebody with a mouse and a keyboard in front of one viewer."""

    def __init__(self, out: Path, theme: str) -> None:
        self.out, self.theme, self.clicks = out, theme, 0
        here(self._open)
        self.wait(1.5)

    def _open(self) -> None:
        self.viewer = napari.Viewer(show=False)
        self.viewer.theme = self.theme
        self.viewer.show()
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(0, 0, 1280, 800)

    @property
    def dock(self) -> MainDock:
        """The main dock."""
        return next(each for each in self.viewer.window.dock_widgets.values() if isinstance(each, MainDock))

    def wait(self, seconds: float = 0.3) -> None:
        """Wait until the window has done all that it had to do, and a while longer."""
        here(lambda: None)
        time.sleep(seconds)

    def until(self, ready: Callable[[], bool], what: str) -> float:
        """Wait until something is so; the seconds that took."""
        began = time.monotonic()
        while not ready():
            self.wait(0.05)
            if time.monotonic() - began > LONGEST:
                raise TimeoutError(f"{what} did not happen")
        return time.monotonic() - began

    def idle(self) -> float:
        """Wait until no job is running; the seconds that took."""
        self.wait(0.3)
        took = self.until(lambda: not self.dock.controller.running, "the end of a job")
        self.wait(0.5)
        return took

    def click(self, at: Any, *, count: int = 1, counted: bool = True) -> None:
        """Click on a widget, or at (x, y) on the screen."""
        x, y = at if isinstance(at, tuple) else middle(at)
        self.clicks += counted
        self.xdotool("mousemove", x, y)
        self.xdotool("click", "--repeat", count, "--delay", 60, 1)
        self.wait(0.4)

    def drag(self, path: list[tuple[int, int]]) -> None:
        """Drag along places on the screen."""
        self.xdotool("mousemove", *path[0])
        self.xdotool("mousedown", 1)
        for (x0, y0), (x1, y1) in pairwise(path):
            for share in np.linspace(0.1, 1, 10):
                self.xdotool("mousemove", round(x0 + share * (x1 - x0)), round(y0 + share * (y1 - y0)))
                self.wait(0.02)
        self.xdotool("mouseup", 1)
        self.wait(0.5)

    def key(self, *keys: str) -> None:
        """Press keys."""
        self.xdotool("key", *keys)
        self.wait(0.3)

    def type(self, text: str) -> None:
        """Write a text."""
        self.xdotool("type", "--delay", 30, text)
        self.wait(0.3)

    def choose(self, *path: str) -> None:
        """Choose from the menus of the window."""
        bar = self.window.menuBar()
        action = next(each for each in bar.actions() if each.text().replace("&", "") == path[0])
        place = bar.mapToGlobal(bar.actionGeometry(action).center())
        self.click((place.x(), place.y()))
        for words in path[1:]:
            menu = action.menu()
            # napari adds the name of the plugin
            action = next(each for each in menu.actions() if each.text().replace("&", "").startswith(words))
            place = menu.mapToGlobal(menu.actionGeometry(action).center())
            self.click((place.x(), place.y()), counted=action.menu() is None)

    def at(self, yx: Any, layer: Any) -> tuple[int, int]:
        """Where a position in pixels of a layer is on the screen."""
        canvas, camera = canvas_in(self.dock), camera_of(self.viewer)
        world = np.asarray(layer.data_to_world(yx))[-2:]
        away = (world - np.asarray(camera.center)[-2:]) * camera.zoom
        place = canvas.mapToGlobal(QtCore.QPoint(0, 0))
        y, x = away + np.array([canvas.height(), canvas.width()]) / 2
        return round(place.x() + x), round(place.y() + y)

    def raise_tab(self, name: str) -> None:
        """Click on the tab of a dock."""
        for bar in self.window.findChildren(QtWidgets.QTabBar):
            for index in range(bar.count()):
                if bar.tabText(index) == name and bar.isVisible():
                    place = bar.mapToGlobal(bar.tabRect(index).center())
                    self.click((place.x(), place.y()))
                    return
        raise LookupError(f"there is no tab {name}")

    def look(self, name: str) -> None:
        """Save a picture of the screen."""
        self.wait(1.0)
        path = self.out / f"{self.theme}_{name}.png"
        here(lambda: QtWidgets.QApplication.primaryScreen().grabWindow(0).save(str(path)))

    def xdotool(self, *words: Any) -> None:
        """Let the X server do it."""
        subprocess.run(["xdotool", *map(str, words)], check=True)

    def close(self) -> None:
        """Close the viewer."""
        here(self.viewer.close)
        self.wait(1.0)


def middle(widget: Any) -> tuple[int, int]:
    """The middle of a widget on the screen."""
    place = widget.mapToGlobal(widget.rect().center())
    return place.x(), place.y()


def name_in(tree: Any, row: int) -> tuple[int, int]:
    """The name of a class in a legend on the screen."""
    place = tree.viewport().mapToGlobal(tree.visualRect(tree.indexFromItem(tree.topLevelItem(row), 1)).center())
    return place.x(), place.y()


def first_result(user: User) -> str:
    """From the empty viewer to a finished sample."""
    user.choose("Plugins", "Local Crystallography", "Analyse image …")
    user.wait(1.0)
    user.look("0_first_steps")
    user.click(user.dock.hint.sample)
    user.until(lambda: user.dock.controller.running, "the start of the run")
    took = user.idle()
    user.look("1_first_result")
    canvas, window = canvas_in(user.dock), user.window
    share = canvas.width() * canvas.height() / (window.width() * window.height())
    return f"{user.clicks} clicks, {took:.0f} s, canvas {share:.1%} of the window; {user.dock.news.message.text()}"


def two_classes(user: User) -> str:
    """Name two classes in the legend, and make a labels layer of one of them."""
    user.raise_tab("Latent explorer")
    user.wait(1.0)
    tree = user.dock.explorer.legend.blocks[0].tree
    for row, name in enumerate(("A site", "B site")):
        user.click(name_in(tree, row), count=2)
        user.key("ctrl+a")
        user.type(name)
        user.key("Return")
    user.wait(0.6)
    user.click(name_in(tree, 0))
    menu = user.dock.docks.actions.menu
    button = next(each for each in user.dock.explorer.findChildren(QtWidgets.QToolButton) if each.menu() is menu)
    user.click(button)
    place = menu.mapToGlobal(menu.actionGeometry(user.dock.docks.actions.actions["New labels layer"]).center())
    user.click((place.x(), place.y()))
    user.idle()
    user.look("2_two_classes")
    styles, layer = user.dock.controller.analysis.styles, user.viewer.layers["pixels of selection of quick"]
    return (
        f"classes {styles.name('label', 0)} and {styles.name('label', 1)}; {(layer.data > 0).mean():.1%} of the pixels"
    )


def edited_atoms(user: User) -> str:
    """Delete an atom, add one, and have both encoded."""
    user.raise_tab("Local Crystallography")
    layer, analysis = user.viewer.layers["atoms"], user.dock.controller.analysis
    here(lambda: setattr(user.viewer.layers.selection, "active", layer))
    places = analysis.atoms.yx
    row = int(np.argmin(((places - 256) ** 2).sum(axis=1)))
    place, count = places[row].copy(), len(places)
    user.click(user.at((60, 60), layer))  # the canvas has the keyboard
    user.key("3")
    user.click(user.at(place, layer))
    user.key("Delete")
    user.wait(0.5)
    deleted = len(user.dock.controller.atoms)
    user.look("3_atom_deleted")
    user.key("2")
    user.click(user.at(place + 0.8, layer))
    user.wait(0.5)
    user.key("4")
    user.look("3_atom_added")
    user.click(user.dock.news.mend.button)
    took = user.idle()
    user.look("3_atom_encoded")
    atoms = user.dock.controller.atoms
    away = np.linalg.norm(atoms.yx[-1] - place)
    return (
        f"{count}, {deleted} and {len(atoms)} atoms; the new one is {away:.2f} px from the one that was deleted, z0 "
        f"{atoms.features['z0'].iloc[-1]:.2f}; encoded in {took:.0f} s with the network there was"
    )


def saved_and_opened(user: User, out: Path) -> tuple[User, str]:
    """Save, close, open in an empty viewer, and go on with one class more."""
    folder = out / f"session_{user.theme}"
    main_dock.ask_folder_to_save = lambda *_: folder
    main_dock.ask_folder_to_open = lambda *_: folder
    user.click(user.dock.buttons[main_dock.SAVE])
    user.idle()
    said = user.dock.news.message.text().split(". ")[0]
    user.look("4_saved")
    user.close()
    again = User(out, user.theme)
    again.choose("Plugins", "Local Crystallography", "Analyse image …")
    again.wait(1.0)
    again.click(again.dock.buttons[main_dock.OPEN])
    again.idle()
    again.look("4_opened")
    count = again.dock.class_count
    before, plus = (
        count.count,
        next(each for each in again.dock.findChildren(QtWidgets.QToolButton) if each.text() == "+"),
    )
    again.click(plus)
    again.idle()
    more = count.count
    again.look("4_one_class_more")
    again.click(middle(canvas_in(again.dock)))  # selects an atom, if one is there: a change of its own
    while again.dock.session.history.undoable[0].startswith("Select"):
        again.key("ctrl+z")
    again.key("ctrl+z")
    again.wait(1.0)
    return again, f"{said}; {before} classes, {more} after a click, {count.count} after Ctrl+Z"


def profile(user: User) -> str:
    """A profile of the distance to the neighbours across the interface of an inclusion."""
    user.raise_tab("Local Crystallography")
    user.click(user.dock.buttons["Measure"])
    user.wait(1.0)
    panel = user.dock.docks.behind["Measure"].profile
    user.click(panel.draw)
    layer = panel.drawing.layer
    user.drag([user.at((250, 170), layer), user.at((250, 420), layer)])
    user.until(lambda: panel.profile is not None, "the profile")
    user.look("5_profile")
    return panel.words.text()


def main() -> None:
    """Do all tasks, and print what came of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    manager, app = subprocess.Popen(["openbox"]), get_qapp()
    app.setQuitOnLastWindowClosed(False)
    timer = QtCore.QTimer(interval=10)
    timer.timeout.connect(answer)
    timer.start()
    threading.Thread(target=play, args=(options.out, options.theme, app), daemon=True).start()
    app.exec()
    manager.terminate()
    os._exit(0)  # napari may still wait for its threads


def play(out: Path, theme: str, app: Any) -> None:
    """All tasks one after the other."""
    try:
        user = User(out, theme)
        for task in (first_result, two_classes, edited_atoms):
            print(f"{task.__doc__} {task(user)}", flush=True)
        user, said = saved_and_opened(user, out)
        print(f"{saved_and_opened.__doc__} {said}", flush=True)
        print(f"{profile.__doc__} {profile(user)}", flush=True)
    except BaseException:
        traceback.print_exc()
        CALLS.put(lambda: QtWidgets.QApplication.primaryScreen().grabWindow(0).save(str(out / f"{theme}_failed.png")))
        time.sleep(3)
    CALLS.put(app.quit)


if __name__ == "__main__":
    main()
