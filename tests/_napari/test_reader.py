"""Microscope files become napari layers with scale, units and provenance."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from npe2 import PluginManifest
from rsciio.hspy import file_writer

import local_crystallography
from local_crystallography._napari.reader import get_reader
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.io.formats import MICROSCOPE_FORMATS

PIXELS = np.arange(20 * 24, dtype=np.float32).reshape(20, 24)


def _write(path, data=PIXELS, units="nm"):
    axes = [
        {"name": name, "size": size, "scale": 0.05, "offset": 0, "units": units, "navigate": name == "t"}
        for name, size in zip("tyx"[-data.ndim :], data.shape, strict=True)
    ]
    signal = {
        "data": data,
        "axes": axes,
        "metadata": {"General": {"title": ""}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "learning_results": {},
        "tmp_parameters": {},
        "models": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "", "package_version": ""},
    }
    file_writer(str(path), signal)


CASES = [
    (PIXELS, "nm", (0.05, 0.05), ("nm", "nm")),
    (np.stack([PIXELS, PIXELS]), "nm", (1.0, 0.05, 0.05), ("pixel", "nm", "nm")),
    (PIXELS, "<undefined>", None, None),
]


@pytest.mark.parametrize(("data", "units", "scale", "layer_units"), CASES)
def test_a_layer_has_scale_and_units_where_known(tmp_path, data, units, scale, layer_units):
    path = tmp_path / "sample.hspy"
    _write(path, data, units)
    read = get_reader(str(path))
    [(pixels, arguments, kind)] = read(str(path))
    np.testing.assert_array_equal(pixels, data)
    assert (kind, arguments["name"]) == ("image", "sample")
    assert arguments.get("scale") == (scale and pytest.approx(scale))
    assert arguments.get("units") == layer_units
    assert arguments["metadata"]["local_crystallography"]["source"] == "sample.hspy"


@pytest.mark.parametrize("data", [PIXELS, np.stack([PIXELS, PIXELS])])
def test_napari_takes_the_layer(tmp_path, data):
    from napari.components import ViewerModel
    from napari.layers import Layer

    _write(tmp_path / "sample.hspy", data)
    [layer_data] = get_reader([str(tmp_path / "sample.hspy")])([str(tmp_path / "sample.hspy")])
    layer = ViewerModel().add_layer(Layer.create(*layer_data))
    assert [str(unit) for unit in layer.units[-2:]] == ["nanometer", "nanometer"]


def test_of_several_images_the_haadf_is_shown_on_top(tmp_path, monkeypatch):
    from local_crystallography._napari import reader

    said = []
    monkeypatch.setattr(reader, "show_info", said.append)
    path = tmp_path / "two.emd"
    with h5py.File(path, "w") as file:
        file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
        for title in ("HAADF", "B-D"):
            group = file.create_group("data/" + title)
            group.attrs["emd_group_type"], group["data"] = 1, PIXELS
            for number, size in enumerate(PIXELS.shape, 1):
                group.create_dataset(f"dim{number}", data=np.arange(size) * 0.02).attrs["units"] = "[n_m]"
    layers = get_reader(str(path))(str(path))
    assert [(arguments["name"], arguments["visible"]) for _, arguments, _ in layers] == [
        ("two B-D", False),
        ("two HAADF", True),
    ]
    assert "two HAADF is shown, the others are hidden (two B-D" in said[-1]


@pytest.mark.parametrize("name", ["a.csv", "a.tif", "session"])
def test_other_files_are_left_to_others(tmp_path, name):
    assert get_reader(str(tmp_path / name)) is None


def test_a_saved_session_gives_image_maps_and_atoms(tmp_path, monkeypatch):
    analysis = Analysis(Image(PIXELS, 0.05, "sample"))
    analysis.probability = ProbabilityMap(PIXELS / PIXELS.max(), std=PIXELS / (2 * PIXELS.max()))
    analysis.atoms = Atoms.at([[5, 6], [10, 11]], pixel_size=0.05, columns={"label": [0, 1]})
    analysis.maps = {"z0": PIXELS, "label": PIXELS % 2}
    (tmp_path / "provenance.json").touch()
    monkeypatch.setattr(Analysis, "open", lambda folder: analysis)
    read = get_reader(str(tmp_path))(str(tmp_path))
    kinds = [(kind, arguments["name"]) for _, arguments, kind in read]
    assert kinds == [
        ("image", "sample"),
        ("image", "probability"),
        ("image", "probability std"),
        ("labels", "label"),
        ("points", "atoms"),
    ]
    assert {arguments["scale"] for _, arguments, _ in read} == {(0.05, 0.05)}
    notes = [arguments["metadata"]["local_crystallography"] for _, arguments, _ in read]
    assert [note["result"] for note in notes] == ["image", "probability", "probability std", "label", "atoms"]
    assert {note["session"] for note in notes} == {str(tmp_path)}


def test_a_folder_of_something_else_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path)) is None


def test_every_image_of_a_file_becomes_a_layer(tmp_path):
    path = tmp_path / "two.hspy"
    _write(path)
    with h5py.File(path, "a") as file:
        file.copy("Experiments/__unnamed__", "Experiments/second")
    assert len(get_reader(str(path))(str(path))) == 2


def test_napari_offers_every_microscope_format():
    manifest = PluginManifest.from_file(Path(local_crystallography.__file__).parent / "napari.yaml")
    [reader] = manifest.contributions.readers
    assert [pattern.removeprefix("*") for pattern in reader.filename_patterns] == [*MICROSCOPE_FORMATS]
