"""Posteriors of the local map: exact on perfect lattices, calibrated under noise, undefined for too few atoms."""

import numpy as np
import pytest
from walls import net

from local_crystallography.bayes.decision import Decision, Rope
from local_crystallography.bayes.local import (
    ALTERNATIONS,
    alternation,
    cell_angle,
    noise,
    pooled,
    strongest,
    tetragonality,
)
from local_crystallography.bayes.windows import Windows, neighbours, offsets_within, regressions, sign
from local_crystallography.data.progress import finish

ROPE = Rope(-0.05, 0.05)


def fitted(lattice, radius=4.1, modes=("a", "b", "ab"), *, fill=False, bent=False):
    return finish(regressions(lattice, Windows((radius,), modes, fill, bent)))[0]


def straight(lattice, centre, steps, modes=("a",)):
    """Textbook regression for one atom: coefficients projected on a direction."""
    there = {tuple(i): row for row, i in enumerate(lattice.index)}
    rows = [there[t] for t in (tuple(lattice.index[centre] + s) for s in steps) if t in there]
    hk = lattice.index[rows] - lattice.index[centre]
    signs = [sign(lattice.index[rows], mode) for mode in modes]
    design = np.column_stack([np.ones(len(rows)), hk, *signs])
    return design, lattice.yx[rows]


@pytest.mark.parametrize("centre", [0, 7, 450])
def test_it_equals_the_textbook_regression(centre):
    made = net(30, s=(0.02, 0.01), sd=0.03, turn=0.3)
    fit = fitted(made, 3.1, ("a",))
    design, yx = straight(made, centre, offsets_within(made.vectors, 3.1)[0])
    solution = np.linalg.lstsq(design, yx, rcond=None)[0]
    left = yx - design @ solution
    assert fit.atoms[centre] == len(design)
    assert fit.coefficients[centre] == pytest.approx(solution - [[*made.yx[centre]], [0, 0], [0, 0], [0, 0]], abs=1e-9)
    assert fit.covariance[centre] == pytest.approx(left.T @ left / (len(design) - 4), abs=1e-9)
    assert fit.spread[centre, 3, 3] == pytest.approx(np.linalg.inv(design.T @ design)[3, 3], abs=1e-12)


@pytest.mark.parametrize(
    ("mode", "s", "kind"),
    [
        ((1, 0), (0.025, 0), "a"),
        ((0, 1), (0, 0.025), "b"),
        ((1, 1), (0.025, 0), "ab along a"),
        ((1, 1), (0, 0.025), "ab along b"),
        ((1, 0), (0, 0.025), "a across"),
        ((0, 1), (-0.025, 0), "b across"),
    ],
)
@pytest.mark.parametrize("turn", [0.0, 1.1])
def test_each_kind_is_four_times_its_amplitude_and_absent_from_other_kinds(mode, s, kind, turn):
    fit = fitted(net(14, s=s, mode=mode, turn=turn))
    seen = {name: alternation(fit, name).mean for name in ALTERNATIONS}
    assert seen.pop(kind) == pytest.approx(np.full(196, 0.1), abs=1e-9)
    assert np.abs(list(seen.values())).max() < 1e-9
    number = strongest(fit, ROPE, 0.94)[3]
    assert list(ALTERNATIONS)[number[90]] == kind


def test_alternation_is_the_difference_of_the_bonds():
    made = net(20, s=(0.03, 0))
    length = np.linalg.norm(made.yx[20:] - made.yx[:-20], axis=1)  # along a, as row = 20 h + k
    first = sign(made.index[:-20], "a") > 0
    difference = (length[~first].mean() - length[first].mean()) / 20
    assert alternation(fitted(made), "a").mean == pytest.approx(np.full(400, difference), abs=1e-9)


@pytest.mark.parametrize(("b", "ratio", "angle"), [((0, 1.02), 0.02, 0), ((0.02, 1), 2e-4, -1.1457)])
def test_shape_of_the_cell(b, ratio, angle):
    fit = fitted(net(14, cell=((1, 0), b), turn=0.4))
    assert tetragonality(fit).mean == pytest.approx(np.full(196, ratio), abs=1e-5)
    assert cell_angle(fit).mean == pytest.approx(np.full(196, angle), abs=1e-3)


@pytest.mark.parametrize("fill", [False, True])
def test_intervals_contain_the_local_cell_where_it_varies(fill):
    shape = {"turn": 0.05, "cell": ((1, 0), (0.02, 1.01)), "bend": 0.05}
    exact = fitted(net(40, **shape), 2.6, (), bent=True)
    held = []
    for seed in range(20):
        fit = fitted(net(40, sd=0.03, seed=seed, **shape), 5.1, ("a",), fill=fill, bent=True)
        pairs = [(what(fit), what(exact).mean) for what in (tetragonality, cell_angle)]
        held.append([(np.abs(one.mean - true) <= one.half_width(0.94))[fit.known].mean() for one, true in pairs])
    assert np.all(np.abs(np.mean(held, axis=0) - 0.94) < 0.02), np.mean(held, axis=0)


@pytest.mark.parametrize("fill", [False, True])
def test_intervals_of_94_percent_have_that_coverage(fill):
    """Forty lattices of 40 x 40 atoms: overlapping windows leave a standard error of about 0.4 %."""
    held = []
    for seed in range(40):
        made = net(40, s=(0.025, 0), sd=0.03, seed=seed, turn=0.05, cell=((1, 0), (0.02, 1.01)))
        fit = fitted(made, 4.1, ("a",), fill=fill)
        found = alternation(fit, "a"), tetragonality(fit), cell_angle(fit)
        truth = 0.1, np.hypot(0.02, 1.01) - 1, -np.degrees(np.arctan(0.02 / 1.01))
        off = [np.abs(one.mean - value) <= one.half_width(0.94) for one, value in zip(found, truth, strict=True)]
        held.append(np.mean(off, axis=1))
    assert np.all(np.abs(np.mean(held, axis=0) - 0.94) < 0.015), np.mean(held, axis=0)


def test_pooled_noise_narrows_small_windows_and_stays_calibrated():
    held, narrower = [], []
    for seed in range(20):
        fit = fitted(net(40, sd=0.03, seed=seed), 1.6, ("a",))
        own, shared = alternation(fit, "a"), alternation(pooled(fit), "a")
        known = fit.known
        held.append((np.abs(shared.mean[known]) <= shared.half_width(0.94)[known]).mean())
        narrower.append(np.median(shared.half_width(0.94)[known]) / np.median(own.half_width(0.94)[known]))
    assert np.mean(held) == pytest.approx(0.94, abs=0.015)
    assert np.mean(narrower) < 0.95


def test_selecting_the_strongest_kind_seldom_calls_noise_broken():
    wrong = [
        (strongest(fitted(net(40, sd=0.06, seed=seed), 3.1), Rope(-0.001, 0.001), 0.94)[2] == Decision.BROKEN).mean()
        for seed in range(20)
    ]
    assert np.mean(wrong) < 0.08  # of six intervals of 94 %, one in three atoms would have one that leaves out zero


@pytest.mark.parametrize(("rows", "columns"), [(2, 30), (30, 2), (1, 30), (3, 2)])
def test_collinear_windows_are_not_decided(rows, columns):
    made = net(30, sd=0.03)
    fit = fitted(made.part((made.index[:, 0] < rows) & (made.index[:, 1] < columns)))
    judged = strongest(fit, ROPE, 0.94)
    assert set(judged[2]) == {Decision.TOO_FEW}
    assert np.isnan(judged[0].mean).all()
    assert np.isnan(judged[1]).all()
    assert set(judged[3]) == {-1}
    assert np.isnan(noise(fit)).all()


def test_a_ladder_is_decided_in_one_direction_only():
    made = net(30, s=(0.025, 0), sd=0.01)
    ladder = made.part(made.index[:, 1] < 2)
    along = alternation(fitted(ladder, modes=("a",)), "a")
    assert along.mean == pytest.approx(np.full(60, 0.1), abs=0.05)
    assert np.isnan(alternation(fitted(ladder, modes=("b",)), "b").mean).all()


def test_perfect_lattices_are_decided_without_noise():
    one = alternation(fitted(net(14)), "a")
    assert set(one.decision(ROPE, 0.94)) == {Decision.SYMMETRIC}
    assert one.in_rope(ROPE) == pytest.approx(np.ones(196))


def test_windows_do_not_wrap_around_the_edge():
    made = net(6)
    near = neighbours(made, offsets_within(made.vectors, 2.0)[0], slice(0, 36))
    assert (near >= 0).sum(axis=1).min() == 6
    apart = np.linalg.norm(made.yx[near] - made.yx[:, None], axis=2)
    assert apart[near >= 0].max() == pytest.approx(40)


def test_filled_windows_have_equal_numbers_of_atoms():
    made = net(30, sd=0.03)
    assert set(fitted(made, 3.1, fill=True).atoms) == {fitted(made, 3.1).atoms.max()}


def test_strain_that_the_window_cannot_follow_raises_the_noise():
    bent, even = (np.median(noise(fitted(net(40, sd=0.03, bend=bend), 5.1, ("a",)))) for bend in (1.5, 0.02))
    assert even == pytest.approx(0.03, rel=0.05)
    assert bent > 1.5 * even
