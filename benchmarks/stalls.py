"""Time without response of the window while steps run: a heartbeat every 5 ms in the real viewer, and its longest gap.

    xvfb-run -s "-screen 0 1280x800x24" python benchmarks/stalls.py [--sample lsmo_nio] [--epochs 10] [--where]

Every step is run by its own button, then a chain is calibrated and sampled, and plots and session are saved. A gap is
the delay of the heartbeat; *busy* is the CPU time of the GUI thread between two beats, which other work on the same
cores does not prolong. Both include the drawing of the canvas, which a virtual display does without a graphics card.
`--where` shows what the GUI thread did when it was busiest in each phase.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import napari
from qtpy import QtCore

PLUGIN, DOCK = "napari-local-crystallography", "Analyse image …"
BEAT = 5
"""Milliseconds between two beats."""
LATE = 0.05
"""Seconds above which a gap is inspected."""
HEAD = "| phase | seconds | longest gap, ms | gaps over 100 ms | busy, ms |\n| --- | --- | --- | --- | --- |"
STEPS = (
    "segment",
    "find_atoms",
    "refine_atoms",
    "measure_lattice",
    "decide_symmetry",
    "extract_sub_images",
    "train_vae",
    "encode",
    "cluster",
    "paint_map",
)


@dataclass
class Phase:
    """Times in one phase, in seconds, and where the GUI thread was when it was busiest."""

    seconds: float = 0.0
    gaps: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    where: str = ""
    busiest_seen: float = LATE

    def row(self, name: str) -> str:
        """A row of the table."""
        longest, busiest = (1000 * max(times, default=0.0) for times in (self.gaps, self.busy))
        many = sum(gap > 0.1 for gap in self.gaps)
        return f"| {name} | {self.seconds:.1f} | {longest:.0f} | {many} | {busiest:.0f} |"


class Heartbeat(QtCore.QObject):
    """Beats in the GUI thread; a second thread records where that one is when it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase()
        self._main = threading.get_ident()
        self._last, self._used = time.perf_counter(), time.thread_time()
        self._timer = QtCore.QTimer(self, interval=BEAT, timerType=QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def watch(self) -> None:
        """From another thread, record without end what takes long."""
        clock = time.pthread_getcpuclockid(self._main)
        while True:
            time.sleep(LATE / 5)
            busy = time.clock_gettime(clock) - self._used
            if busy > self.phase.busiest_seen:
                self.phase.busiest_seen = busy
                frame = sys._current_frames().get(self._main)
                self.phase.where = f"after {1000 * busy:.0f} ms\n" + "".join(traceback.format_stack(frame)[-12:])

    def _beat(self) -> None:
        now, used = time.perf_counter(), time.thread_time()
        self.phase.gaps.append(now - self._last - BEAT / 1000)
        self.phase.busy.append(used - self._used)
        self._last, self._used = now, used


def wait(seconds: float, until=lambda: False) -> None:
    """Process events until a condition holds, or the time is over."""
    end, loop = time.monotonic() + seconds, QtCore.QEventLoop()
    timer = QtCore.QTimer(interval=20)
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    timer.start()
    loop.exec()


def export(dock, path: str) -> None:
    """Write the plots of the explorer, and wait for the file."""
    dock.explorer.export(path)
    wait(60, lambda: dock.explorer.buttons["Export figure …"].isEnabled())


def main() -> None:
    """Run everything once and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", default="lsmo_nio")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--where", action="store_true")
    options = parser.parse_args()
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1280, 800)
    viewer.open_sample(PLUGIN, options.sample)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    dock.panels["train_vae"].form.fields["epochs"].set(options.epochs)
    wait(3)
    heart, phases = Heartbeat(), {}
    if options.where:
        threading.Thread(target=heart.watch, daemon=True).start()

    def measure(name: str, act) -> None:
        wait(0.5)
        heart.phase = phases[name] = Phase()
        start = time.perf_counter()
        act()
        wait(1200, lambda: not dock.controller.running)
        phases[name].seconds = time.perf_counter() - start
        wait(1)  # what is drawn at the end belongs to it

    measure("nothing", lambda: wait(2))
    for name in STEPS:
        measure(name, dock.panels[name].button.click)
    symmetry = dock.docks.show_symmetry()
    wait(60, lambda: symmetry.chain.view is not None)
    for name, words in (("calibrate", "calibrate a chain"), ("reference", "sample with PyMC, compiling too")):
        measure(words, symmetry.chain.buttons[name].click)
    measure("sample with PyMC again", symmetry.chain.buttons["reference"].click)
    with tempfile.TemporaryDirectory() as folder:
        measure("export the plots", lambda: export(dock, str(Path(folder) / "plots.png")))
        measure("save the session", lambda: dock.controller.save(Path(folder) / "session"))
    print(HEAD)
    for name, phase in phases.items():
        print(phase.row(name))
        if options.where:
            print(phase.where)
    sys.stdout.flush()
    os._exit(0)  # closing is not what is measured, and the watching thread must not outlive the interpreter


if __name__ == "__main__":
    main()
