"""Preferences of the plugin, declared with their defaults in napari.yaml and shown in napari's preferences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml  # type: ignore[import-untyped]

PLUGIN = "napari-local-crystallography"


class Settings:
    """Preferences of the user. Only the panels read them, so that scripts give the same results everywhere.

    napari 0.9 saves every change; older versions forget the preferences when napari is closed.
    """

    @property
    def device(self) -> str | None:
        """Device for training: cpu, cuda or mps; None for automatic."""
        device = str(_groups().computing.device)
        return None if device == "auto" else device

    @property
    def threads(self) -> int | None:
        """Number of processor threads of a job; None for automatic."""
        return int(_groups().computing.threads) or None

    @property
    def opens_explorer(self) -> bool:
        """Whether the latent explorer opens as soon as latents exist."""
        return bool(_groups().panels.open_explorer)

    @property
    def shows_hint(self) -> bool:
        """Whether the first steps are shown."""
        return bool(_groups().panels.show_hint)

    @shows_hint.setter
    def shows_hint(self, shown: bool) -> None:
        _groups().panels.show_hint = shown

    @property
    def unfolded(self) -> frozenset[str]:
        """Names of the unfolded panels."""
        return frozenset(str(_groups().panels.unfolded).split())

    @unfolded.setter
    def unfolded(self, names: Iterable[str]) -> None:
        _groups().panels.unfolded = " ".join(sorted(names))

    @property
    def explorer_place(self) -> str:
        """Where the latent explorer opens: see `main.explorer_place`."""
        return str(_groups().panels.explorer_place)

    @explorer_place.setter
    def explorer_place(self, place: str) -> None:
        _groups().panels.explorer_place = place

    @property
    def folder(self) -> Path | None:
        """The folder last used for a file or session; None if there is none, or it no longer exists."""
        folder = Path(str(_groups().files.folder))
        return folder if folder.is_absolute() and folder.is_dir() else None

    @folder.setter
    def folder(self, folder: Path) -> None:
        _groups().files.folder = str(folder)

    def follow(self, listener: Callable[[Any], object]) -> None:
        """Call a function whenever a setting changes; napari before 0.9 does not report changes."""
        if (events := getattr(_groups(), "events", None)) is not None:
            events.changed.connect(listener)

    def leave(self, listener: Callable[[Any], object]) -> None:
        """Stop calling a function."""
        if (events := getattr(_groups(), "events", None)) is not None:
            events.changed.disconnect(listener)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Limit the number of threads; None for the defaults of each library."""
    if threads is None:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def _groups() -> Any:
    """The groups of settings in napari.yaml, each with its settings as attributes."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return _defaults()
    # napari does not know a plugin that is not installed, as in a source tree
    return get_plugin_settings().get(PLUGIN) or _defaults()


@cache
def _defaults() -> SimpleNamespace:
    manifest = yaml.safe_load((files("local_crystallography") / "napari.yaml").read_text(encoding="utf-8"))
    groups = manifest["contributions"]["configurations"]
    return SimpleNamespace(
        **{
            name: SimpleNamespace(**{key: each["default"] for key, each in group["properties"].items()})
            for name, group in groups.items()
        }
    )
