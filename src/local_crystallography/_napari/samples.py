"""The simulated samples in File > Open Sample."""

from __future__ import annotations

from local_crystallography._napari.layers.convert import LayerData, layer_of
from local_crystallography.simulate.samples import SAMPLES, load_sample


def lsmo_nio() -> list[LayerData]:
    """NiO inclusions in LSMO, 10,000 atoms."""
    return _layers("lsmo_nio")


def sr3fe2o7() -> list[LayerData]:
    """Layered Sr3Fe2O7 with a thickness wedge."""
    return _layers("sr3fe2o7")


def two_grains() -> list[LayerData]:
    """SrTiO3 in two grains."""
    return _layers("two_grains")


def quick() -> list[LayerData]:
    """NiO in LSMO, 1,000 atoms."""
    return _layers("quick")


def _layers(name: str) -> list[LayerData]:
    data, arguments, kind = layer_of(load_sample(name))
    note = {"source": f"sample {name}", "description": SAMPLES[name]}
    return [(data, {**arguments, "metadata": {"local_crystallography": note}}, kind)]
