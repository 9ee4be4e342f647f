"""Scan distortion is measured on the lattice, and displacements of the specimen are preserved."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.scan.distortion import ScanCorrection, affine_to_cell, correct_scan
from local_crystallography.scan.rows import flattened

SIZE, CELL, DECAY = 384, 28.28, 25.0
EVEN = {"jitter": 0.0, "wobble": 0.0, "flyback": 0.0}


def lattice(angle, displaced, rng, *, static=0.35):
    """(N, 2) positions and (N,) sublattices of a perovskite along [001], B sites displaced along x by a function."""
    n = np.arange(-40, 41)
    cells = np.stack(np.meshgrid(n, n), axis=-1).reshape(-1, 2)
    t = np.radians(angle)
    vectors = CELL * np.array([[-np.sin(t), np.cos(t)], [np.cos(t), np.sin(t)]])
    yx = np.concatenate([cells @ vectors, (cells + 0.5) @ vectors])
    site = np.repeat([0, 1], len(cells))
    inside = ((yx > -20) & (yx < SIZE + 20)).all(axis=1)
    yx, site = yx[inside] + rng.normal(0, static, (inside.sum(), 2)), site[inside]
    yx[:, 1] += np.where(site == 1, displaced(yx), 0.0)
    return yx, site


def row_shifts(rng, jitter, wobble):
    steps = rng.normal(0, wobble * np.sqrt(1 - 0.98**2), SIZE)
    slow = np.zeros(SIZE)
    for r in range(1, SIZE):
        slow[r] = 0.98 * slow[r - 1] + steps[r]
    return slow + rng.normal(0, jitter, SIZE)


def scene(*, seed=1, angle=7.0, counts=100.0, displaced=lambda yx: 0.0, jitter=0.5, wobble=0.8, flyback=4.0):
    """Noisy pixels, observed positions (with the noise of a good fit), true positions, sublattice, shifts."""
    rng = np.random.default_rng(seed)
    yx, site = lattice(angle, displaced, rng)
    shift, columns, rows = row_shifts(rng, jitter, wobble), np.arange(SIZE), np.arange(SIZE)
    at = columns - flyback * np.exp(-columns / DECAY) - shift[:, None]
    picture, seen = np.full((SIZE, SIZE), 0.2), yx.copy()
    for k, (y, x) in enumerate(yx):
        weight = np.exp(-0.5 * ((rows - y) / 3.5) ** 2)
        near = np.flatnonzero(weight > 1e-5)
        picture[near] += (1.0, 0.45)[site[k]] * weight[near, None] * np.exp(-0.5 * ((at[near] - x) / 3.5) ** 2)
        seen[k, 1] = x + (weight**2 @ shift) / max((weight**2).sum(), 1e-9)
    straight = seen[:, 1].copy()
    for _ in range(30):
        seen[:, 1] = straight + flyback * np.exp(-np.maximum(seen[:, 1], -9) / DECAY)
    inside = ((seen > 12) & (seen < SIZE - 12)).all(axis=1)
    error = rng.normal(0, 1, yx.shape) * np.where(site == 0, 0.06, 0.11)[:, None] * np.sqrt(100 / counts)
    return rng.poisson(counts * picture), (seen + error)[inside], yx[inside], site[inside], shift


def error(places, true):
    """Root-mean-square error along x after the best affine map."""
    design = np.column_stack([np.ones(len(true)), true])
    left = places[:, 1] - design @ np.linalg.lstsq(design, places[:, 1], rcond=None)[0]
    return np.sqrt((left**2).mean())


@pytest.fixture(scope="module")
def plain():
    """Scene with default settings and its correction, computed once."""
    made_of = scene()
    return made_of, *corrected(*made_of[:2])


def corrected(pixels, seen, **settings):
    correction = finish(correct_scan(pixels, seen, **{"longest_period": 0, "cell": None} | settings))
    return correction, correction.positions(seen)


def cage_steps(places, true, site):
    """(n,) x of the B sites over the mean of the four A sites around each."""
    a, b = np.flatnonzero(site == 0), np.flatnonzero(site == 1)
    distance, near = cKDTree(true[a]).query(true[b], k=4)
    whole = distance[:, 3] < 0.85 * CELL
    return places[b[whole], 1] - places[a[near[whole]], 1].mean(axis=1)


def made(**changes):
    """Correction without row shifts or fly-back, except for the changes."""
    values = {
        "row_shift": np.zeros(64),
        "flyback": 0.0,
        "flyback_decay": 20.0,
        "row_spread": 2.5,
        "affine": np.eye(2),
        "spread_before": np.ones(2),
        "spread_after": np.ones(2),
        "remarks": (),
        "width": 64,
    }
    return ScanCorrection(**values | changes)


def test_a_bad_scan_is_corrected_to_nearly_the_noise_of_the_positions(plain):
    (_, seen, true, _, shift), correction, places = plain
    assert error(seen, true) > 0.5
    assert error(places, true) < 0.17
    assert correction.spread_after[1] < 1.1 * correction.spread_after[0] < 0.6 * correction.spread_before[1]
    rows = np.arange(20, SIZE - 20)
    wrong = correction.row_shift[rows] - shift[rows]
    assert np.std(wrong - np.polyval(np.polyfit(rows, wrong, 1), rows)) < 0.15
    fall = correction.flyback * np.exp(-np.array([15, 40]) / correction.flyback_decay)
    np.testing.assert_allclose(fall, 4 * np.exp(-np.array([15, 40]) / DECAY), atol=0.4)


def test_units_offset_and_contrast_of_the_image_do_not_matter(plain):
    (pixels, seen, true, _, _), _, _ = plain
    assert error(corrected(7 - 3.5e-3 * pixels, seen)[1], true) < 0.17


def test_an_undistorted_scan_is_unchanged():
    pixels, seen, true, _, _ = scene(**EVEN)
    correction, places = corrected(pixels, seen)
    assert correction.flyback == 0
    assert error(places, true) < 1.05 * error(seen, true)


@pytest.mark.parametrize(
    "domains",
    [
        lambda yx: np.full(len(yx), 0.3),
        lambda yx: 0.3 * np.sign(np.sin(2 * np.pi * yx[:, 1] / 260)),
        lambda yx: 0.3 * np.sign(np.sin(2 * np.pi * yx[:, 0] / 260)),
    ],
    ids=["uniform", "side by side", "above each other"],
)
def test_a_ferroelectric_displacement_stays(domains):
    pixels, seen, true, site, _ = scene(displaced=domains, counts=1000.0, seed=3)
    _, _, true_still, site_still, _ = scene(counts=1000.0, seed=3)
    np.testing.assert_array_equal(site, site_still)
    given = cage_steps(true - true_still, true_still, site)
    kept = cage_steps(corrected(pixels, seen)[1] - true_still, true_still, site)
    assert (kept @ given) / (given @ given) == pytest.approx(1, abs=0.05)


def test_slow_shifts_stay_on_request(plain):
    (pixels, seen, _, _, shift), all_rows, _ = plain
    quick, _ = corrected(pixels, seen, longest_period=60)
    assert np.std(np.convolve(quick.row_shift, np.ones(60) / 60, "valid")) < 0.1
    assert np.std(np.convolve(all_rows.row_shift, np.ones(60) / 60, "valid")) > 0.3
    assert np.corrcoef(np.diff(quick.row_shift), np.diff(shift))[0, 1] > 0.9


@pytest.mark.slow
def test_ambiguities_are_reported():
    pixels, seen, _, _, _ = scene(angle=0.0)
    remarks = " ".join(corrected(pixels, seen)[0].remarks)
    assert "Rows of atoms run along the scan" in remarks
    assert "longest_period" in remarks
    assert "Rows of atoms" not in " ".join(corrected(*scene(angle=20.0)[:2])[0].remarks)


@pytest.mark.parametrize("count", [0, 12, 200])
def test_no_lattice_no_correction(count):
    yx = np.random.default_rng(0).uniform(10, 118, (count, 2))
    with pytest.raises(InputError, match=f"of {count} atoms lie on a lattice"):
        finish(correct_scan(np.random.default_rng(1).poisson(20, (128, 128)), yx, longest_period=0, cell=None))


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2])
@pytest.mark.parametrize(("name", "cell"), [("square", 1j), ("hexagonal", np.exp(1j * np.pi / 3)), ("oblong", 1.4j)])
def test_drift_is_found_from_the_cell(name, cell, angle):
    a, b = np.exp(1j * angle), cell * np.exp(1j * angle)
    true = 20 * np.array([[a.imag, a.real], [b.imag, b.real]])
    drift = np.array([[1.04, 0.0], [-0.03, 1.0]])
    np.testing.assert_allclose(affine_to_cell(true @ np.linalg.inv(drift).T, cell), drift, atol=1e-9, err_msg=name)


def test_a_wrong_cell_is_refused():
    with pytest.raises(InputError, match="Give the cell seen"):
        affine_to_cell(20 * np.eye(2), 1.6 * np.exp(1.1j))


def test_the_image_moves_with_the_positions():
    shift = np.random.default_rng(0).normal(0, 0.7, 64)
    correction = made(row_shift=shift, flyback=3.0, affine=np.array([[1.03, 0.0], [0.05, 1.0]]))
    y, x = np.mgrid[:64, :64].astype(float)
    true = np.array([[20.0, 18.0], [30.0, 44.0], [47.0, 30.0]])
    at = x - 3 * np.exp(-x / 20) - shift[:, None]
    middle = 31.5
    bare = middle + (true - middle) @ np.linalg.inv(correction.affine).T
    pixels = sum(np.exp(-((y - p) ** 2 + (at - q) ** 2) / 18) for p, q in bare)
    put = correction.image(pixels)
    for p, q in true:
        spot = put * (np.hypot(y - p, x - q) < 8)
        assert (spot * y).sum() / spot.sum() == pytest.approx(p, abs=0.05)
        assert (spot * x).sum() / spot.sum() == pytest.approx(q, abs=0.05)


def test_the_spectrum_shows_a_wave_of_the_mains():
    rows = np.arange(200)
    correction = made(row_shift=0.4 * np.sin(2 * np.pi * rows / 8) + 0.01 * rows)
    assert correction.frequency[correction.power.argmax()] == pytest.approx(1 / 8)
    assert correction.power.max() == pytest.approx(0.4**2 / 2, rel=0.05)


def test_flattening_leaves_a_flat_background():
    y, x = np.mgrid[:256, :256]
    atoms = np.exp(-(((y % 16) - 8) ** 2 + ((x % 16) - 8) ** 2) / 14)
    flat = flattened(atoms + 0.01 * x + 2, 32.0)
    low = np.percentile(flat[:, :128], 10), np.percentile(flat[:, 128:], 10)
    assert abs(low[0] - low[1]) < 0.05
    assert np.ptp(flat[40:-40, 40:-40]) == pytest.approx(1, abs=0.15)
