"""What is installed: the manifest, the samples, the types, and a version."""

import zipfile
from importlib.metadata import version
from pathlib import Path

import npe2
import pytest

import local_crystallography
from local_crystallography.simulate.samples import SAMPLES

ROOT = Path(__file__).parents[1]
PLUGIN = "napari-local-crystallography"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    return zipfile.ZipFile(next(builder.build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])))


@pytest.mark.parametrize(
    "name",
    [
        "napari.yaml",
        "py.typed",
        *(f"sample_data/{s}/{f}" for s in SAMPLES for f in ("image.tif", "truth.csv", "recipe.toml")),
    ],
)
def test_the_wheel_holds(wheel, name):
    assert f"local_crystallography/{name}" in wheel.namelist()


def test_the_wheel_says_what_it_is(wheel):
    metadata = wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))).decode()
    assert "Classifier: Framework :: napari" in metadata
    assert "License-Expression: BSD-3-Clause" in metadata
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not [line for line in required if any(word in line for word in ("PyQt", "PySide", "napari[", "=="))]


def test_the_manifest_is_valid_and_every_command_exists():
    manifest = npe2.PluginManifest.from_distribution(PLUGIN)
    manifest.validate_imports()
    assert {sample.key for sample in manifest.contributions.sample_data} == set(SAMPLES)


def test_the_manifest_at_the_top_is_the_one_inside():
    inside = (ROOT / "src" / "local_crystallography" / "napari.yaml").read_text(encoding="utf-8")
    top = (ROOT / "napari.yaml").read_text(encoding="utf-8")
    assert top in (inside, "src/local_crystallography/napari.yaml")  # a checkout without links holds the path


def test_the_version_is_that_of_the_distribution():
    assert local_crystallography.__version__ == version(PLUGIN)
