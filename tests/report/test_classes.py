"""What is said of classes is so: known symmetries are found, noise has none, neighbours are counted."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from analyses import copied
from crystals import motif, square_lattice

from local_crystallography.analysis import Analysis
from local_crystallography.clustering.class_symmetry import means_of, pairs, pictures_of, symmetries
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.subimages import SubImages
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.report.classes import class_pictures_grid, class_section, class_tables, colour_grid
from local_crystallography.studies.classes import class_report, neighbour_classes
from local_crystallography.views.greys import grey_limits
from local_crystallography.views.styles import ClassStyles

SIDE = 32
BASIS = Harmonics(SIDE, 1.2)
ALIKE, OTHER = 0.98, 0.9


def polygon(corners: int, start: float = 0.0) -> np.ndarray:
    """An atom in the middle and others at the corners of a polygon, the first at an angle from x."""
    c = (SIDE - 1) / 2
    y, x = np.indices((SIDE, SIDE)) - c
    angles = start + 2 * np.pi / corners * np.arange(corners)
    places = [(0.0, 0.0), *((-9 * np.sin(a), 9 * np.cos(a)) for a in angles)]
    return sum(np.exp(-((y - py) ** 2 + (x - px) ** 2) / 12) for py, px in places)


def repeated(*pictures: np.ndarray, count: int = 200, noise: float = 0.0, seed: int = 0) -> tuple:
    """Windows and labels of classes, each with so many noisy copies of a picture, in mixed order."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(pictures)), count))
    windows = np.stack(pictures)[labels] + noise * random.standard_normal((len(labels), SIDE, SIDE))
    return windows.astype(np.float32), labels


def means(*pictures: np.ndarray, count: int = 200, noise: float = 0.0, seed: int = 0):
    windows, labels = repeated(*pictures, count=count, noise=noise, seed=seed)
    return means_of(windows, labels, BASIS, count=len(pictures), seed=seed)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize(("corners", "folds"), [(2, {2}), (3, {3}), (4, {2, 4}), (6, {2, 3, 6})])
def test_a_polygon_has_its_turns_and_mirrors_and_no_others(corners, folds, noise):
    (found,) = symmetries(means(polygon(corners, 0.3), noise=noise))
    assert {n for n, score in found.turns.items() if score.value > ALIKE} == folds
    assert max((score.value for n, score in found.turns.items() if n not in folds), default=0) < OTHER
    assert found.mirror.value > ALIKE
    assert found.mirror_angle % (np.pi / corners) == pytest.approx(0.3 % (np.pi / corners), abs=0.03)
    assert found.centre is found.turns[2]


def test_a_motif_without_symmetry_has_none():
    (found,) = symmetries(means(motif(side=SIDE)))
    assert max(score.value for score in [*found.turns.values(), found.mirror]) < OTHER


@pytest.mark.parametrize("angle", [0.4, 2.0, -1.1])
def test_a_mirrored_pair_is_one(angle):
    found = pairs(means(motif(side=SIDE), motif(angle, side=SIDE)[:, ::-1], noise=0.3))
    assert found.mirrored[0, 1] > ALIKE
    assert found.turned[0, 1] < OTHER
    expected = np.pi / 2 - angle / 2  # turned by t, then mirrored at p: one mirror at p - t / 2 undoes both
    assert abs(np.exp(2j * found.mirror_angle[0, 1]) - np.exp(2j * expected)) < 0.1


@pytest.mark.parametrize("angle", [0.4, 2.0, -1.1, -3.0])
def test_a_turned_pair_is_one_and_the_angle_is_told(angle):
    found = pairs(means(motif(angle, side=SIDE), motif(side=SIDE), noise=0.3))
    assert found.turned[0, 1] > ALIKE
    assert found.mirrored[0, 1] < OTHER
    assert found.turn_angle[0, 1] == pytest.approx(angle, abs=0.03)
    assert found.turn_angle[1, 0] == pytest.approx(-angle, abs=0.03)
    np.testing.assert_allclose(np.diag(found.turned), 1)
    np.testing.assert_allclose(found.mirrored, found.mirrored.T, atol=1e-9)


def test_noise_scores_zero_within_its_error():
    blank = np.zeros((SIDE, SIDE))
    turned, searched, ceilings = [], [], []
    for seed in range(20):
        noise = means(blank, blank, noise=1.0, seed=seed)
        for found in symmetries(noise):
            turned += [(score.value, score.error) for score in found.turns.values()]
            searched.append((found.mirror.value, found.mirror.error))
            ceilings.append(found.ceiling)
        both = pairs(noise)
        searched += [(both.turned[0, 1], both.turned_error[0, 1]), (both.mirrored[0, 1], both.mirrored_error[0, 1])]
    assert np.median(ceilings) < 0.2
    for scores in (turned, searched):
        value, error = np.transpose(scores)
        assert abs(value.mean()) < 0.5 * error.mean()
        assert (np.abs(value) < 2 * error).mean() > 0.85
        assert (np.abs(value) < 4 * error).mean() > 0.97


@pytest.mark.parametrize("noise", [0.5, 1.5, 3.0])
def test_errors_are_as_large_as_scores_scatter(noise):
    values, errors = [], []
    for seed in range(30):
        drawn = means(polygon(3), motif(side=SIDE), count=60, noise=noise, seed=seed)
        found, both = symmetries(drawn)[0], pairs(drawn)
        scores = [found.centre, found.turns[3], found.turns[4], found.mirror]
        values.append([*(score.value for score in scores), both.turned[0, 1], both.mirrored[0, 1]])
        errors.append([*(score.error for score in scores), both.turned_error[0, 1], both.mirrored_error[0, 1]])
    ratio = np.sqrt(np.square(errors).mean(axis=0)) / np.std(values, axis=0)
    assert ((ratio > 0.6) & (ratio < 1.8)).all(), ratio


def test_the_ceiling_is_what_symmetry_scores_in_noise():
    square = [symmetries(means(polygon(4), count=40, noise=2.0, seed=seed))[0] for seed in range(20)]
    ceiling = np.mean([each.ceiling for each in square])
    assert 0.3 < ceiling < 0.98
    assert np.mean([each.turns[4].value for each in square]) == pytest.approx(ceiling, abs=0.03)
    assert np.mean([each.mirror.value for each in square]) == pytest.approx(ceiling, abs=0.06)


def test_the_mean_and_what_is_outside_the_disc_do_not_count():
    picture = polygon(3)
    other = np.where(BASIS.disc, picture + 1000, -5000)
    one, two = (symmetries(means(each))[0] for each in (picture, other))
    for n in one.turns:
        assert one.turns[n].value == pytest.approx(two.turns[n].value, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 33])
def test_small_classes_have_scores_and_errors_where_they_can(count):
    (found,) = symmetries(means(polygon(3), count=count, noise=0.1))
    assert found.turns[3].value > ALIKE
    assert found.mirror.value > ALIKE
    assert np.isnan(found.turns[3].error) == np.isnan(found.mirror.error) == np.isnan(found.ceiling) == (count < 2)


def test_nothing_is_said_of_an_even_picture():
    found = symmetries(pictures_of(np.zeros((2, SIDE, SIDE)), BASIS))
    assert all(np.isnan(score.value) for each in found for score in [*each.turns.values(), each.mirror])


def test_seeds_repeat_and_leave_the_scores_of_turns():
    windows, labels = repeated(polygon(3), polygon(4), noise=1.0)
    a, b, c = (symmetries(means_of(windows, labels, BASIS, count=2, seed=seed))[0] for seed in (1, 1, 2))
    assert a == b
    assert a.centre.value == pytest.approx(c.centre.value, abs=1e-6)
    assert a.centre.error != c.centre.error


def lattice(labels_of_place) -> tuple[Atoms, np.ndarray]:
    yx = square_lattice(12.0)
    labels = np.array([labels_of_place(*place) for place in np.rint((yx - yx.min(axis=0)) / 12).astype(int)])
    return Atoms.at(yx), labels


def test_on_a_chessboard_all_neighbours_are_of_the_other_class():
    atoms, labels = lattice(lambda i, j: (i + j) % 2)
    np.testing.assert_allclose(neighbour_classes(atoms, labels), [[0, 1], [1, 0]])


def test_in_stripes_half_of_the_neighbours_are():
    atoms, labels = lattice(lambda i, j: i % 2)
    inner = neighbour_classes(atoms, labels)
    assert (np.abs(inner - 0.5) < 0.06).all()
    np.testing.assert_allclose(inner.sum(axis=1), 1)


def test_frames_are_kept_apart_and_atoms_without_class_left_out():
    atoms, _ = lattice(lambda i, j: 0)
    n = len(atoms)
    both = Atoms.at(np.concatenate([atoms.yx, atoms.yx + 1]), frame=np.repeat([0, 1], n))
    labels = np.repeat([0, 1], n)
    np.testing.assert_allclose(neighbour_classes(both, labels), np.eye(2))
    labels[: n // 2] = -1
    np.testing.assert_allclose(neighbour_classes(both, labels), np.eye(2))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_atoms_have_no_neighbours_or_some(n):
    shares = neighbour_classes(Atoms.at(np.arange(2.0 * n).reshape(n, 2)), np.zeros(n, int))
    assert shares.shape == (1, 1)
    assert np.isnan(shares[0, 0]) == (n < 3)


def classes(*, count: int = 40, **columns) -> tuple[Atoms, SubImages]:
    """Atoms of a triangle class 0 and of a square class 3; one more of class 5 and one without have no sub-image."""
    windows, ranks = repeated(polygon(3), polygon(4), count=count, noise=0.2)
    labels = np.array([0.0, 3.0])[ranks]
    n = len(labels)
    yx = 12.0 * np.stack(np.divmod(np.arange(n + 2), 9), axis=1)
    atoms = Atoms.at(yx, columns={"label": [*labels, 5.0, np.nan], **columns})
    return atoms, SubImages(windows, atoms[:n].without(["label"]))


def test_counts_shares_and_pictures():
    atoms, sub_images = classes()
    report = class_report(atoms, sub_images, None)
    assert report.numbers == (0, 3, 5)
    assert [(each.picture.count, each.windows) for each in report.classes] == [(40, 40), (40, 40), (1, 0)]
    assert sum(each.picture.share for each in report.classes) == pytest.approx(1)
    mine = sub_images.windows[atoms.features["label"].to_numpy()[:80] == 3]
    np.testing.assert_allclose(report.classes[1].picture.mean, mine.mean(axis=0), atol=1e-6)
    assert report.classes[0].symmetry.turns[3].value > 0.95 > report.classes[0].symmetry.turns[4].value
    assert report.classes[1].symmetry.turns[4].value > 0.95 > report.classes[1].symmetry.turns[3].value
    assert np.isnan([report.classes[2].symmetry.centre.value, report.classes[2].symmetry.mirror_angle]).all()
    assert np.isnan(report.pairs.turned[2]).all()
    assert report.decoded_pairs is None
    assert report.neighbours.shape == (3, 3)


def test_latents_and_probabilities_are_summed_up():
    random = np.random.default_rng(0)
    z = random.standard_normal((82, 2))
    z[3] = np.nan
    atoms, sub_images = classes(z0=z[:, 0], z1=z[:, 1], label_probability=np.linspace(0.5, 1, 82))
    labels = atoms.features["label"].to_numpy()
    report = class_report(atoms, sub_images, None)
    table = report.to_frame()
    assert list(table.index) == [0, 3, 5]
    for number in (0, 3):
        mine = pd.DataFrame(z[labels == number]).dropna()
        np.testing.assert_allclose(table.loc[number, ["z0", "z1"]], mine.mean())
        np.testing.assert_allclose(table.loc[number, ["z0_spread", "z1_spread"]], mine.std())
        assert table.loc[number, "probability"] == pytest.approx(np.linspace(0.5, 1, 82)[labels == number].mean())
    assert np.isnan(table.loc[5, "z0_spread"])
    np.testing.assert_allclose(table[[f"neighbours_{k}" for k in (0, 3, 5)]], report.neighbours)


@pytest.mark.parametrize("labels", [None, np.full(82, -1.0), np.full(82, np.nan)])
def test_without_classes_it_is_said(labels):
    atoms, sub_images = classes()
    bare = atoms.without(["label"]) if labels is None else atoms.with_features(label=labels)
    with pytest.raises(InputError, match="cluster first"):
        class_report(bare, sub_images, None)


def test_decoded_images_have_scores_without_errors(quick_analysis: Analysis):
    report = class_report(quick_analysis.atoms, quick_analysis.sub_images, quick_analysis.vae)
    side = quick_analysis.vae.settings.window_size
    for each in report.classes:
        assert each.decoded.shape == (side, side)
        assert np.isnan(each.decoded_symmetry.centre.error)
        assert -1 <= each.decoded_symmetry.centre.value <= 1 + 1e-9
        assert each.symmetry.centre.error > 0
    assert report.decoded_pairs.turned.shape == report.pairs.turned.shape == (len(report.classes),) * 2


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def titles(html: str) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", html)


def test_the_section_has_all_tables_and_its_tags_are_closed(quick_analysis: Analysis):
    html = class_section(quick_analysis)
    assert titles(html) == [
        "Statistics",
        "Symmetry of the mean sub-images",
        "Symmetry of the decoded images",
        "Neighbours",
        "Similarity under rotation",
        "Similarity under rotation and mirroring",
    ]
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert "nan" not in re.sub(r'src="[^"]*"', "", html).lower()


def test_nothing_without_classes(quick_analysis: Analysis):
    assert class_section(Analysis()) == ""
    analysis = Analysis()
    results = {"atoms": quick_analysis.atoms.without(["label"]), "sub_images": quick_analysis.sub_images}
    analysis.restore_results(results, {}, {}, {})
    assert class_section(analysis) == ""


def test_cells_are_the_darker_the_larger():
    html = colour_grid(np.array([[0.0, 1.0], [0.5, np.nan]]), ["first", "second"], below=np.array([0.25, 0.75]))
    found = re.findall(r'background: rgb\((\d+) \d+ \d+\); color: (#\w+);[^"]*">([^<]*)<', html)
    assert [(red, words) for red, _, words in found] == [
        ("255", "0.00"), ("42", "1.00"), ("148", "0.50"), ("202", "0.25"), ("95", "0.75"),
    ]  # fmt: skip
    assert [ink == "#fff" for _, ink, _ in found] == [False, True, False, False, True]
    assert html.count(">–</td>") == 1
    assert html.count("<th>second</th>") == 2


def test_numbers_of_the_report_are_in_the_tables():
    atoms, sub_images = classes()
    report = class_report(atoms, sub_images, None)
    html = class_tables(report, ClassStyles())
    missed, exact = (report.classes[0].symmetry.turns[n] for n in (4, 3))
    assert f"{missed.value:.3f} ± {missed.error:.3f}" in html
    assert exact.error < 0.0005
    assert f"{exact.value:.3f} ± &lt;0.001" in html
    assert "Symmetry of the decoded images" not in html
    assert "First channel" not in html
    assert "First channel" in class_tables(report, ClassStyles(), first_of_several=True)


def test_too_many_classes_are_cut_with_a_word():
    random = np.random.default_rng(0)
    atoms = Atoms.at(random.random((140, 2)) * 100, columns={"label": np.arange(140) % 14})
    sub_images = SubImages(random.random((140, SIDE, SIDE)).astype(np.float32), atoms)
    report = class_report(atoms, sub_images, None)
    assert "2 more classes are not shown." in class_tables(report, ClassStyles())
    assert class_pictures_grid([report], [grey_limits(sub_images)], ClassStyles(), {}).count("<img") == 12


def test_one_class_is_compared_with_nothing():
    atoms = Atoms.at(np.random.default_rng(0).random((30, 2)) * 100, columns={"label": 0})
    windows, _ = repeated(polygon(3), count=30, noise=0.1)
    html = class_tables(class_report(atoms, SubImages(windows, atoms), None), ClassStyles())
    assert "Neighbours" in titles(html)
    assert "Similarity under rotation" not in titles(html)


def test_classes_of_another_column_are_told_with_their_own_probability():
    atoms, sub_images = classes(label_probability=0.5)
    labels = atoms.features["label"].to_numpy()
    other = atoms.with_features(pixel_label=np.where(labels == 3, 1, -1), pixel_label_probability=0.9)
    report = class_report(other, sub_images, None, column="pixel_label")
    assert report.numbers == (1,)
    assert report.classes[0].picture.count == 40
    assert report.classes[0].probability == pytest.approx(0.9)
    hand = class_report(atoms.with_features(hand_label=labels), sub_images, None, column="hand_label")
    assert np.isnan(hand.classes[0].probability)
    with pytest.raises(InputError, match="cluster first"):
        class_report(atoms, sub_images, None, column="pixel_label")


def test_the_section_calls_classes_as_the_user_does(quick_analysis: Analysis):
    analysis = copied(quick_analysis)
    analysis.styles.rename("label", 1, "A & B")
    analysis.styles.recolour("label", 1, "#123456")
    html = class_section(analysis)
    assert 'style="background: #123456"></span>A &amp; B</th>' in html
    assert ">class 1<" not in html
    assert "class 0" in html


@pytest.mark.parametrize("column", ["label", "label_probability"])
def test_words_for_classes_are_refused(column):
    atoms, sub_images = classes()
    with pytest.raises(InputError, match=f"{column} contains text"):
        class_report(atoms.with_features(**{column: "a"}), sub_images, None)


def test_infinite_classes_are_none():
    atoms, sub_images = classes()
    labels = atoms.features["label"].to_numpy(float)
    report = class_report(atoms.with_features(label=np.where(labels == 0, np.inf, labels)), sub_images, None)
    assert 0 not in report.numbers
    assert report.numbers == tuple(np.unique(labels[labels > 0]))


def test_classes_without_any_sub_image_are_counted_all_the_same():
    atoms, sub_images = classes()
    report = class_report(atoms, SubImages(sub_images.windows[:0], sub_images.atoms[:0]), None)
    assert [each.windows for each in report.classes] == [0] * len(report.classes)
    assert np.isnan(report.classes[0].symmetry.centre.value)
