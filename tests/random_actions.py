"""Random but legal actions in the main dock, each undone and redone, with what must hold after each."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from qtpy import QtWidgets

from local_crystallography import Analysis, Atoms, GaussianMixture, Image, Recipe
from local_crystallography._napari.main import run_all
from local_crystallography._napari.main.run_all import ANEW, ENCODE, KEEP
from local_crystallography.data.progress import finish
from local_crystallography.simulate.samples import load_sample
from local_crystallography.steps.base import Step
from local_crystallography.steps.catalog import columns
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.steps.training import Training

SIDE = 180
"""Part of the sample in pixels: some 130 atoms, so that a step takes a fraction of a second."""
LONGEST = 60.0
RUNS = ("refine_atoms", "extract_sub_images", "train_vae", "encode", "cluster", "paint_map", "measure_lattice")


def small_analysis() -> Analysis:
    """A finished analysis of a small image."""
    analysis = Analysis(Image(load_sample("quick").data[:SIDE, :SIDE], 0.0168, "small"))
    recipe = Recipe(train_vae=TrainVae(epochs=1), cluster=Cluster(by=GaussianMixture(classes=3, n_init=1)))
    finish(analysis.run(recipe))
    return analysis


def digest(value: Any) -> str:
    """A digest of results, the same for the same content."""
    made = hashlib.sha1(usedforsecurity=False)
    _add(made, value)
    return made.hexdigest()[:12]


def _add(made: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        made.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        for name in sorted(value):
            _add(made, [str(name), value[name]])
    elif isinstance(value, (list, tuple)):
        made.update(f"<{len(value)}".encode())
        for each in value:
            _add(made, each)
    elif hasattr(value, "features"):  # atoms; rows by id, and columns by name
        table = value.features.sort_values("id")
        _add(made, value.yx[table.index])
        _add(made, {str(name): table[name].astype(str).to_numpy(str) for name in table})
    elif hasattr(value, "windows"):
        _add(made, [value.windows, value.atoms.yx])
    elif hasattr(value, "values") and isinstance(value.values, np.ndarray):
        _add(made, value.values)
    elif hasattr(value, "state_dict"):
        _add(made, {name: each.numpy() for name, each in value.state_dict().items()})
    elif hasattr(value, "data") and isinstance(value.data, np.ndarray):
        _add(made, value.data)
    else:
        made.update(repr(value).encode())


@dataclass
class Player:
    """Plays in one dock.

    Attributes
    ----------
    faults
        What did not hold, in words.
    played
        How often each action was played.
    """

    dock: Any
    rng: np.random.Generator
    faults: list[str] = field(default_factory=list)
    played: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    made_of: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def play(self, actions: int) -> None:
        """Play a number of actions, and check after each."""
        self.settle()
        for _ in range(actions):
            choices = self.legal()
            name = str(self.rng.choice(sorted(choices)))
            before = self.state()
            self.log.append(name)
            self.played[name] += 1
            before = choices[name]() or before
            self.settle()
            self.check_marks()
            if not name.startswith(("undo", "redo", "switch", "show")):  # what is shown is no change
                self.check_undo(name, before)

    @property
    def controller(self) -> Any:
        return self.dock.controller

    @property
    def analysis(self) -> Analysis:
        return self.controller.active.analysis

    def settle(self) -> None:
        """Wait until all is done."""
        end, quiet = time.monotonic() + LONGEST, 0
        own = self.dock.docks.actions.own
        while quiet < 3:
            QtWidgets.QApplication.processEvents()
            busy = self.controller.running or own._latest.busy or self.controller.watch._timer.isActive()
            quiet = 0 if busy else quiet + 1
            time.sleep(0.002)
            if time.monotonic() > end:
                raise TimeoutError(f"nothing ended after {self.log[-1:]}")

    def state(self) -> dict[str, str]:
        """Digests of all that undo has to restore, and of what is seen of it."""
        analysis, session = self.analysis, self.controller.active
        results = {name: digest(getattr(analysis, name)) for name in analysis.results if name != "image"}
        layer = session.results.get("atoms")
        seen = None if layer is None else [layer.data, digest_of_features(layer)]
        maps = {
            name: np.asarray(shown.data)
            for name in analysis.maps or {}
            if (shown := session.results.get(name)) is not None
        }
        return results | {
            "steps": digest([sorted(analysis.asked.items()), sorted(analysis.behind.items()), sorted(analysis.edited)]),
            "styles": digest(analysis.styles.to_dict()),
            "left out": digest(analysis.left_out),
            "selection": digest(self.controller.selection.mask),
            "points": digest(seen),
            "painted": digest(maps),
            "sources": digest(sorted((name, source.name) for name, source in session.sources.items())),
        }

    def check_undo(self, name: str, before: dict[str, str]) -> None:
        """An action that changed something comes back by one undo, and again by one redo."""
        after = self.state()
        changed = {key for key in after if after[key] != before[key]} - {"painted", "points"}
        if not changed:
            return
        for steps, expected, word in ((-1, before, "undo"), (1, after, "redo")):
            self.controller.travel(steps)
            self.settle()
            state = self.state()
            wrong = sorted(key for key in expected if state[key] != expected[key])
            wrong = [key for key in wrong if key != "painted"]  # layers may be more than there were
            if wrong:
                history = self.controller.active.history
                there = f"undoable {history.undoable[:3]}, redoable {history.redoable[:3]}"
                of = f"which changed {', '.join(sorted(changed))}"
                where = f"{there}, errors {self.controller.active.errors}, after {', '.join(self.log[-4:])}"
                self.faults.append(f"{word} of {name}, {of}: {', '.join(wrong)} ({where})")
        self.check_marks()

    def watch(self) -> Callable[[], None]:
        """Note what every step is run on; returns the call that ends it."""
        apply, made_of = Analysis.apply, self.made_of

        def applied(analysis: Analysis, step: Step) -> Any:
            result = yield from apply(analysis, step)
            made_of.setdefault((step.name(), made_by(analysis, step)), set()).add(digest(inputs_of(analysis, step)))
            return result

        Analysis.apply = applied  # type: ignore[method-assign]
        return partial(setattr, Analysis, "apply", apply)

    def check_marks(self) -> None:
        """A step that is marked as up to date was run on what there is now."""
        analysis = self.analysis
        for name, step in analysis.asked.items():
            if name in analysis.edited or analysis.missing(step):
                continue  # its panel says that the network was trained before an edit
            known = self.made_of.get((name, made_by(analysis, step)))
            if known is not None and digest(inputs_of(analysis, step)) not in known:
                self.faults.append(f"{name} is not up to date, after {', '.join(self.log[-3:])}")
        layer = self.controller.active.results.get("atoms")
        if layer is not None and analysis.atoms is not None and not np.array_equal(layer.data, analysis.atoms.yx):
            self.faults.append(f"the points are not the atoms, after {', '.join(self.log[-3:])}")

    def legal(self) -> dict[str, Callable[[], Any]]:
        """The actions that can be done now."""
        dock, controller, menu = self.dock, self.controller, self.dock.docks.actions
        session, rng = controller.active, self.rng
        does: dict[str, Callable[[], Any]] = {}
        if (atoms := controller.selectable) is not None and len(atoms):
            some = rng.random(len(atoms)) < rng.choice([0.02, 0.2, 0.6])
            way = str(rng.choice(["replace", "add", "subtract", "intersect"]))
            does["select"] = partial(controller.selection.apply, some, way)
            does["invert"] = controller.selection.invert
            for name, action in menu.actions.items():
                if action.isEnabled() and name in ("Merge classes", "Split class", "Remove class", "Clear"):
                    does[name] = action.trigger
            if controller.selection.count:
                does["assign class"] = menu.class_actions[int(rng.integers(1, 5))].trigger
                does["new column"] = partial(self.add_column, controller.selection.mask)
                if 30 < controller.selection.count < 0.9 * len(atoms):
                    does["analyse these only"] = menu.actions["Analyse these only"].trigger
            column, number = ("label", "hand_label")[int(rng.integers(2))], int(rng.integers(3))
            does["rename"] = partial(self.rename, column, number)
            colour = f"#{int(rng.integers(1 << 24)):06x}"
            does["recolour"] = partial(session.analysis.styles.recolour, column, number, colour)
            does["show"] = partial(self.show, rng)
        if (layer := session.results.get("atoms")) is not None and len(layer.data) > 40:
            does |= {"remove atoms": partial(self.remove, layer), "add atom": partial(self.add, layer)}
            does["move atoms"] = partial(self.move, layer)
        if session.results.get("atoms left out") is not None:
            does["restore atoms"] = partial(controller.restore, {0})
        if session.sources:
            does["all atoms again"] = menu.commands.work_on_all
        for name, count in (("undo", len(session.history.undoable)), ("redo", len(session.history.redoable))):
            if count:
                steps = int(rng.integers(1, min(count, 4) + 1))
                does[name] = partial(controller.travel, -steps if name == "undo" else steps)
        if session.analysis.mending:
            does["encode edited atoms"] = dock.news.mend.button.click
        for name in RUNS:
            if dock.panels[name].button.isEnabled():
                does[f"run {name}"] = dock.panels[name].button.click
        if dock.run_all.isEnabled():
            does["run all"] = dock.run_all.click
        does["change settings"] = self.change_settings
        others = [
            each for each in controller.viewer.layers if each.name in ("small", "other") and each != session.layer
        ]
        if others:
            does["switch image"] = partial(dock.image_box.choose, others[0])
        return does

    def remove(self, layer: Any) -> dict[str, str]:
        layer.selected_data = set(
            self.rng.choice(len(layer.data), int(self.rng.integers(1, 4)), replace=False).tolist()
        )
        self.settle()
        before = self.state()  # selecting was a change of its own
        layer.remove_selected()
        return before

    def add(self, layer: Any) -> None:
        layer.add([self.rng.uniform(20, SIDE - 20, 2)])

    def move(self, layer: Any) -> None:
        data = layer.data.copy()
        data[self.rng.integers(len(data))] += self.rng.normal(0, 0.5, 2)
        layer.data = data

    def rename(self, column: str, number: int) -> None:
        self.analysis.styles.rename(column, number, f"name {self.rng.integers(1000)}")

    def add_column(self, mask: Any) -> None:
        self.dock.docks.actions.own.add(f"mine_{self.rng.integers(10**6)}", mask)

    def show(self, rng: np.random.Generator) -> None:
        box = self.dock.show_box
        names = [str(box.itemData(index) or "") for index in range(box.count())]
        box.choose(str(rng.choice(["", *filter(None, names)])))

    def change_settings(self) -> None:
        panels = self.dock.panels
        if self.rng.random() < 0.5:
            panels["cluster"].form.set(Cluster(by=GaussianMixture(classes=int(self.rng.integers(2, 5)), n_init=1)))
        else:
            panels["extract_sub_images"].form.set(ExtractSubImages(window_size=int(self.rng.choice([20, 24]))))


def digest_of_features(layer: Any) -> str:
    """What the points know, but for the order of their columns."""
    return digest({str(name): layer.features[name].astype(str).to_numpy(str) for name in layer.features})


def made_by(analysis: Analysis, step: Step) -> str:
    """A digest of what a step has made."""
    if not step.adds_columns():
        return digest(getattr(analysis, step.makes))
    atoms, names = analysis.atoms, analysis.columns.get(step.name(), [])
    assert atoms is not None
    return digest(
        [atoms.yx, {name: atoms.features[name].astype(str).to_numpy(str) for name in names if name in atoms.features}]
    )


def inputs_of(analysis: Analysis, step: Step) -> Any:
    """What a step would be run on now, with its settings."""
    inputs = [value for value in analysis.inputs(step) if not isinstance(value, Image)]
    settings = step.model_dump(exclude={"checkpoint"})
    return [*(read_by(step, value) if isinstance(value, Atoms) else value for value in inputs), repr(settings)]


def read_by(step: Step, atoms: Atoms) -> Atoms:
    """The atoms with what a step reads of them; columns of the user's own are read only where they are named."""
    owners = {str(name): columns().owner(str(name)) for name in atoms.features}
    wanted = {"find_atoms", *(name for name in step.reads_from() if step.uses({name}))}
    return atoms.without(
        [name for name, owner in owners.items() if owner not in wanted and name not in ("id", "frame")]
    )


def answers(rng: np.random.Generator) -> Callable[..., str]:
    """Answers to what Run all asks."""

    def choose(parent: Any, title: str, words: str, choices: tuple[str, ...]) -> str:
        return str(rng.choice([*choices, ""]))

    return choose


def prepare(dock: Any) -> None:
    """Short trainings, so that a run of all steps takes seconds."""
    for panel in dock.panels.values():
        if issubclass(type(panel.form.step()), Training):
            panel.form.fields["epochs"].set(1)
    dock.panels["cluster"].form.set(Cluster(by=GaussianMixture(classes=3, n_init=1)))


def played(dock: Any, done: Analysis, seed: int, actions: int) -> Player:
    """A finished game on a copy of an analysis, beside another image."""
    rng = np.random.default_rng(seed)
    player = Player(dock, rng)
    stop, choose = player.watch(), run_all.choose
    run_all.choose = answers(rng)
    try:
        dock.controller.adopt(done)
        other = dock.viewer.add_image(
            np.asarray(done.image.data)[::-1], name="other", scale=(0.0168, 0.0168), units="nm"
        )
        player.settle()
        dock.image_box.choose(next(each for each in dock.viewer.layers if each.name == "small"))
        prepare(dock)
        player.play(actions)
        assert other is not None
    finally:
        stop()
        run_all.choose = choose
    return player


__all__ = ["ANEW", "ENCODE", "KEEP", "Player", "played", "small_analysis"]
