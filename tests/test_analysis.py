"""The analysis: results in order, and nothing stale beside something new."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography import (
    Analysis,
    Atoms,
    Cluster,
    Describe,
    Encode,
    EncodeCvae,
    ExtractSubImages,
    FindAtoms,
    GaussianMixture,
    Image,
    PaintMap,
    Recipe,
    RefineAtoms,
    Segment,
    TrainCvae,
    TrainVae,
)
from local_crystallography.clustering import mixtures
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.views.assign import with_hand_label

TWO = GaussianMixture(classes=2, n_init=2)
RECIPE = Recipe(train_vae=TrainVae(epochs=2), cluster=Cluster(by=TWO), train_cvae=TrainCvae(epochs=2))
pytestmark = pytest.mark.usefixtures("short_start")
WITHIN = ("train_cvae", "encode_cvae")
ENCODED = {"angle_rad", "offset_y_px", "offset_x_px", "z0", "z1"}
COLUMNS = {"c0", "c1", "c0_std", "c1_std", "cvae_error"}


@pytest.fixture(scope="module")
def finished():
    rng = np.random.default_rng(0)
    picture = blobs(square_lattice(9.0)) + 0.05 * rng.standard_normal((128, 128))
    done = Analysis(Image(picture, 0.02, "crystal"))
    finish(done.run(RECIPE))
    return done


@pytest.fixture(scope="module")
def finished_and_described(finished):
    done = copy_of(finished)
    finish(done.run(RECIPE, also=("describe",)))
    return done


@pytest.fixture(scope="module")
def finished_within(finished):
    done = copy_of(finished)
    finish(done.run(RECIPE, also=WITHIN))
    return done


def copy_of(done):
    copy = Analysis()
    copy.restore_results({name: getattr(done, name) for name in done.results}, done.asked, done.used, done.columns)
    return copy


@pytest.fixture
def analysis(finished):
    return copy_of(finished)


@pytest.fixture
def described(finished_and_described):
    return copy_of(finished_and_described)


@pytest.mark.slow
def test_a_run_makes_every_result(analysis):
    assert all(getattr(analysis, step.makes) is not None for step in Recipe().steps if not step.optional)
    assert {"angle_rad", "z0", "label"} <= set(analysis.atoms.features)
    assert list(analysis.used) == [step.name() for step in Recipe().steps if not step.optional]


def test_what_was_chosen_is_on_record(analysis):
    used = analysis.recipe
    assert used.segment.by.sigma == pytest.approx(2, rel=0.3)
    assert None not in (used.extract_sub_images.window_size, used.train_vae.min_wavelength, used.paint_map.max_distance)


def test_running_again_does_nothing(analysis):
    vae = analysis.vae
    finish(analysis.run(RECIPE))
    assert analysis.vae is vae


def test_a_changed_step_is_out_of_date(analysis):
    assert analysis.is_current(Segment())
    assert not analysis.is_current(Segment(contrast="dark"))


@pytest.mark.parametrize(
    ("step", "gone", "kept"),
    [
        (FindAtoms(threshold=0.6), {"sub_images", "vae", "maps"}, {"probability", "atoms"}),
        (TrainVae(epochs=1), {"maps"}, {"probability", "atoms", "sub_images", "vae"}),
        (Encode(angle="full circle"), {"maps"}, {"sub_images", "vae", "atoms"}),
    ],
)
def test_a_new_result_clears_what_came_from_the_old(analysis, step, gone, kept):
    finish(analysis.apply(step))
    assert all(getattr(analysis, name) is None for name in gone)
    assert all(getattr(analysis, name) is not None for name in kept)


def test_a_new_network_takes_its_columns_with_it(analysis):
    finish(analysis.apply(TrainVae(epochs=1)))
    assert not {"angle_rad", "z0", "label"} & set(analysis.atoms.features)
    assert "intensity" in analysis.atoms.features


def test_encoding_anew_drops_the_old_labels(analysis):
    finish(analysis.apply(Encode(angle="full circle")))
    assert "z0" in analysis.atoms.features
    assert "label" not in analysis.atoms.features


@pytest.mark.parametrize(
    ("step", "gone", "kept", "maps"),
    [
        (Describe(order=4), set(), {"z0", "fold_4", "label", "intensity"}, {*ENCODED, "environment", "label"}),
        (Encode(angle="full circle"), {"label"}, {"z0", "fold_4", "zernike0"}, set()),
        (
            Cluster(by=TWO, columns=("fold_4",)),
            set(),
            {"z0", "fold_4", "label"},
            ENCODED,
        ),
        (TrainVae(epochs=1), {"z0", "label"}, {"fold_4", "zernike0", "intensity"}, set()),
        (PaintMap(columns=("fold_4",)), set(), {"z0", "fold_4", "label"}, {"fold_4"}),
        (ExtractSubImages(window_size=16), {"z0", "fold_4", "label"}, {"intensity"}, set()),
        (FindAtoms(), {"z0", "fold_4", "label"}, {"intensity"}, set()),
    ],
    ids=lambda part: part.name() if hasattr(part, "name") else "",
)
def test_columns_go_when_what_they_were_made_of_is_replaced(described, step, gone, kept, maps):
    results = {name: getattr(described, name) for name in ("sub_images", "vae")}
    finish(described.apply(step))
    columns = set(described.atoms.features)
    assert not gone & columns
    assert kept <= columns
    made = ("refine_atoms", "encode", "describe", "cluster")
    assert set(described.columns) == {name for name in made if name in described.used}
    if step.adds_columns():
        assert all(getattr(described, name) is result for name, result in results.items())
    assert set(described.maps or ()) == maps


def test_classes_of_described_columns_go_when_those_are_made_anew(described):
    finish(described.apply(Cluster(by=TWO, columns=("z0", "fold_4"))))
    finish(described.apply(Describe(order=5)))
    assert "label" not in described.atoms.features
    assert "cluster" not in described.used


def test_the_latents_within_classes_are_columns_and_maps(finished_within, finished):
    analysis = finished_within
    assert set(analysis.atoms.features) >= COLUMNS
    assert {"c0", "c1", "label"} <= set(analysis.maps)
    assert "c0" not in finished.maps
    assert analysis.recipe.also == WITHIN
    assert analysis.cvae.settings.classes == (0, 1)


@pytest.mark.parametrize(
    ("step", "gone", "cvae"),
    [
        (TrainVae(epochs=1), {"label", *COLUMNS}, False),
        (Encode(angle="full circle"), {"label", *COLUMNS}, False),
        (Describe(order=2), set(), True),
        (Cluster(by=GaussianMixture(classes=3, n_init=2)), COLUMNS, False),
        (TrainCvae(epochs=1), COLUMNS, True),
        (EncodeCvae(), set(), True),
        (PaintMap(columns=("z0",)), set(), True),
    ],
    ids=lambda part: part.name() if hasattr(part, "name") else "",
)
def test_a_conditional_network_goes_with_its_classes(finished_within, step, gone, cvae):
    analysis = copy_of(finished_within)
    vae = analysis.vae
    finish(analysis.apply(step))
    assert {"label", *COLUMNS} - set(analysis.atoms.features) == gone
    assert (analysis.cvae is not None) == cvae
    assert (analysis.vae is vae) == (step.name() != "train_vae")


def test_running_again_leaves_no_column_of_the_run_before(described):
    finish(described.apply(Describe(order=3, components=1)))
    left = {name for name in described.atoms.features if "zernike" in name or "fold" in name}
    assert left == {"zernike_0_0", "zernike_1_1", "zernike_2_0", "zernike_2_2", "zernike_3_1", "zernike_3_3"} | {
        "fold_2",
        "fold_3",
        "zernike0",
    }


def test_an_optional_step_is_run_only_when_asked_for(analysis):
    assert "describe" not in analysis.used
    assert analysis.recipe.also == ()
    with pytest.raises(InputError, match="There is no step describes"):
        finish(analysis.run(RECIPE, also=("describes",)))
    vae = analysis.vae
    finish(analysis.run(RECIPE, also=("describe",)))
    assert analysis.vae is vae
    assert {"zernike0", "fold_6", "label"} <= set(analysis.atoms.features)
    assert analysis.recipe.also == ("describe",)


@pytest.mark.slow
def test_choosing_the_number_of_classes_can_be_stopped(analysis, monkeypatch):
    monkeypatch.setattr(mixtures, "CURVES", mixtures.Last())
    told = []
    finish(analysis.apply(Cluster()), lambda now: told.append(now.message) or len(told) > 3)
    assert told[1:4] == [f"Trying {number} of 10 components …" for number in (1, 2, 3)]
    assert analysis.used["cluster"].by.components <= 3
    assert (analysis.atoms.features["label"] >= 0).any()
    assert not analysis.is_current(Cluster())


def test_labels_changed_by_hand_clear_their_map_and_stay(described):
    described.atoms = described.atoms.with_features(label=7)
    assert set(described.maps) == ENCODED
    assert (described.atoms.features["label"] == 7).all()
    assert "label" in described.columns["cluster"]


def test_finding_the_same_atoms_again_leaves_nothing_old(analysis):
    finish(analysis.apply(FindAtoms()))
    assert set(analysis.used) == {"segment", "find_atoms"}
    assert analysis.sub_images is None


def test_windows_are_cut_where_atoms_were_found(analysis):
    """Encoding may move the atoms; what it did is undone with its columns, and not cut at."""
    cut_at = analysis.sub_images.atoms.yx
    finish(analysis.apply(Encode(correct_positions=True)))
    assert not np.array_equal(analysis.atoms.yx, cut_at)
    finish(analysis.apply(ExtractSubImages(window_size=analysis.sub_images.window_size)))
    np.testing.assert_array_equal(analysis.sub_images.atoms.yx, cut_at)
    assert set(cut_at[:, 0]) <= set(analysis.atoms.yx[:, 0])


def test_atoms_of_ones_own_replace_the_found_ones(analysis):
    analysis.atoms = Atoms.at(square_lattice(9.0)[:50])
    assert analysis.vae is None
    assert not analysis.is_current(FindAtoms())


def test_a_column_of_ones_own_clears_nothing(finished_within):
    analysis = copy_of(finished_within)
    before = {name: getattr(analysis, name) for name in ("vae", "cvae", "maps")}
    analysis.atoms = analysis.atoms.with_features(mine=1.0)
    assert all(getattr(analysis, name) is result for name, result in before.items())
    assert {"mine", "z0", "c0", "label"} <= set(analysis.atoms.features)
    assert analysis.is_current(PaintMap())


def test_a_column_of_ones_own_takes_its_own_map_with_it_and_no_other(analysis):
    step = PaintMap(columns=("z0", "mine"))
    analysis.atoms = analysis.atoms.with_features(mine=1.0)
    finish(analysis.apply(step))
    painted = analysis.maps["z0"]
    analysis.atoms = analysis.atoms.with_features(mine=2.0)
    assert set(analysis.maps) == {"z0"}
    assert not analysis.is_current(step)
    analysis.add_maps({"mine": painted}, step, step)
    assert set(analysis.maps) == {"z0", "mine"}
    assert analysis.maps["z0"] is painted
    assert analysis.is_current(step)


def test_classes_given_by_hand_are_to_be_painted(analysis):
    maps = dict(analysis.maps)
    analysis.atoms = with_hand_label(analysis.atoms, np.ones(len(analysis.atoms), bool), 2)
    assert analysis.maps == maps
    assert not analysis.is_current(PaintMap())
    finish(analysis.run(RECIPE))
    assert {*maps, "hand_label"} == set(analysis.maps)


@pytest.mark.slow
def test_columns_of_ones_own_survive_a_step_that_moves_the_atoms():
    analysis = Analysis(Image(blobs(square_lattice(9.0)), 0.02))
    for step in (Segment(), FindAtoms(), RefineAtoms()):
        finish(analysis.apply(step))
    moved = analysis.atoms.yx
    chosen = analysis.atoms.ids[:3]
    analysis.atoms = with_hand_label(analysis.atoms, np.isin(analysis.atoms.ids, chosen), 4)
    finish(analysis.apply(RefineAtoms(method="quadratic")))
    given = analysis.atoms.features.set_index("id")["hand_label"]
    assert (given.loc[chosen] == 4).all()
    assert (given.drop(chosen) == -1).all()
    assert not np.array_equal(analysis.atoms.yx, moved)


def test_a_new_image_clears_everything(analysis):
    analysis.image = Image(blobs(square_lattice(11.0)))
    assert analysis.atoms is None
    assert analysis.used == {}


def test_changes_are_announced(analysis):
    heard = []
    analysis.changed.connect(heard.append)
    finish(analysis.apply(TrainVae(epochs=1)))
    assert {"vae", "atoms", "maps"} == set(heard)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (FindAtoms(), "Segment the image first"),
        (Encode(), "Train a network first"),
        (Cluster(), "Find atoms"),
        (TrainCvae(), "Extract sub-images first"),
        (EncodeCvae(), "Train a conditional network first"),
    ],
)
def test_what_is_missing_is_said(step, words):
    fresh = Analysis(Image(blobs(square_lattice())))
    assert words in fresh.missing(step)
    with pytest.raises(InputError, match=words):
        finish(fresh.apply(step))


def test_a_failed_step_loses_nothing(analysis):
    atoms = analysis.atoms
    with pytest.raises(InputError, match="lower the threshold"):
        finish(analysis.apply(FindAtoms(threshold=1, smallest=10_000)))
    assert analysis.atoms is atoms


@pytest.mark.slow
def test_a_stopped_run_keeps_what_is_done():
    analysis = Analysis(Image(blobs(square_lattice(9.0))))
    finish(analysis.run(RECIPE), lambda progress: progress.loss is not None)
    assert analysis.vae is not None
    assert analysis.maps is None
    assert not analysis.is_current(RECIPE.train_vae)


def test_latents_of_an_earlier_network_go_with_a_new_one(finished):
    """Atoms that were brought in with all their columns: `z1` and `label` are not of the network trained now."""
    brought = Analysis(finished.image)
    brought.atoms = Atoms.from_frame(finished.atoms.to_frame(), finished.atoms.pixel_size)
    assert {"z0", "label"} <= set(brought.atoms.features)
    finish(brought.apply(ExtractSubImages()))
    finish(brought.apply(TrainVae(epochs=1, latents=1)))
    assert not {"z0", "z1", "label", "angle_rad"} & set(brought.atoms.features)


def test_classes_of_ones_own_stay(finished):
    brought = Analysis(finished.image)
    brought.atoms = Atoms.at(finished.atoms.yx).with_features(label=1)
    finish(brought.apply(ExtractSubImages()))
    finish(brought.apply(TrainVae(epochs=1)))
    assert (brought.atoms.features["label"] == 1).all()


def test_a_column_of_any_step_can_be_painted(finished):
    analysis = Analysis(finished.image)
    analysis.atoms = Atoms.at(finished.atoms.yx)
    finish(analysis.apply(RefineAtoms(when_doubtful="continue")))
    finish(analysis.apply(PaintMap(columns=("amplitude",))))
    assert set(analysis.maps) == {"amplitude"}


def test_an_error_within_a_property_is_not_taken_for_a_missing_one(monkeypatch):
    monkeypatch.setattr(Analysis, "summary", property(lambda analysis: analysis.image.nothing))
    with pytest.raises(AttributeError, match="'nothing'"):
        Analysis(Image(np.eye(20))).summary  # noqa: B018
    with pytest.raises(AttributeError, match="its results are"):
        Analysis().nothing  # noqa: B018


@pytest.mark.parametrize(("name", "value"), [("image", np.eye(20)), ("image", "a.tif"), ("atoms", [[1.0, 2.0]])])
def test_results_of_another_type_are_refused(name, value):
    with pytest.raises(InputError, match=f"cannot take the type {type(value).__name__} for its {name}"):
        setattr(Analysis(), name, value)
