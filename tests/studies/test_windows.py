"""The window study: what is counted of a run, what is kept of it, and what happens when the study is stopped."""

import numpy as np
import pandas as pd
import pytest
from crystals import blobs, square_lattice

from local_crystallography import GaussianMixture
from local_crystallography.analysis import Analysis
from local_crystallography.clustering.angle_peaks import angle_peaks
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.io.window_runs import StudyRun, StudyTable, adjusted_rand
from local_crystallography.recipe import Recipe
from local_crystallography.report.symmetry import write_figure
from local_crystallography.report.windows import agreement_table, matched_classes, window_figure, window_table
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.extract_sub_images import ExtractSubImages
from local_crystallography.steps.train_vae import TrainVae
from local_crystallography.studies import windows
from local_crystallography.studies.windows import (
    WindowStudy,
    finished_runs,
    run_window_study,
    study_maps,
    suggest,
    suggested_window,
)

QUICK = Recipe(cluster=Cluster(by=GaussianMixture(classes=2, components=2, n_init=1)))
BOTH = WindowStudy(windows=(16, 20), epochs=1)
SPOILT = (
    ("run.json", lambda _: b"{"),
    ("run.json", lambda _: b"[1]"),
    ("atoms.csv", lambda table: table.replace(b",label", b",other", 1)),
    ("atoms.csv", lambda table: b"".join(table.splitlines(keepends=True)[:20])),
    ("atoms.csv", lambda _: b""),
)
"""Files of a run, and what of their bytes is left."""
pytestmark = pytest.mark.usefixtures("short_start")


@pytest.fixture(scope="module")
def analysis():
    """Two kinds of atoms on a lattice, at their places, with a probability map."""
    yx = square_lattice(12.0, shape=(160, 160), angle=0.2)
    random = np.random.default_rng(0)
    heights = np.where((np.arange(len(yx)) % 3 == 0)[:, None], 1.0, 0.5).ravel()
    clean = sum(blobs(yx[heights == h], shape=(160, 160), height=h) for h in (0.5, 1.0))
    made = Analysis(Image(clean + random.normal(0, 0.03, clean.shape), pixel_size=0.02))
    made.probability = np.clip(clean, 0, 1)
    made.atoms = Atoms.at(yx)
    return made


@pytest.fixture(scope="module")
def done(analysis, tmp_path_factory):
    """Two windows studied, with the folder."""
    folder = tmp_path_factory.mktemp("study")
    return finish(run_window_study(analysis, BOTH, QUICK, folder)), folder


def no_training(*_):
    raise AssertionError("a run that is done was done again")


@pytest.mark.parametrize(
    ("places", "scatter", "order", "peaks"),
    [
        ((0.3,), 0.1, 1, 1),
        ((np.pi,), 0.2, 1, 1),
        ((-1.0, 1.0), 0.1, 1, 2),
        ((0.0, 0.5), 0.1, 1, 2),
        ((-2.0, -0.5, 1.0, 2.5), 0.15, 1, 4),
        ((0.0, np.pi / 2), 0.1, 4, 1),
        ((0.0, np.pi / 4), 0.1, 4, 2),
        ((0.0,), 100.0, 1, 0),
    ],
)
def test_the_peaks_of_known_angles_are_counted(places, scatter, order, peaks):
    random = np.random.default_rng(1)
    angle = random.choice(places, 2000) + random.normal(0, scatter, 2000)
    assert angle_peaks(angle, order) == peaks


def test_random_angles_have_no_peak():
    random = np.random.default_rng(2)
    assert sum(angle_peaks(random.uniform(-np.pi, np.pi, 500)) > 0 for _ in range(100)) <= 2


def test_a_few_strays_of_lower_symmetry_do_not_open_the_circle():
    angle = np.append(np.random.default_rng(0).choice([-0.78, 0.78], 980), np.zeros(20))
    assert angle_peaks(angle, np.repeat([4, 1], [980, 20])) == 1


def test_unknown_angles_have_no_peak():
    assert angle_peaks([np.nan, np.nan]) == 0


def test_labels_agree_whatever_their_numbers_on_atoms_both_have():
    one = Atoms.at(np.zeros((6, 2)), columns={"label": [0, 0, 1, 1, 2, -1]})
    other = Atoms.at(np.zeros((6, 2)), columns={"label": [1, 1, 0, 0, -1, 2]})
    assert adjusted_rand(one, other[:5]) == 1


@pytest.mark.slow
def test_every_run_is_a_row(done):
    table = done[0].table
    assert list(table["window"]) == [16, 20]
    assert np.isfinite(table["elbo_per_pixel"]).all()
    assert (table["classes"] == 2).all()
    assert table["rand_windows"].between(-1, 1).all()
    assert table["rand_seeds"].isna().all()
    assert table["atoms"].is_monotonic_decreasing


@pytest.mark.slow
def test_the_evidence_counts_per_pixel_seen(done):
    """Of a window of w pixels a harmonic network sees the disc: at most as many numbers as pixels."""
    table = done[0].table
    assert (table["numbers"] <= np.pi / 4 * table["window"] ** 2 * 1.1).all()


@pytest.mark.slow
def test_agreement_is_symmetric_with_itself_on_the_diagonal(done):
    agreement = done[0].agreement.to_numpy()
    assert np.allclose(np.diag(agreement), 1)
    assert np.allclose(agreement, agreement.T)


@pytest.mark.slow
def test_finished_runs_are_not_done_again(analysis, done, monkeypatch):
    study, folder = done
    monkeypatch.setattr(windows, "one_run", no_training)
    again = finish(run_window_study(analysis, BOTH, QUICK, folder))
    pd.testing.assert_frame_equal(again.table, study.table)
    pd.testing.assert_frame_equal(again.runs[0].atoms.features, study.runs[0].atoms.features, check_exact=True)


@pytest.mark.slow
def test_what_a_folder_holds_is_read_without_training(analysis, done):
    wider = BOTH.model_copy(update={"windows": (16, 18, 20)})
    assert [run.window for run in finished_runs(analysis, wider, QUICK, done[1]).runs] == [16, 20]
    longer = BOTH.model_copy(update={"epochs": 2})
    assert finished_runs(analysis, longer, QUICK, done[1]).runs == ()


def test_classes_of_runs_are_numbered_alike():
    """By id: the second run lacks the first atom."""
    yx = np.zeros((5, 2))
    one = StudyRun("image", 16, 0, Atoms.at(yx, columns={"label": [0, 0, 1, 1, 2]}))
    other = StudyRun("image", 20, 0, Atoms.at(yx, columns={"label": [9, 2, 0, 0, 1]})[1:])
    failed = StudyRun("image", 90, 0, Atoms.at(yx)[:0], note="Too few.")
    study = matched_classes(StudyTable((one, other, failed)))
    assert list(study.runs[0].atoms.features["label"]) == [0, 0, 1, 1, 2]
    assert list(study.runs[1].atoms.features["label"]) == [0, 1, 1, 2]
    earlier = Atoms.at(yx, columns={"label": [3, 3, 4, 4, 5]})
    assert list(matched_classes(study, earlier).runs[1].atoms.features["label"]) == [3, 4, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(cluster=Cluster(by=GaussianMixture(classes=1))),
        Recipe(train_vae=TrainVae(hidden=8), cluster=QUICK.cluster),
    ],
)
def test_runs_of_other_settings_are_done_again(analysis, done, recipe, monkeypatch):
    monkeypatch.setattr(windows, "one_run", no_training)
    with pytest.raises(AssertionError, match="done again"):
        finish(run_window_study(analysis, BOTH, recipe, done[1]))


@pytest.mark.slow
def test_runs_of_other_atoms_are_done_again(analysis, done, monkeypatch):
    monkeypatch.setattr(windows, "one_run", no_training)
    fewer = Analysis(analysis.image)
    fewer.atoms = analysis.atoms[1:]
    with pytest.raises(AssertionError, match="done again"):
        finish(run_window_study(fewer, BOTH, QUICK, done[1]))


@pytest.mark.slow
def test_a_spoilt_run_is_done_again(analysis, tmp_path):
    one = WindowStudy(windows=(16,), epochs=1)
    finish(run_window_study(analysis, one, QUICK, tmp_path))
    for file, spoil in SPOILT:
        spoilt = tmp_path / "image-16-seed0" / file
        before = spoilt.read_bytes()
        spoilt.write_bytes(spoil(before))
        assert finished_runs(analysis, one, QUICK, tmp_path).runs == ()
        assert len(finish(run_window_study(analysis, one, QUICK, tmp_path)).runs) == 1
        assert spoilt.read_bytes()[:50] == before[:50]


@pytest.mark.slow
def test_runs_on_another_image_are_not_replaced(analysis, done):
    other = Analysis(Image(analysis.image.data + 1.0))
    other.atoms = analysis.atoms
    before = (done[1] / "image-16-seed0" / "run.json").read_bytes()
    with pytest.raises(InputError, match="holds runs on another image"):
        finish(run_window_study(other, BOTH, QUICK, done[1]))
    assert (done[1] / "image-16-seed0" / "run.json").read_bytes() == before


def test_words_among_the_columns_to_sort_by_are_refused_before_anything_is_trained(analysis, tmp_path):
    worded = Analysis(analysis.image)
    worded.atoms = analysis.atoms.with_features(kind="a")
    with pytest.raises(InputError, match="kind contains text"):
        finish(run_window_study(worded, BOTH, Recipe(cluster=Cluster(columns=("kind",))), tmp_path))
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_stopped_study_keeps_what_is_done_and_goes_on(analysis, tmp_path):
    study = finish(run_window_study(analysis, BOTH, QUICK, tmp_path), lambda told: told.fraction > 0.5)
    assert [run.name for run in study.runs] == ["image-16-seed0"]
    assert not (tmp_path / "image-20-seed0" / "run.json").exists()
    messages = []
    whole = finish(run_window_study(analysis, BOTH, QUICK, tmp_path), lambda told: messages.append(told.message))
    assert [run.window for run in whole.runs] == [16, 20]
    assert messages[0] == "image-16-seed0: already done"
    assert not list(tmp_path.rglob("training-*"))


@pytest.mark.slow
def test_a_stopped_training_goes_on_where_it_was(analysis, tmp_path):
    three = WindowStudy(windows=(16,), epochs=3)
    finish(run_window_study(analysis, three, QUICK, tmp_path), lambda told: told.epoch == 3)
    epochs = []
    finish(run_window_study(analysis, three, QUICK, tmp_path), lambda told: epochs.append(told.epoch))
    assert min(filter(None, epochs)) == 3


@pytest.mark.slow
def test_stopping_at_once_gives_an_empty_table(analysis, tmp_path):
    study = finish(run_window_study(analysis, BOTH, QUICK, tmp_path), lambda _: True)
    assert study.runs == ()
    assert len(study.table) == 0


@pytest.mark.slow
def test_progress_rises_over_all_runs_with_the_passes_within(analysis, tmp_path):
    told = []
    finish(run_window_study(analysis, BOTH, QUICK, tmp_path), told.append)
    fractions = [each.fraction for each in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] <= 1
    assert {(each.epoch, each.epochs) for each in told if each.epoch} == {(1, 1)}


@pytest.mark.slow
def test_all_sources_are_cut(analysis, tmp_path):
    settings = WindowStudy(windows=(16,), sources=("image", "smoothed", "probability"), epochs=1)
    study = finish(run_window_study(analysis, settings, QUICK, tmp_path))
    assert [run.source for run in study.runs] == ["image", "smoothed", "probability"]


@pytest.mark.slow
def test_the_image_is_smoothed_by_the_refined_width_of_the_atoms(analysis, tmp_path):
    refined = Analysis(analysis.image)
    refined.atoms = analysis.atoms.with_features(sigma_px=2.5)
    settings = WindowStudy(windows=(16,), sources=("smoothed",), epochs=1)
    finish(run_window_study(refined, settings, QUICK, tmp_path))
    assert Recipe.from_toml(tmp_path / "smoothed-16-seed0" / "recipe.toml").extract_sub_images.smoothing == 2.5


@pytest.mark.slow
def test_the_analysis_stays_as_it_is(analysis, tmp_path):
    before = {name: getattr(analysis, name) for name in analysis.results}
    finish(run_window_study(analysis, WindowStudy(windows=(16,), epochs=1), QUICK, tmp_path))
    assert all(getattr(analysis, name) is value for name, value in before.items())


@pytest.mark.slow
def test_a_run_that_fails_says_why_and_the_others_go_on(analysis, tmp_path):
    """Only four atoms lie far enough from the edge for the largest window."""
    study = finish(run_window_study(analysis, WindowStudy(windows=(16, 132), epochs=1), QUICK, tmp_path))
    assert "sub-images are too few" in study.runs[1].note
    assert not study.runs[0].note
    assert len(window_table(study)) == 2
    assert list(study_maps(study, analysis.image)) == ["image-16-seed0"]


@pytest.mark.slow
def test_maps_have_the_shape_of_the_image(analysis, done):
    maps = study_maps(done[0], analysis.image)
    assert {"label", "angle_rad", "z0"} <= set(maps["image-16-seed0"])
    assert maps["image-20-seed0"]["angle_rad"].shape == analysis.image.shape


@pytest.mark.slow
def test_the_figure_has_a_row_per_run_and_is_written(analysis, done, tmp_path):
    figure = window_figure(done[0], analysis.image)
    write_figure(figure, tmp_path / "study.png")
    assert len([axes for axes in figure.axes if axes.get_ylabel().startswith("image, ")]) == 2
    assert (tmp_path / "study.png").stat().st_size > 10_000


@pytest.mark.slow
def test_tables_can_be_read_again(done, tmp_path):
    window_table(done[0]).to_csv(tmp_path / "study.csv", index=False)
    agreement_table(done[0]).to_csv(tmp_path / "agreement.csv", index=False)
    assert pd.read_csv(tmp_path / "study.csv")["angle_peaks"].dtype.kind == "i"
    assert list(pd.read_csv(tmp_path / "agreement.csv")["run"]) == ["image-16-seed0", "image-20-seed0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (WindowStudy(windows=()), "has no windows"),
        (WindowStudy(sources=()), "has no sources"),
        (WindowStudy(seeds=()), "has no seeds"),
        (WindowStudy(windows=(16, 200)), "A window of 200 pixels fits around none"),
    ],
)
def test_settings_that_cannot_be_studied_are_refused(analysis, settings, message, tmp_path):
    with pytest.raises(InputError, match=message):
        finish(run_window_study(analysis, settings, QUICK, tmp_path))


@pytest.mark.parametrize(
    ("missing", "message"),
    [("atoms", "Find atoms first"), ("image", "Open an image"), ("none", "no atoms for")],
)
def test_nothing_to_study_is_said(analysis, missing, message, tmp_path):
    other = Analysis(None if missing == "image" else analysis.image)
    if missing == "none":
        other.atoms = analysis.atoms[:0]
    with pytest.raises(InputError, match=message):
        finish(run_window_study(other, BOTH, QUICK, tmp_path))


def test_a_missing_probability_map_is_said_before_anything_is_trained(analysis, tmp_path):
    other = Analysis(analysis.image)
    other.atoms = analysis.atoms
    told = []
    settings = WindowStudy(sources=("image", "probability"))
    with pytest.raises(InputError, match="Segment the image first"):
        finish(run_window_study(other, settings, QUICK, tmp_path), told.append)
    assert told == []


def test_a_network_without_an_angle_is_refused(analysis, tmp_path):
    with pytest.raises(InputError, match="kind vae does not have"):
        finish(run_window_study(analysis, BOTH, Recipe(train_vae=TrainVae(kind="vae")), tmp_path))


def test_a_file_in_place_of_the_folder_is_refused(analysis, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        finish(run_window_study(analysis, BOTH, QUICK, tmp_path / "taken"))


def test_a_figure_without_runs_is_refused(analysis):
    with pytest.raises(InputError, match="No run"):
        window_figure(windows.StudyTable(()), analysis.image)


@pytest.mark.parametrize(("spacing", "angle"), [(12.0, 0.0), (12.0, 0.4), (16.0, 0.1)])
def test_there_is_one_recommendation_the_window_that_is_cut(spacing, angle):
    atoms = Atoms.at(square_lattice(spacing, shape=(300, 300), angle=angle))
    cut = ExtractSubImages().resolve(atoms, Image(np.random.default_rng(0).random((300, 300))))
    assert suggested_window(atoms) == cut.window_size == pytest.approx(2.3 * spacing, abs=1)


def test_what_the_window_is_read_off_comes_with_it():
    found = suggest(Atoms.at(square_lattice(12.0, shape=(300, 300), angle=0.2)))
    assert found.shells[:2] == pytest.approx([12, 12 * np.sqrt(2)], abs=0.5)
    assert found.density[np.argmin(np.abs(found.radius - 12))] > 3
    assert found.windows == (20, 28, 42)


def test_the_window_of_a_pair_is_that_of_the_distance():
    assert suggested_window(Atoms.at([[10.0, 10.0], [10.0, 30.0]])) == 46


def test_the_window_of_atoms_at_one_place_cannot_be_told():
    with pytest.raises(InputError, match="coincide with another atom"):
        suggested_window(Atoms.at(np.ones((9, 2))))


def test_the_window_of_one_atom_cannot_be_told():
    with pytest.raises(InputError, match="No frame has two atoms"):
        suggested_window(Atoms.at([[10.0, 10.0]]))
