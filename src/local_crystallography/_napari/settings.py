"""Preferences of the plugin: its page in napari, declared with its defaults in napari.yaml."""

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
    """The settings of the person at the screen. Only the window reads them, so a script gives the same on any desk.

    napari 0.9 writes each change to a file of its own; an older one forgets them when it is closed.
    """

    @property
    def device(self) -> str | None:
        """Where networks are trained: cpu, cuda or mps; None for automatic."""
        device = str(_groups().computing.device)
        return None if device == "auto" else device

    @property
    def threads(self) -> int | None:
        """Processor threads of a job; None for automatic."""
        return int(_groups().computing.threads) or None

    @property
    def opens_explorer(self) -> bool:
        """Whether the latent explorer opens as soon as there are latents."""
        return bool(_groups().panels.open_explorer)

    @property
    def shows_hint(self) -> bool:
        """Whether the three clicks to a result are shown."""
        return bool(_groups().panels.show_hint)

    @shows_hint.setter
    def shows_hint(self, shown: bool) -> None:
        _groups().panels.show_hint = shown

    @property
    def unfolded(self) -> frozenset[str]:
        """Names of the panels that are unfolded."""
        return frozenset(str(_groups().panels.unfolded).split())

    @unfolded.setter
    def unfolded(self, names: Iterable[str]) -> None:
        _groups().panels.unfolded = " ".join(sorted(names))

    @property
    def folder(self) -> Path | None:
        """The folder a session was last saved in or opened from; None for none, or one that is gone."""
        folder = Path(str(_groups().files.folder))
        return folder if folder.is_absolute() and folder.is_dir() else None

    @folder.setter
    def folder(self, folder: Path) -> None:
        _groups().files.folder = str(folder)

    def follow(self, heard: Callable[[Any], object]) -> None:
        """Have this called when a setting changes, in Preferences or here; napari before 0.9 never does."""
        if (events := getattr(_groups(), "events", None)) is not None:
            events.changed.connect(heard)

    def leave(self, heard: Callable[[Any], object]) -> None:
        """Have it called no more."""
        if (events := getattr(_groups(), "events", None)) is not None:
            events.changed.disconnect(heard)


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """Compute on so many threads; None for as many as each library likes."""
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
    """The groups of napari.yaml, each with its settings as attributes."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return _defaults()
    # a plugin that is not installed, as in a source tree, is not known to napari
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
