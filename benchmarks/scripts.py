"""Sessions of random clicks, written as scripts and run anew in another process: are the columns the same, bit for bit?

xvfb-run -a python benchmarks/scripts.py [--seeds 20] [--first 100] [--actions 30]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from light_viewer import LightViewer
from napari.qt import get_qapp
from random_actions import played, small_analysis

from local_crystallography import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.io.script import to_python
from local_crystallography.models import start

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"
QUICK = "from local_crystallography.models import start\nstart.ROUNDS, start.TRIES, start.FIRST_ROUNDS = 4, 2, 2\n"
"""As in the game: what is played does not depend on good networks."""


def anew(analysis: Analysis, folder: Path) -> tuple[Atoms, str]:
    """The atoms of the script of an analysis, run in another process, and the script."""
    analysis.save(folder / "session")
    text = to_python(analysis.session, folder / "session")
    keep = "\nimport pickle\npickle.dump(analysis.atoms, open('atoms.pickle', 'wb'))\n"
    (folder / "script.py").write_text(QUICK + text + keep, encoding="utf-8")
    subprocess.run([sys.executable, "script.py"], cwd=folder, check=True)
    import pickle

    return pickle.loads((folder / "atoms.pickle").read_bytes()), text


def different(one: Atoms, other: Atoms) -> list[str]:
    """Names of what is not the same, bit for bit, by id."""
    if not one.same_atoms(other):
        return ["positions"]
    ours, theirs = one.features, other.features
    return [str(n) for n in {*ours, *theirs} if n not in ours or n not in theirs or not ours[n].equals(theirs[n])]


def main() -> None:
    """Play, write, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--actions", type=int, default=30)
    options = parser.parse_args()
    get_qapp()
    start.ROUNDS, start.TRIES, start.FIRST_ROUNDS = 4, 2, 2
    done, same = small_analysis(), 0
    print("| seed | entries | lines | columns | different | s |\n| --- | --- | --- | --- | --- | --- |")
    for seed in range(options.first, options.first + options.seeds):
        began, viewer, analysis = time.perf_counter(), LightViewer(), Analysis()
        analysis.restore(done.snapshot())
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
        played(dock, analysis, seed, options.actions)
        made = analysis  # not that of the other image, which may be the active one at the end
        with tempfile.TemporaryDirectory() as folder:
            try:
                atoms, text = anew(made, Path(folder))
                wrong = different(made.atoms, atoms)
                lines, count = len(text.splitlines()), len(made.atoms.features.columns)
            except Exception as error:
                wrong, lines, count = [f"{type(error).__name__}: {error}"[:200]], 0, 0
        viewer.window.close()
        same += not wrong
        row = (seed, len(made.log), lines, count, ", ".join(wrong) or "none", f"{time.perf_counter() - began:.0f}")
        print(f"| {' | '.join(map(str, row))} |", flush=True)
    print(f"\n{same} of {options.seeds} the same")


if __name__ == "__main__":
    main()
