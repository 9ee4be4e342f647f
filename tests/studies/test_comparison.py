"""Runs on the same image agree where they say the same, whatever their ids and the numbers of their classes."""

import matplotlib.colors
import numpy as np
import pytest

from local_crystallography.analysis import Analysis
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.report.comparison import DIFFERS, comparison_figure
from local_crystallography.studies.comparison import atoms_of, compare, correlation, same_places
from local_crystallography.studies.comparison_tables import differences_table, pairs_table, scores
from local_crystallography.views.styles import ClassStyles

SIDE = 20
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2) * 8.0 + 10
THREE = np.arange(len(GRID)) % 3


def run(label=THREE, yx=GRID, **columns):
    return Atoms.at(yx, columns={"label": label, **columns})


def shuffled(atoms, seed=0):
    """The same atoms in another order, with other ids, moved by a few hundredths of a pixel."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(atoms))
    part = atoms[order]
    columns = {name: part.features[name].to_numpy() for name in part.features if name not in ("id", "frame")}
    return Atoms.at(part.yx + rng.normal(0, 0.03, part.yx.shape), frame=part.frame, columns=columns)


def test_permuted_numbers_agree_fully_and_are_numbered_back():
    later = shuffled(run(np.array([2, 0, 1])[THREE]))
    comparison = compare({"first": run(), "later": later})
    found, pair = comparison.pairs[0].found, comparison.pairs[0]
    assert (found.adjusted_rand, found.rand, found.same, pair.share) == (1, 1, 1, 1)
    assert not found.differ.any()
    assert np.array_equal(found.table, np.diag(np.bincount(THREE)))
    assert np.array_equal(comparison.values[1][pair.rows[:, 1]], THREE[pair.rows[:, 0]])


def test_classes_thrown_at_random_agree_by_about_zero():
    rng = np.random.default_rng(1)
    found = compare({"a": run(rng.integers(0, 3, len(GRID))), "b": run(rng.integers(0, 3, len(GRID)))}).pairs[0].found
    assert abs(found.adjusted_rand) < 0.03
    assert 0.4 < found.rand < 0.7


def test_a_changed_half_differs_exactly_there():
    lower = GRID[:, 0] > GRID[:, 0].mean()
    changed = np.where(lower & (THREE == 2), 1, THREE)
    comparison = compare({"first": run(), "later": shuffled(run(changed))})
    pair = comparison.pairs[0]
    told = {tuple(place) for place in comparison.yx(pair)[pair.found.differ]}
    assert told == {tuple(place) for place in GRID[lower & (THREE == 2)]}


def test_atoms_of_one_run_only_are_no_part_of_the_agreement():
    pair = compare({"all": run(), "part": shuffled(run()[:300])}).pairs[0]
    assert len(pair.rows) == 300
    assert pair.share == 300 / 400
    assert pair.found.adjusted_rand == 1


def test_no_class_in_one_run_differs_but_leaves_the_indices_alone():
    none = np.where(np.arange(len(GRID)) < 30, np.nan, THREE)
    found = compare({"a": run(), "b": run(none)}).pairs[0].found
    assert (found.adjusted_rand, found.same, found.differ.sum()) == (1, 1, 30)
    assert found.numbers[1].tolist() == [-1, 0, 1, 2]
    assert found.table[:, 0].tolist() == [10, 10, 10]


def test_a_class_the_first_run_has_not_takes_a_number_of_its_own():
    finer = np.where(np.arange(len(GRID)) < 100, 0, THREE + 1)
    comparison = compare({"first": run(), "finer": run(finer)})
    assert set(comparison.values[1]) == {0, 1, 2, 3}
    assert comparison.pairs[0].found.differ.sum() == np.count_nonzero(np.arange(len(GRID)) < 100)


def test_decisions_keep_their_meaning():
    first = run(sym_decision=THREE % 2)
    found = compare({"a": first, "b": run(sym_decision=1 - THREE % 2)}, "sym_decision").pairs[0].found
    assert (found.adjusted_rand, found.same) == (1, 0)


def test_frames_are_kept_apart():
    both, frames = np.concatenate([GRID, GRID]), np.repeat([0, 1], len(GRID))
    stack = Atoms.at(both, frame=frames, columns={"label": np.tile(THREE, 2)})
    rows = same_places(stack, shuffled(stack))
    assert len(rows) == 2 * len(GRID)
    other = shuffled(stack)
    assert np.array_equal(stack.frame[rows[:, 0]], other.frame[rows[:, 1]])


def test_runs_are_matched_at_the_places_atoms_were_found():
    moved = GRID + [3.0, 3.0]
    corrected = run(yx=moved).with_features(found_y_px=GRID[:, 0], found_x_px=GRID[:, 1])
    assert len(compare({"a": run(), "b": corrected}).pairs[0].rows) == len(GRID)


@pytest.mark.parametrize(
    ("runs", "column", "words"),
    [
        ({"a": run()}, "label", "needs at least two runs"),
        ({"a": run(), "b": Atoms.at(GRID)}, "label", "b has no classes in label"),
        ({"a": run(), "b": run(np.full(len(GRID), -1))}, "label", "cluster it first"),
        ({"a": run(), "b": run(yx=GRID + 1000)}, "label", "no atoms in common"),
        ({"a": run(), "b": run(yx=GRID + [3, 0])}, "label", "no atoms in common"),
        ({"a": run(), "b": run()}, "z0", "numbers in z0"),
        ({"a": run(z0="x"), "b": run(z0=1.0)}, "z0", "a has no numbers"),
        ({"a": run(np.where(THREE, -1, 0)), "b": run(np.where(THREE, 0, -1))}, "label", "no atom with a class in both"),
        ({"a": run(), "b": run()[:0]}, "label", "b has no classes"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(runs, column, words):
    with pytest.raises(InputError, match=words):
        compare(runs, column)


def test_runs_on_other_images_or_without_atoms_are_refused():
    pixels = np.random.default_rng(0).random((32, 32))
    one, other, empty = (Analysis(Image(each)) for each in (pixels, pixels.T, pixels))
    one.atoms = other.atoms = run()
    assert list(atoms_of({"a": one})) == ["a"]
    with pytest.raises(InputError, match="another image than a"):
        atoms_of({"a": one, "b": other})
    with pytest.raises(InputError, match="b has no atoms"):
        atoms_of({"a": one, "b": empty})


@pytest.mark.parametrize("period", [2 * np.pi, np.pi / 2])
def test_angles_correlate_whatever_they_are_counted_from(period):
    rng = np.random.default_rng(0)
    angle = rng.uniform(-period / 2, period / 2, 5000)
    turned = (angle + 0.4 * period + rng.normal(0, 0.01 * period, len(angle)) + period / 2) % period - period / 2
    assert correlation(angle, turned, period).value > 0.98
    assert correlation(angle, turned, period).offset == pytest.approx(0.4 * period, abs=0.01 * period)
    assert correlation(angle, -turned, period).value < -0.98
    assert abs(correlation(angle, rng.permutation(angle), period).value) < 0.05
    assert np.abs(correlation(angle, turned, period).difference).max() <= period / 2


def test_the_circular_correlation_of_close_angles_is_pearsons():
    a, b = np.random.default_rng(0).multivariate_normal([1, -2], [[1e-4, 6e-5], [6e-5, 1e-4]], 4000).T
    assert correlation(a, b, 2 * np.pi).value == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-3)


def test_numbers_are_correlated_where_both_know_them():
    z = np.random.default_rng(0).normal(size=len(GRID))
    later = np.where(np.arange(len(GRID)) < 20, np.nan, 3 - 2 * z)
    found = compare({"a": run(z0=z), "b": run(z0=later)}, "z0").pairs[0].found
    assert found.value == pytest.approx(-1)
    assert np.isnan(found.difference).sum() == 20
    assert np.isnan(correlation(z, np.ones(len(z))).value)


def three_runs():
    rng = np.random.default_rng(2)
    z = rng.normal(size=len(GRID))
    mixed = np.where(rng.random(len(GRID)) < 0.1, 0, THREE)
    return {"a": run(z0=z), "b": shuffled(run(mixed, z0=z + 1)), "c": run(THREE, z0=-z)[:350]}


def test_tables_tell_every_pair_and_every_atom_that_differs():
    comparison = compare(three_runs())
    table, atoms = pairs_table(comparison), differences_table(comparison)
    assert list(zip(table["first"], table["second"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["z0_correlation"].tolist() == pytest.approx([1, -1, -1])
    assert table["z0_offset"][0] == pytest.approx(1)
    assert len(atoms) == table["common"].sum()
    assert atoms.groupby(["first", "second"])["differ"].sum().tolist() == table["differ"].tolist()
    assert np.array_equal(atoms["differ"], atoms["label_first"] != atoms["label_second"])
    matrix = scores(comparison)
    assert np.allclose(matrix, matrix.T)
    assert matrix[0, 2] == 1 > matrix[0, 1] > 0


def texts(figure):
    axes = [each for part in (figure, *figure.subfigs) for each in part.axes]
    return [text.get_text() for each in axes for text in (*each.texts, each.title, each._left_title)]


def test_columns_without_numbers_are_no_histogram():
    runs = {"a": run(z0="x", z1=np.nan), "b": run(z0="y", z1=1.0)}
    assert not comparison_figure(compare(runs)).subfigs


@pytest.mark.parametrize("column", ["label", "z0"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_figure_is_drawn_of_any_runs(column, count, tmp_path):
    runs = dict(list(three_runs().items())[:count])
    figure = comparison_figure(compare(runs, column))
    figure.savefig(tmp_path / "figure.png")
    assert any(text.startswith("b") for text in texts(figure))


def test_the_figure_paints_what_differs_and_in_the_colours_of_the_classes():
    styles = ClassStyles()
    styles.recolour("label", 1, "#123456")
    comparison = compare({"a": run(), "b": run(np.where(np.arange(len(GRID)) < 8, 1, THREE))})
    figure = comparison_figure(comparison, styles)
    first, _, difference = figure.axes[:3]
    colours = [matplotlib.colors.to_hex(each) for each in first.collections[0].get_facecolors()]
    assert colours.count("#123456") == np.count_nonzero(THREE == 1)
    painted = next(
        each for each in difference.collections if matplotlib.colors.to_hex(each.get_facecolor()[0]) == DIFFERS
    )
    places = np.asarray(painted.get_offsets())[:, ::-1]
    assert np.array_equal(places, comparison.yx(comparison.pairs[0])[comparison.pairs[0].found.differ])
    assert str(comparison.pairs[0].found.table[0, 0]) in texts(figure)


def test_maps_are_of_the_frame_asked_for():
    stack = Atoms.at(
        np.concatenate([GRID, GRID[:50]]),
        frame=np.repeat([0, 1], [len(GRID), 50]),
        columns={"label": np.append(THREE, THREE[:50])},
    )
    runs = compare({"a": stack, "b": shuffled(stack)})
    shown = [len(comparison_figure(runs, frame=frame).axes[0].collections[0].get_offsets()) for frame in (None, 0, 1)]
    assert shown == [len(GRID), len(GRID), 50]


def test_angles_deviate_from_their_mean_difference_and_numbers_from_nothing():
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, 500)
    turned = angle + 2.0
    turned[:10] += 0.5
    assert np.median(correlation(angle, turned, 2 * np.pi).deviation) == pytest.approx(0, abs=0.02)
    assert correlation(angle, turned, 2 * np.pi).deviation[:10] == pytest.approx(0.5, abs=0.02)
    assert np.median(correlation(angle, turned).deviation) == pytest.approx(2)


def test_an_atom_found_twice_is_the_nearer_one_only():
    doubled = Atoms.at(np.concatenate([GRID[:1] + [0, 2.0], GRID]), columns={"label": np.append(0, THREE)})
    rows = same_places(doubled, run())
    assert rows.tolist() == [[i + 1, i] for i in range(len(GRID))]


def test_a_number_of_the_first_run_stays_its_own_where_no_atom_of_it_is_common():
    first = np.where(np.arange(len(GRID)) < 100, 1, 0)
    later = run(np.where(np.arange(len(GRID)) < 200, 0, 1))[100:]
    comparison = compare({"first": run(first), "later": later})
    assert set(comparison.values[1]) == {0, 2}


def test_infinite_numbers_and_classes_count_as_unknown():
    atoms = run()
    label = atoms.features["label"].to_numpy(float)
    label[:5] = np.inf
    atoms = atoms.with_features(label=label, z0=np.where(np.arange(len(atoms)) < 5, np.inf, np.arange(len(atoms))))
    pair = compare({"one": atoms, "two": atoms}).pairs[0]
    assert (pair.found.numbers[0][0], pair.found.table[0, 0]) == (-1, 5)
    assert np.isnan(pair.beside["z0"].difference).sum() == 5
    assert pair.beside["z0"].value == pytest.approx(1)
