"""Profiles across an interface: atomic planes, distances and means with errors."""

import numpy as np
import pytest

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.studies.profile import LineProfile

SIDE, COUNT = 20.0, 40
GRID = np.stack(np.meshgrid(np.arange(COUNT), np.arange(COUNT), indexing="ij"), -1).reshape(-1, 2) * SIDE + 20


def crystal(noise=0.5, angle=0.0, seed=0):
    """A square lattice with a step from 1 to 3 at x = 400, before it is rotated counter-clockwise."""
    rng = np.random.default_rng(seed)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    step = np.where(GRID[:, 1] < 400, 1.0, 3.0) + rng.normal(0, 0.1, len(GRID))
    yx = (GRID + rng.normal(0, noise, GRID.shape) - 410) @ turn + 410
    columns = {
        "step": step,
        "label": (step > 2).astype(int),
        "displacement_angle_rad": np.pi + rng.normal(0, 0.1, 1600),
    }
    return Atoms.at(yx, pixel_size=0.02, columns=columns)


@pytest.mark.parametrize("tilt", [0.0, 3.0, -5.0], ids=lambda tilt: f"{tilt}°")
def test_every_plane_across_a_line_drawn_by_hand_is_found(tilt):
    across = 300 * np.tan(np.radians(tilt))
    profile = LineProfile(start=(410 + across, 110), end=(410 - across, 710), width=300)(crystal(), ("step",))
    assert profile.planes
    assert np.diff(profile.distance[1:-1]) == pytest.approx(SIDE, abs=0.6)
    assert profile.turned == pytest.approx(-tilt, abs=0.3)
    mean, error = profile.values("step")
    at = profile.distance * np.cos(np.radians(tilt)) + 110
    assert mean[at < 390] == pytest.approx(1, abs=0.12)
    assert mean[at > 410] == pytest.approx(3, abs=0.12)
    assert np.nanmedian(error[1:-1]) == pytest.approx(0.1 / np.sqrt(15), rel=0.3)


def test_distances_from_a_line_on_the_interface_have_two_signs():
    profile = LineProfile(start=(700, 400), end=(100, 400), distance="from the line")(crystal(), ("step",))
    mean, _ = profile.values("step")
    assert mean[profile.distance < -10].max() < 2 < mean[profile.distance > 10].min()  # right as one looks up
    assert profile.table()["distance_nm"].to_numpy() == pytest.approx(0.02 * profile.distance)


def test_without_planes_bins_have_one_width_and_that_is_said():
    yx = np.random.default_rng(0).uniform(0, 800, (1600, 2))
    profile = LineProfile(start=(400, 50), end=(400, 750), width=400)(Atoms.at(yx, columns={"q": yx[:, 1]}), ("q",))
    assert not profile.planes
    assert "bins of one width" in profile.words()
    assert profile.values("q")[0] == pytest.approx(profile.distance + 50)


def test_a_single_row_of_atoms_has_planes_of_one():
    profile = LineProfile(start=(420, 110), end=(420, 710), width=15)(crystal(), ("step",))
    assert profile.planes
    assert set(profile.count) == {1}


def test_a_chosen_bin_holds_all_atoms_beside_the_line():
    profile = LineProfile(start=(410, 110), end=(410, 710), width=300, bin=100)(crystal(noise=0), ("step",))
    assert len(profile.distance) == 6
    assert profile.count.sum() == (profile.plane >= 0).sum() == 16 * 30


def test_classes_give_shares_and_angles_their_mean_direction():
    profile = LineProfile(start=(410, 110), end=(410, 710))(crystal(), ("label", "displacement_angle_rad"))
    share, _ = profile.values("label = 1")
    assert share[0] == 0
    assert share[-1] == 1
    assert np.abs(profile.values("displacement_angle_rad")[0]) == pytest.approx(np.pi, abs=0.15)


def test_only_the_atoms_of_a_mask_count():
    atoms = crystal()
    low = LineProfile(start=(410, 110), end=(410, 710))(atoms, ("step",), atoms.features["label"].to_numpy() == 0)
    assert low.values("step")[0].max() < 1.5


@pytest.mark.parametrize(
    ("line", "columns", "words"),
    [
        ({"start": (5, 5), "end": (5, 5)}, ("step",), "no length"),
        ({"start": (-500, 5), "end": (-500, 90)}, ("step",), "0 atoms lie beside the line"),
        ({"start": (410, 110), "end": (410, 710)}, ("strain_xx",), "no column strain_xx"),
    ],
)
def test_a_line_that_gives_nothing_is_refused_in_words(line, columns, words):
    with pytest.raises(InputError, match=words):
        LineProfile(**line)(crystal(), columns)
