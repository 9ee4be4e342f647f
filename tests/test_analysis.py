"""The analysis: results in order, and nothing stale beside something new."""

import numpy as np
import pytest
from crystals import blobs, square_lattice

from local_crystallography import (
    Analysis,
    Atoms,
    Cluster,
    Encode,
    FindAtoms,
    Image,
    Recipe,
    Segment,
    TrainVae,
)
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish

RECIPE = Recipe(train_vae=TrainVae(epochs=2), cluster=Cluster(classes=2))


@pytest.fixture
def analysis():
    rng = np.random.default_rng(0)
    picture = blobs(square_lattice(9.0)) + 0.05 * rng.standard_normal((128, 128))
    done = Analysis(Image(picture, 0.02, "crystal"))
    finish(done.run(RECIPE))
    return done


def test_a_run_makes_every_result(analysis):
    assert all(getattr(analysis, name) is not None for name in Analysis.results)
    assert {"angle_rad", "z0", "label"} <= set(analysis.atoms.features)
    assert list(analysis.used) == list(Recipe.model_fields)


def test_what_was_chosen_is_on_record(analysis):
    used = analysis.recipe
    assert used.segment.spacing == pytest.approx(9, rel=0.1)
    assert None not in (used.extract_sub_images.window_size, used.train_vae.detail, used.paint_map.reach)


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


def test_atoms_of_ones_own_replace_the_found_ones(analysis):
    analysis.atoms = Atoms.at(square_lattice(9.0)[:50])
    assert analysis.vae is None
    assert not analysis.is_current(FindAtoms())


def test_a_column_of_ones_own_clears_nothing_but_maps(analysis):
    vae = analysis.vae
    analysis.atoms = analysis.atoms.with_features(mine=1.0)
    assert analysis.vae is vae
    assert {"mine", "z0", "label"} <= set(analysis.atoms.features)


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
        finish(analysis.apply(FindAtoms(threshold=1)))
    assert analysis.atoms is atoms


def test_a_stopped_run_keeps_what_is_done():
    analysis = Analysis(Image(blobs(square_lattice(9.0))))
    finish(analysis.run(RECIPE), lambda progress: progress.loss is not None)
    assert analysis.vae is not None
    assert analysis.maps is None
    assert not analysis.is_current(RECIPE.train_vae)
