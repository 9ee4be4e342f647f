"""Results and previews on their way into the viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from local_crystallography._napari.bench.turns import Turns
from local_crystallography._napari.bench.work import Work
from local_crystallography._napari.bench.works import Works


class Bringer:
    """Brings what is new into the viewer, one layer per turn of the event loop; nothing where the image is gone."""

    def __init__(self, works: Works, turns: Turns) -> None:
        self._works = works
        self._turns = turns

    def bring(self, work: Work, then: Callable[[], object]) -> None:
        """Show the results that are new, which take the place of previews; and then go on with something else."""
        self._turns.add(work.results.previews.hide)
        self._each(work, work.results.show_one, work.results.pending())
        self._turns.add(then)

    def preview(self, work: Work, names: Iterable[str]) -> None:
        """Show maps of a training that still goes on."""
        self._each(work, work.results.previews.show, names)

    def _each(self, work: Work, show: Callable[[str], object], names: Iterable[str]) -> None:
        self._turns.add(*(partial(self._one, work, show, name) for name in names))

    def _one(self, work: Work, show: Callable[[str], object], name: str) -> None:
        if self._works.holds(work):
            show(name)
