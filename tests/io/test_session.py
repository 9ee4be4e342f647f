"""A saved analysis comes back as it was; a damaged one says which file and why."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from local_crystallography import GaussianMixture
from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image, square
from local_crystallography.data.probability import ProbabilityMap
from local_crystallography.data.progress import finish
from local_crystallography.io.read import read_image
from local_crystallography.io.session import FILES, label_image
from local_crystallography.recipe import Recipe
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.encode import Encode
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.train_vae import TrainVae

PLAIN = set(FILES) - {"cvae.safetensors"}
"""Files of a session without optional steps."""
pytestmark = pytest.mark.usefixtures("short_start")


@pytest.fixture(scope="module")
def restored(quick_session: Path) -> Analysis:
    return Analysis.open(quick_session)


@pytest.fixture
def copy(quick_session: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(quick_session, tmp_path / "copy"))


def test_every_file_is_there(quick_session: Path, quick_analysis: Analysis) -> None:
    assert {path.name for path in quick_session.iterdir()} == {*PLAIN, "maps"}
    assert {path.stem for path in (quick_session / "maps").iterdir()} == set(quick_analysis.maps)


def test_table_comes_back(restored: Analysis, quick_analysis: Analysis) -> None:
    pd.testing.assert_frame_equal(restored.atoms.to_frame(), quick_analysis.atoms.to_frame(), check_exact=True)
    assert restored.columns == quick_analysis.columns


def test_arrays_come_back(restored: Analysis, quick_analysis: Analysis) -> None:
    np.testing.assert_array_equal(restored.image.data, quick_analysis.image.data)
    np.testing.assert_array_equal(restored.probability, quick_analysis.probability)
    assert list(restored.maps) == list(quick_analysis.maps)
    for name, painted in quick_analysis.maps.items():
        np.testing.assert_array_equal(restored.maps[name], painted)


def unsure_of_two(image: Image, std: bool = True, classes: tuple[str, ...] = ("Sr", "Ti O")) -> ProbabilityMap:
    rng = np.random.default_rng(0)
    shares = rng.random((len(classes), *image.data.shape), np.float32) if classes else None
    values, more = rng.random((2, *image.data.shape), np.float32)
    return ProbabilityMap(values, more if std else None, shares, classes)


@pytest.mark.parametrize("shape", [(40, 44), (3, 40, 44)])
@pytest.mark.parametrize("std", [True, False])
@pytest.mark.parametrize("classes", [(), ("Sr", "Ti O")])
def test_all_of_a_probability_map_comes_back(
    tmp_path: Path, shape: tuple[int, ...], std: bool, classes: tuple[str, ...]
) -> None:
    analysis = Analysis(Image(np.random.default_rng(1).random(shape), 0.02))
    analysis.probability = unsure_of_two(analysis.image, std, classes)
    back = Analysis.open(analysis.save(tmp_path / "s")).probability
    assert back.classes == classes
    for name in ("values", "std", "shares"):
        np.testing.assert_array_equal(getattr(back, name), getattr(analysis.probability, name))


def test_what_a_new_probability_map_does_not_have_goes_from_the_folder(tmp_path: Path) -> None:
    analysis = Analysis(Image(np.random.default_rng(1).random((40, 44))))
    analysis.probability = unsure_of_two(analysis.image)
    analysis.save(tmp_path / "s")
    extra = {tmp_path / "s" / "probability_std.tif", tmp_path / "s" / "probability_classes.tif"}
    assert extra <= set((tmp_path / "s").iterdir())
    analysis.probability = analysis.probability.values
    analysis.save(tmp_path / "s")
    assert not extra & set((tmp_path / "s").iterdir())
    assert Analysis.open(tmp_path / "s").probability.std is None


def test_shares_of_classes_that_are_missing_are_named(tmp_path: Path) -> None:
    analysis = Analysis(Image(np.random.default_rng(1).random((40, 44))))
    analysis.probability = unsure_of_two(analysis.image)
    analysis.save(tmp_path / "s")
    (tmp_path / "s" / "probability_classes.tif").unlink()
    with pytest.raises(InputError, match=r"probability_classes\.tif is missing"):
        Analysis.open(tmp_path / "s")


def test_a_session_without_names_of_classes_opens(copy: Path, quick_analysis: Analysis) -> None:
    edit("provenance.json", lambda table: table.pop("classes"))(copy)
    np.testing.assert_array_equal(Analysis.open(copy).probability, quick_analysis.probability)


def test_sub_images_are_cut_again(restored: Analysis, quick_analysis: Analysis) -> None:
    np.testing.assert_array_equal(restored.sub_images.windows, quick_analysis.sub_images.windows)
    pd.testing.assert_frame_equal(restored.sub_images.atoms.to_frame(), quick_analysis.sub_images.atoms.to_frame())


@pytest.fixture(scope="module")
def moved(quick_session: Path) -> Analysis:
    """The analysis with every atom moved to where the network sees it."""
    analysis = Analysis.open(quick_session)
    finish(analysis.apply(Encode(correct_positions=True)))
    return analysis


@pytest.mark.slow
def test_moving_atoms_keeps_network_and_sub_images(moved: Analysis, quick_analysis: Analysis) -> None:
    assert not moved.atoms.same_atoms(quick_analysis.atoms)
    assert moved.vae is not None
    np.testing.assert_array_equal(moved.sub_images.windows, quick_analysis.sub_images.windows)


def test_moved_atoms_come_back_with_the_sub_images_cut_where_they_were_found(moved: Analysis, tmp_path: Path) -> None:
    back = Analysis.open(moved.save(tmp_path / "moved"))
    pd.testing.assert_frame_equal(back.atoms.to_frame(), moved.atoms.to_frame(), check_exact=True)
    np.testing.assert_array_equal(back.sub_images.windows, moved.sub_images.windows)
    pd.testing.assert_frame_equal(back.sub_images.atoms.to_frame(), moved.sub_images.atoms.to_frame())
    assert back.is_current(Encode(correct_positions=True))


@pytest.mark.slow
def test_moved_atoms_go_back_after_opening(moved: Analysis, quick_analysis: Analysis, tmp_path: Path) -> None:
    back = Analysis.open(moved.save(tmp_path / "moved"))
    finish(back.apply(Encode()))
    assert back.atoms.same_atoms(quick_analysis.atoms)


def test_channels_come_back(quick_analysis: Analysis, tmp_path: Path) -> None:
    analysis = Analysis(quick_analysis.image)
    recipe = Recipe(extract_sub_images=ExtractSubImages(source="image and probability", normalise="sub-image"))
    finish(analysis.run(recipe, only=["segment", "find_atoms", "extract_sub_images"]))
    back = Analysis.open(analysis.save(tmp_path / "channels"))
    assert back.sub_images.channels == 2
    np.testing.assert_array_equal(back.sub_images.windows, analysis.sub_images.windows)


@pytest.mark.slow
def test_a_stopped_training_comes_back_as_stopped(quick_analysis: Analysis, tmp_path: Path) -> None:
    analysis = Analysis(quick_analysis.image)
    finish(analysis.run(Recipe()), lambda progress: progress.loss is not None)
    back = Analysis.open(analysis.save(tmp_path / "stopped"))
    assert back.vae is not None
    assert back.used["train_vae"] == analysis.used["train_vae"]
    assert not back.is_current(TrainVae())
    assert back.is_current(FindAtoms())


def test_network_encodes_the_same(restored: Analysis, quick_analysis: Analysis) -> None:
    windows = quick_analysis.sub_images.windows[:50]
    pd.testing.assert_frame_equal(restored.vae.encode(windows), quick_analysis.vae.encode(windows), check_exact=True)
    assert restored.vae.settings == quick_analysis.vae.settings


@pytest.fixture(scope="module")
def within(quick_within: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_within.save(tmp_path_factory.mktemp("session") / "within")


def test_a_conditional_network_comes_back(quick_within: Analysis, within: Path) -> None:
    assert {path.name for path in within.iterdir()} == {*FILES, "maps"}
    back, windows = Analysis.open(within), quick_within.sub_images.windows[:9]
    labels = np.zeros(9, np.int64)
    assert back.cvae.settings == quick_within.cvae.settings
    expected = quick_within.cvae.encode(windows, labels)
    pd.testing.assert_frame_equal(back.cvae.encode(windows, labels), expected, check_exact=True)
    pd.testing.assert_frame_equal(back.atoms.to_frame(), quick_within.atoms.to_frame(), check_exact=True)
    assert back.recipe == quick_within.recipe
    assert back.columns == quick_within.columns
    assert all(back.is_current(step) for step in quick_within.asked.values())


def test_a_conditional_network_that_is_gone_goes_from_the_folder(within: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(within, tmp_path / "copy"))
    analysis = Analysis.open(copy)
    finish(analysis.apply(Cluster(by=GaussianMixture(classes=2, n_init=3))))
    analysis.save(copy)
    assert not (copy / "cvae.safetensors").exists()
    assert (copy / "model.safetensors").exists()


def test_a_damaged_conditional_network_is_named(within: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(within, tmp_path / "copy"))
    cut_short("cvae.safetensors")(copy)
    with pytest.raises(InputError, match=r"cvae.safetensors is not a network saved with its settings"):
        Analysis.open(copy)


@pytest.mark.slow
def test_the_file_of_a_checkpoint_is_on_record(quick_analysis: Analysis, tmp_path: Path) -> None:
    step = TrainVae(epochs=1, checkpoint=tmp_path / "größe 1.safetensors")
    analysis = Analysis(quick_analysis.image)
    finish(analysis.run(Recipe(train_vae=step), only=["segment", "find_atoms", "extract_sub_images", "train_vae"]))
    assert step.checkpoint.exists()
    back = Analysis.open(analysis.save(tmp_path / "session"))
    assert back.is_current(step)
    assert Recipe.from_toml(tmp_path / "session" / "recipe.toml").train_vae.checkpoint == step.checkpoint


def test_steps_come_back(restored: Analysis, quick_analysis: Analysis) -> None:
    assert restored.asked == quick_analysis.asked
    assert restored.used == quick_analysis.used
    assert all(restored.is_current(step) for step in quick_analysis.asked.values())


def test_work_goes_on_after_opening(quick_session: Path) -> None:
    analysis = Analysis.open(quick_session)
    before = set(analysis.atoms.features["label"])
    list(analysis.apply(Cluster(by=GaussianMixture(classes=2, n_init=3))))
    labels = set(analysis.atoms.features["label"])
    assert len(labels - {-1}) == 2
    assert labels <= before  # classes found again keep their numbers
    assert "label" not in analysis.maps


@pytest.mark.slow
def test_a_fresh_process_opens_it(quick_session: Path, quick_analysis: Analysis) -> None:
    code = "import sys; from local_crystallography import Analysis; print(len(Analysis.open(sys.argv[1]).atoms))"
    done = subprocess.run([sys.executable, "-c", code, quick_session], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(quick_analysis.atoms)


@pytest.mark.parametrize("name", ["image.tif", "probability.tif", "labels.tif"])
def test_files_hold_the_scale(quick_session: Path, quick_analysis: Analysis, name: str) -> None:
    assert read_image(quick_session / name).pixel_size == pytest.approx(quick_analysis.image.pixel_size)


def test_maps_hold_the_scale(quick_session: Path) -> None:
    with tifffile.TiffFile(quick_session / "maps" / "z0.tif") as file:
        per_nm, whole = file.pages[0].tags["XResolution"].value
    assert whole / per_nm == pytest.approx(0.0168)


def test_label_image_counts_from_one() -> None:
    painted = np.array([[np.nan, 0, 1, 254]], np.float32)
    np.testing.assert_array_equal(label_image(painted), [[0, 1, 2, 255]])
    assert label_image(painted).dtype == np.uint8
    assert label_image(painted + 1).dtype == np.uint16


@pytest.mark.parametrize("shape", [(40, 44), (1, 40, 44), (3, 40, 44)])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64"])
def test_an_image_alone_comes_back(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    data = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    metadata = {
        "source": "a.dm4",
        "gain": np.float32(2),
        "array": data,
        "nan": np.nan,
        "deep": {"list": [1, None]},
    }
    Analysis(Image(data, None, "ä/<b>", metadata)).save(tmp_path / "new" / "folder")
    image = Analysis.open(tmp_path / "new" / "folder").image
    assert (image.data.dtype, image.pixel_size, image.name) == (data.dtype, None, "ä/<b>")
    np.testing.assert_array_equal(image.data, data)
    assert image.metadata == {"source": "a.dm4", "gain": 2.0, "nan": None, "deep": {"list": [1, None]}}


def test_saving_again_removes_what_is_gone_and_nothing_else(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    (copy / "maps" / "mine.tif").write_bytes(b"mine")
    analysis = Analysis.open(copy)
    analysis.vae = None
    analysis.save(copy)
    assert analysis.maps is None
    assert {path.name for path in copy.iterdir()} == {*PLAIN, "maps", "notes.txt"} - {
        "labels.tif",
        "model.safetensors",
    }
    assert [path.name for path in (copy / "maps").iterdir()] == ["mine.tif"]
    assert "z0" not in Analysis.open(copy).atoms.features


def test_names_of_columns_may_be_odd(tmp_path: Path, quick_analysis: Analysis) -> None:
    analysis = Analysis(quick_analysis.image)
    analysis.maps = {"../a/b %": np.ones(analysis.image.shape, np.float32)}
    analysis.save(tmp_path / "s")
    assert list(Analysis.open(tmp_path / "s").maps) == ["../a/b %"]
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_failed_save_loses_nothing(copy: Path, quick_analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    monkeypatch.setattr("local_crystallography.io.session.to_json", full)
    with pytest.raises(InputError, match="No space left"):
        quick_analysis.save(copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_other_folders_are_not_written_to(tmp_path: Path, quick_analysis: Analysis) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="not a saved session"):
        quick_analysis.save(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        quick_analysis.save(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_nothing_to_save() -> None:
    with pytest.raises(InputError, match="open an image first"):
        Analysis().save("nowhere")


def edit(name: str, change: Callable[[dict], object]) -> Callable[[Path], object]:
    def run(folder: Path) -> None:
        table = json.loads((folder / name).read_text())
        change(table)
        (folder / name).write_text(json.dumps(table))

    return run


def overwrite(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def cut_short(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-2000])


def other_network(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors")


def network_of_other_settings(folder: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        settings = json.loads(file.metadata()["settings"])
    weights = load_file(folder / "model.safetensors")
    metadata = {"settings": json.dumps(settings | {"hidden": 2 * settings["hidden"]})}
    save_file(weights, folder / "model.safetensors", metadata=metadata)


def other_image(folder: Path) -> None:
    data = tifffile.imread(folder / "image.tif")
    data[5, 5] += 1
    tifffile.imwrite(folder / "image.tif", data)


DAMAGE = {
    "no record": (lambda folder: (folder / "provenance.json").unlink(), "not a saved session"),
    "record no JSON": (overwrite("provenance.json", b"{"), "provenance.json"),
    "record of another program": (overwrite("provenance.json", b'{"a": 1}'), "provenance.json"),
    "unknown step": (edit("provenance.json", lambda t: t["asked"].update(refine={})), "refine"),
    "unknown parameter": (
        edit("provenance.json", lambda t: t["asked"]["find_atoms"].update(treshold=1)),
        "find_atoms.treshold",
    ),
    "unknown key in the recipe": (
        overwrite("recipe.toml", b"[find_atoms]\ntreshold = 0.5"),
        "find_atoms.treshold",
    ),
    "no recipe": (lambda folder: (folder / "recipe.toml").unlink(), "recipe.toml"),
    "image cut": (cut_short("image.tif"), "image.tif"),
    "no image": (lambda folder: (folder / "image.tif").unlink(), "image.tif"),
    "image changed": (other_image, "image.tif .* pixels differ"),
    "map missing": (lambda folder: (folder / "maps" / "z0.tif").unlink(), "z0.tif"),
    "map of another size": (
        lambda f: tifffile.imwrite(f / "maps" / "z0.tif", np.eye(20)),
        "z0.tif .* 512 x 512",
    ),
    "probability no TIFF": (overwrite("probability.tif", b"hello"), "probability.tif"),
    "probability of nothing": (
        lambda f: tifffile.imwrite(f / "probability.tif", np.full((512, 512), np.inf, np.float32)),
        "probability.tif .*from 0 to 1",
    ),
    "table empty": (overwrite("atoms.csv", b""), "atoms.csv"),
    "table of something else": (overwrite("atoms.csv", b"a,b\n1,2\n"), "atoms.csv .*id"),
    "places no numbers": (overwrite("atoms.csv", b"id,frame,y_px,x_px\n0,0,a,2\n"), "atoms.csv"),
    "places missing": (overwrite("atoms.csv", b"id,frame,y_px,x_px\n0,0,,2\n"), "atoms.csv"),
    "ids twice": (overwrite("atoms.csv", b"id,frame,y_px,x_px\n0,0,1,2\n0,0,1,2\n"), "atoms.csv"),
    "network no safetensors": (overwrite("model.safetensors", b"\x80\x04pickle"), "model.safetensors"),
    "network cut": (cut_short("model.safetensors"), "model.safetensors"),
    "network without settings": (other_network, "model.safetensors .*settings"),
    "network of other settings": (network_of_other_settings, "model.safetensors"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_sentence(copy: Path, case: str) -> None:
    damage, says = DAMAGE[case]
    damage(copy)
    with pytest.raises(InputError, match=says) as error:
        Analysis.open(copy)
    assert "\n" not in str(error.value)
    assert re.search("restore|choose|expected|correct this line", str(error.value), re.IGNORECASE)


def test_names_and_colours_of_classes_come_back(tmp_path):
    analysis = Analysis(Image(np.arange(400.0).reshape(20, 20)))
    analysis.styles.rename("label", 2, "Ni")
    analysis.styles.recolour("label", 2, "#102030")
    styles = Analysis.open(analysis.save(tmp_path / "s")).styles
    assert (styles.name("label", 2), styles.colour("label", 2)) == ("Ni", "#102030")


def test_positions_are_given_in_pixels_of_the_file_too(tmp_path):
    image = square(Image(np.random.default_rng(0).random((40, 50))), (0.02, 0.016))
    analysis = Analysis(image)
    analysis.atoms = Atoms.at([[10.0, 20.0], [30.0, 5.0]], pixel_size=image.pixel_size)
    folder = analysis.save(tmp_path / "session")
    table = pd.read_csv(folder / "atoms.csv")
    np.testing.assert_allclose(table[["y_file_px", "x_file_px"]], [[8.0, 20.0], [24.0, 5.0]])
    opened = Analysis.open(folder)
    assert not {"y_file_px", "x_file_px"} & set(opened.atoms.features)
    assert opened.image.file_pixels == pytest.approx((0.8, 1.0))
    again = opened.save(tmp_path / "again")
    pd.testing.assert_frame_equal(pd.read_csv(again / "atoms.csv"), table)


@pytest.mark.parametrize("name", ["atoms.csv", "recipe.toml"])
def test_a_file_of_a_session_that_is_gone_is_missed(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing, .*; restore the file"):
        Analysis.open(copy)


def test_a_session_with_a_scale_at_which_no_atoms_are_seen_opens_without_it(tmp_path):
    analysis = Analysis(Image(np.random.default_rng(0).random((40, 50)), 0.02))
    analysis.atoms = Atoms.at([[10.0, 20.0]], pixel_size=0.02)
    folder = analysis.save(tmp_path / "session")
    record = json.loads((folder / "provenance.json").read_text())
    record["image"]["pixel_size"] = 5.0
    (folder / "provenance.json").write_text(json.dumps(record))
    opened = Analysis.open(folder)
    assert opened.image.pixel_size is None
    assert opened.atoms.pixel_size is None
    np.testing.assert_array_equal(opened.atoms.yx, [[10, 20]])
