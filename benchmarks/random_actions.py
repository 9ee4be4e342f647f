"""Random sequences of legal actions in the main dock: does undo restore, is a result lost, does a mark lie?

    xvfb-run -a python benchmarks/random_actions.py [--seeds 50] [--first 0] [--actions 200]

Every action that changes something is undone and redone at once, and all that undo has to restore is compared. A step
that is marked as up to date must have been run on what there is now.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from analyses import copied
from light_viewer import LightViewer
from napari.qt import get_qapp
from random_actions import played, small_analysis

from local_crystallography.models import start

PLUGIN, NAME = "napari-local-crystallography", "Analyse image …"


def main() -> None:
    """Play, and print what did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--actions", type=int, default=200)
    options = parser.parse_args()
    get_qapp()
    start.ROUNDS, start.TRIES, start.FIRST_ROUNDS = 4, 2, 2  # what is played does not depend on good networks
    done, actions, faults = small_analysis(), Counter[str](), 0
    for seed in range(options.first, options.first + options.seeds):
        began, viewer = time.perf_counter(), LightViewer()
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
        player = played(dock, copied(done), seed, options.actions)
        viewer.window.close()
        actions += player.played
        faults += len(player.faults)
        print(f"seed {seed}: {len(player.faults)} faults, {time.perf_counter() - began:.0f} s", flush=True)
        for fault in dict.fromkeys(player.faults):
            print(f"    {fault}", flush=True)
    print(f"\n{actions.total()} actions in {options.seeds} sequences, {faults} faults")
    print(", ".join(f"{name} {count}" for name, count in actions.most_common()))


if __name__ == "__main__":
    main()
