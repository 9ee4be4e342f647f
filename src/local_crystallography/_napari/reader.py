"""Microscope files, saved sessions and the simulated samples as layers, with scale, units and provenance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_info

from local_crystallography._napari.layers import convert
from local_crystallography._napari.layers.convert import LayerData
from local_crystallography.analysis import Analysis
from local_crystallography.clustering.summary import telling_map
from local_crystallography.data.columns import HAND_LABEL
from local_crystallography.io.provenance import PROVENANCE
from local_crystallography.simulate.samples import SAMPLES, load_sample


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader for these paths; None unless all are microscope files, or all are folders of saved sessions."""
    from local_crystallography.io.formats import MICROSCOPE_FORMATS

    if all(is_session(one) for one in _paths(path)):
        return read_sessions
    mine = all(one.suffix.lower() in MICROSCOPE_FORMATS and not one.is_dir() for one in _paths(path))
    return read_layers if mine else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """One image layer per image in the files; of several in a file the usual one is shown, on top of the others."""
    from local_crystallography.io.read import read_images

    layers = []
    for one in _paths(path):
        images = read_images(one)
        for message in images[0].metadata["messages"]:
            show_info(f"{one.name}: {message}")
        if len(images) > 1:
            names = ", ".join(image.name for image in images[1:])
            show_info(
                f"{one.name} holds {len(images)} images: {images[0].name} is shown, the others are hidden ({names})."
            )
        for number, image in reversed([*enumerate(images)]):
            data, arguments, kind = convert.layer_of(image)
            layers.append((data, {**arguments, "visible": number == 0}, kind))
    return layers


def read_sessions(path: str | list[str]) -> list[LayerData]:
    """Image, maps and atoms of saved sessions."""
    return [layer for one in _paths(path) for layer in session_layers(one)]


def is_session(folder: Path) -> bool:
    """Whether a folder was written by `Analysis.save`."""
    return folder.is_dir() and (folder / PROVENANCE).is_file()


def session_layers(folder: Path) -> list[LayerData]:
    """Image, probability map, the most informative map and atoms of a session, from the bottom to the top.

    Other maps get a layer when they are shown from the main panel.
    """
    analysis = Analysis.open(folder)
    image = analysis.image
    if image is None:
        return []
    place = convert.placement(image)

    def note(result: str) -> dict[str, str]:
        return {"session": str(folder.resolve()), "result": result, "image": image.name}

    data, arguments, kind = convert.layer_of(image)
    own = {convert.KEY: {**arguments["metadata"][convert.KEY], **note("image")}}
    found = [(data, {**arguments, "metadata": own}, kind)]
    if analysis.probability is not None:
        values, std = analysis.probability.values, analysis.probability.std
        data, arguments, kind = convert.probability_layer(values, place, note(convert.PROBABILITY))
        found.append((data, {**arguments, "visible": False}, kind))
        found += [] if std is None else [convert.std_layer(std, place, note(convert.STD))]
    first = "label" if analysis.atoms is None else telling_map(analysis.atoms)
    maps = {name: values for name, values in (analysis.maps or {}).items() if name in (first, HAND_LABEL)}
    found += [convert.map_layer(name, values, place, note(name), first=first) for name, values in maps.items()]
    if analysis.atoms is not None:
        colour, stack = convert.default_colour(analysis.atoms), image.data.ndim == 3
        found.append(convert.points_from(analysis.atoms, place, note("atoms"), colour=colour, stack=stack))
    return found


def sample_layers(name: str) -> list[LayerData]:
    """The image of a simulated sample."""
    data, arguments, kind = convert.layer_of(load_sample(name))
    note = {"source": f"sample {name}", "description": SAMPLES[name]}
    return [(data, {**arguments, "metadata": {convert.KEY: note}}, kind)]


def _paths(path: str | list[str]) -> list[Path]:
    return [Path(one) for one in (path if isinstance(path, list) else [path])]


lsmo_nio = partial(sample_layers, "lsmo_nio")
sr3fe2o7 = partial(sample_layers, "sr3fe2o7")
two_grains = partial(sample_layers, "two_grains")
quick = partial(sample_layers, "quick")
