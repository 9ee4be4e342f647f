"""Simulated images show the specified crystals at the positions in the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from pydantic import ValidationError
from scipy.spatial import cKDTree

from local_crystallography.data.errors import InputError
from local_crystallography.simulate import samples
from local_crystallography.simulate.regions import Disc, HalfPlane, Polygon, Voronoi, Whole, owners
from local_crystallography.simulate.samples import SAMPLES, load_sample, load_truth, simulate_sample
from local_crystallography.simulate.scene import (
    Background,
    Grain,
    Mistilt,
    Scan,
    Scene,
    SiteShift,
    Strain,
    Thickness,
    read_recipe,
    voronoi_grains,
    write_recipe,
)
from local_crystallography.simulate.simulation import expected_counts, simulate_scene, write_simulation
from local_crystallography.simulate.structures import CRYSTALS, project, projection

DARK = Background(level=0.0)
PIXEL = 0.02


def scene(structure: str = "La0.7Sr0.3MnO3", *, grain: dict | None = None, **values) -> Scene:
    """A small perfect image of one structure."""
    grains = (Grain(structure=structure, **(grain or {})),)
    return Scene(**{"shape": (256, 256), "pixel_size": PIXEL, "grains": grains, "background": DARK} | values)


def yx_of(truth: pd.DataFrame, *sites: str) -> np.ndarray:
    return truth.loc[truth["site"].isin(sites), ["y_px", "x_px"]].to_numpy()


def neighbour_steps(yx: np.ndarray) -> np.ndarray:
    """(N, 2) steps between positions one lattice parameter of La0.7Sr0.3MnO3 apart, within 5 %."""
    first, second = cKDTree(yx).query_pairs(1.05 * 0.388 / PIXEL, output_type="ndarray").T
    return np.concatenate([yx[second] - yx[first], yx[first] - yx[second]])


@pytest.mark.parametrize(
    ("structure", "site", "spacing"),
    [
        ("La0.7Sr0.3MnO3", "A", 0.388),
        ("SrTiO3", "B", 0.3905),
        ("NiO", "Ni", 0.4177 / 2),
        ("Sr3Fe2O7", "Sr1", 0.387098),
        ("graphene", "C", 0.246 / np.sqrt(3)),
        ("MoS2", "Mo", 0.316),
    ],
)
def test_spacing_in_the_truth_is_that_of_the_crystal(structure, site, spacing):
    _, truth = expected_counts(scene(structure, grain={"angle": 0.3}), 0)
    yx = yx_of(truth, site)
    nearest = cKDTree(yx).query(yx, k=2)[0][:, 1]
    np.testing.assert_allclose(nearest * PIXEL, spacing, rtol=1e-9)


def test_a_to_b_is_half_the_diagonal():
    _, truth = expected_counts(scene(), 0)
    a, b = yx_of(truth, "A"), yx_of(truth, "B")
    inner = a[(np.abs(a - 127.5) < 100).all(axis=1)]
    np.testing.assert_allclose(cKDTree(b).query(inner)[0] * PIXEL, 0.388 / np.sqrt(2), rtol=1e-9)


@pytest.mark.parametrize("angle", [0.1, 0.5, -0.4])
def test_a_positive_angle_rotates_counter_clockwise_as_displayed(angle):
    _, truth = expected_counts(scene(grain={"angle": angle}), 0)
    steps = neighbour_steps(yx_of(truth, "A"))
    rightward = steps[(steps @ [-np.sin(angle), np.cos(angle)]) > 0.99 * 0.388 / PIXEL]
    np.testing.assert_allclose(np.arctan2(-rightward[:, 0], rightward[:, 1]), angle, atol=1e-9)
    assert len(rightward) > 50


def test_strain_stretches_along_the_image_axes():
    _, truth = expected_counts(scene(grain={"strain": Strain(xx=0.02, yy=-0.01)}), 0)
    dy, dx = np.abs(neighbour_steps(yx_of(truth, "A"))).T * PIXEL / 0.388
    np.testing.assert_allclose(dx[dx > 0.5], 1.02, rtol=1e-9)
    np.testing.assert_allclose(dy[dy > 0.5], 0.99, rtol=1e-9)


@pytest.mark.parametrize("exponent", [1.6, 1.7, 1.8])
def test_integrated_intensity_follows_the_power_of_z(exponent):
    _, truth = expected_counts(scene("SrTiO3", z_exponent=exponent), 0)
    integral = (truth["strength"] * truth["sigma_px"] ** 2).groupby(truth["site"]).mean()
    expected = 38**exponent / (22**exponent + 8**exponent)
    assert integral["A"] / integral["B"] == pytest.approx(expected, rel=1e-9)


def test_brightest_site_has_the_dose_at_full_thickness():
    _, truth = expected_counts(scene(dose=321.0), 0)
    assert truth["strength"].max() == pytest.approx(321.0)


def test_mixed_site_counts_both_elements():
    strength = dict(zip(*_labels_and_strength("La0.7Sr0.3MnO3"), strict=True))
    assert strength["A"] == pytest.approx((0.7 * 57**1.7 + 0.3 * 38**1.7) / 0.388)


def _labels_and_strength(structure):
    crystal = projection(structure, 1.7)
    return crystal.labels, crystal.strength


def test_sr3fe2o7_has_the_columns_of_its_cell():
    crystal = projection("Sr3Fe2O7", 1.7)
    counts = {label: crystal.labels.count(label) for label in set(crystal.labels)}
    assert counts == {"Sr1": 2, "Sr2": 4, "Fe": 4, "O": 10}  # four O merge with Fe


@pytest.mark.parametrize(
    ("label", "place", "strength"),
    [
        ("Sr1", 0.5, 38**1.7),
        ("Sr2", 0.3176, 38**1.7),
        ("Fe", 0.0986, 26**1.7 + 8**1.7),
        ("O", 0.1941, 8**1.7),
        ("O", 0.0, 0.78 * 8**1.7),
    ],
)
def test_sr3fe2o7_columns_have_their_height_and_strength(label, place, strength):
    crystal = projection("Sr3Fe2O7", 1.7)
    on_axis = np.abs(crystal.positions[:, 0] - np.round(crystal.positions[:, 0])) < 1e-6
    near = on_axis & (np.abs(crystal.positions[:, 1] - place) < 0.001)
    (index,) = np.flatnonzero(near)
    assert crystal.labels[index] == label
    assert crystal.strength[index] * 0.387098 == pytest.approx(strength)


def test_beam_not_perpendicular_is_refused():
    with pytest.raises(InputError, match="perpendicular"):
        project(replace(CRYSTALS["graphene"], beam=0), exponent=1.7)


def sparse(**values) -> Scene:
    """Narrow Mo columns alone, 36 px apart, so that each can be measured separately."""
    grain = {"vacancies": {"S": 1.0}, "angle": 0.1}
    narrow = {"pixel_size": 0.0087, "thermal_rms": 0.0, "probe_fwhm": 0.04, "shape": (300, 300)}
    return scene("MoS2", grain=grain, **narrow | values)


def centre_of_mass_errors(scene_: Scene) -> np.ndarray:
    """(N, 2) measured centre of mass minus the true position, for columns away from the edges."""
    counts, truth = expected_counts(scene_, 3)
    yx = truth[["y_px", "x_px"]].to_numpy()
    offsets = np.arange(-12, 13)
    errors = []
    for y, x in yx[((yx > 14) & (yx < 285)).all(axis=1)]:
        rows, cols = round(y) + offsets, round(x) + offsets
        stamp = counts[np.ix_(rows, cols)] / counts[np.ix_(rows, cols)].sum()
        errors.append([stamp.sum(1) @ rows - y, stamp.sum(0) @ cols - x])
    assert len(errors) > 30
    return np.array(errors)


def test_noise_free_column_has_its_centre_of_mass_at_the_truth():
    assert np.abs(centre_of_mass_errors(sparse())).max() < 0.01


def test_rendered_peak_is_the_strength():
    counts, truth = expected_counts(scene(grain={"origin": (0.01, 0.01)}, probe_fwhm=0.08), 0)
    brightest = truth[(truth["site"] == "A") & ((truth["y_px"] - 128).abs() < 0.01)]
    peaks = [counts[round(y), round(x)] for y, x in brightest[["y_px", "x_px"]].to_numpy() if abs(x - round(x)) < 0.01]
    np.testing.assert_allclose(peaks, 200, rtol=1e-3)
    assert peaks


SCANS = {
    "drift": Scan(drift=(6.0, -4.0)),
    "flyback": Scan(flyback=6.0, flyback_decay=40.0),
    "jitter": Scan(line_jitter=0.8),
    "all": Scan(line_jitter=0.5, flyback=3.0, flyback_decay=30.0, drift=(-5.0, 3.0)),
}


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_apparent_position_is_that_of_the_column_in_the_distorted_image(scan):
    assert np.abs(centre_of_mass_errors(sparse(scan=scan))).max() < 0.02


def test_drift_shifts_columns_with_the_time_of_their_row():
    _, truth = expected_counts(scene(scan=Scan(drift=(5.0, -4.0))), 0)
    time = truth["y_px"] / 256
    np.testing.assert_allclose(truth["y_px"] - truth["y_ideal_px"], 5 * time, atol=1e-9)
    np.testing.assert_allclose(truth["x_px"] - truth["x_ideal_px"], -4 * time, atol=0.01)


def test_fly_back_fades_along_the_row():
    _, truth = expected_counts(scene(scan=Scan(flyback=5.0, flyback_decay=30.0)), 0)
    inside = truth[truth["x_px"] > 0]
    moved = inside["x_px"] - inside["x_ideal_px"]
    np.testing.assert_allclose(moved, 5 * np.exp(-inside["x_px"] / 30), atol=1e-6)


def test_same_seed_same_bytes_other_seed_other_bytes():
    noisy = scene(static_rms=0.002, scan=Scan(line_jitter=0.2), background=Background(random=0.05))
    first, again, other = (simulate_scene(noisy, seed) for seed in (1, 1, 2))
    assert first.image.data.tobytes() == again.image.data.tobytes()
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert first.image.data.tobytes() != other.image.data.tobytes()


def test_noise_is_that_of_counting():
    flat = scene(background=Background(level=1.0), dose=100.0)
    counts, _ = expected_counts(flat, 0)
    z = (simulate_scene(flat, 0).image.data - counts) / np.sqrt(counts)
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, abs=0.02)


def test_vacancies_remove_their_fraction_of_one_site():
    full = simulate_scene(scene(shape=(600, 600)), 0).truth
    holed = simulate_scene(scene(shape=(600, 600), grain={"vacancies": {"B": 0.2}}), 0).truth
    left = holed["site"].value_counts() / full["site"].value_counts()
    assert left["B"] == pytest.approx(0.8, abs=0.04)
    assert left["A"] == 1


def test_site_shift_moves_only_its_site():
    shift = SiteShift(site="B", length=0.02, angle=np.pi / 2)
    _, truth = expected_counts(scene(grain={"shifts": (shift,)}), 0)
    moved = truth.groupby("site")[["displacement_y_px", "displacement_x_px"]].mean()
    np.testing.assert_allclose(moved.loc["B"], [-1, 0], atol=1e-9)  # up as displayed, 0.02 nm = 1 px
    np.testing.assert_allclose(moved.loc["A"], [0, 0], atol=1e-9)


def test_static_displacement_has_its_size():
    _, truth = expected_counts(scene(shape=(512, 512), static_rms=0.003), 0)
    moved = truth[["displacement_y_px", "displacement_x_px"]].to_numpy()
    assert moved.std() * PIXEL == pytest.approx(0.003, rel=0.05)


def test_mistilt_shifts_weak_columns_against_strong_ones():
    straight = expected_counts(scene(), 0)[1]
    tilted = expected_counts(scene(mistilt=Mistilt(shift=0.01)), 0)[1]
    offsets = [frame.groupby("site")["x_ideal_px"].min() % (0.388 / PIXEL) for frame in (straight, tilted)]
    moved = offsets[1] - offsets[0]
    assert moved["A"] == pytest.approx(0, abs=1e-9)
    assert moved["O"] > moved["B"] > 0.2


def test_thickness_wedge_brightens_from_left_to_right():
    _, truth = expected_counts(scene(thickness=Thickness(first=0.5, last=1.0)), 0)
    a = truth[truth["site"] == "A"]
    np.testing.assert_allclose(a["strength"], 200 * (0.5 + 0.5 * (a["x_px"] + 0.5) / 256), rtol=1e-9)


def test_only_columns_of_heavy_elements_count_as_heavy():
    _, truth = expected_counts(scene(), 0)
    assert set(truth.loc[truth["heavy"], "site"]) == {"A", "B"}


def two_phases() -> Scene:
    matrix = Grain(structure="La0.7Sr0.3MnO3")
    inclusion = Grain(structure="NiO", angle=0.2, region=Disc(radius=1.5))
    return Scene(shape=(300, 300), pixel_size=PIXEL, grains=(matrix, inclusion))


def test_phase_is_that_of_the_region_around_the_column():
    _, truth = expected_counts(two_phases(), 0)
    radius = np.hypot(truth["y_px"] - 149.5, truth["x_px"] - 149.5) * PIXEL
    assert ((radius < 1.5) == (truth["phase"] == "NiO")).all()


def test_columns_of_two_phases_never_overlap():
    _, truth = expected_counts(two_phases(), 0)
    nickel = truth["phase"] == "NiO"
    yx = truth[["y_px", "x_px"]].to_numpy()
    between = cKDTree(yx[nickel]).query(yx[~nickel])[0].min() * PIXEL
    assert between >= 0.6 * 0.4177 / 2


@pytest.mark.parametrize(
    ("regions", "owner"),
    [
        ((Whole(),), [0, 0, 0]),
        ((HalfPlane(angle=1.5),), [0, -1, 0]),
        ((Whole(), Disc(centre=(-2, 0), radius=1)), [1, 0, 0]),
        ((Polygon(corners=((1, -1), (1, 1), (3, 1), (3, -1))),), [-1, 0, -1]),
        ((Voronoi(centre=(-2, 1)), Whole(), Voronoi(centre=(1, 1))), [1, 2, 2]),
        ((Whole(), Voronoi(centre=(-2, 1)), Voronoi(centre=(1, 1))), [1, 2, 2]),
    ],
    ids=["whole", "half plane", "disc", "polygon", "covered voronoi", "voronoi"],
)
def test_regions_contain_their_positions(regions, owner):
    above, below, right = (-2.0, 0.0), (2.0, 0.0), (0.0, 2.0)
    assert owners(regions, np.array([above, below, right])).tolist() == owner


def test_voronoi_grains_fill_the_field_with_their_own_angles():
    grains = voronoi_grains(structure="SrTiO3", count=4, field=(8.0, 8.0), seed=1)
    truth = simulate_scene(Scene(shape=(400, 400), pixel_size=PIXEL, grains=grains), 0).truth
    assert truth.groupby("grain")["grain_angle_rad"].first().nunique() == 4
    assert truth["heavy"].sum() > 0.8 * 64 * 13.1


@pytest.mark.parametrize("name", SAMPLES)
def test_shipped_sample_is_reproduced_by_its_recipe(name):
    made, image = simulate_sample(name), load_sample(name)
    assert image.data.dtype == np.uint16
    assert np.mean(made.image.data != image.data) < 1e-3
    shipped = load_truth(name)
    np.testing.assert_allclose(shipped[["y_px", "x_px"]], made.truth[["y_px", "x_px"]], atol=1e-3)
    assert list(shipped) == list(made.truth)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("lsmo_nio", 9500, 10500), ("sr3fe2o7", 1500, 3000), ("two_grains", 2500, 3500), ("quick", 900, 1200)],
)
def test_samples_have_the_promised_number_of_heavy_columns(name, low, high):
    assert low < load_truth(name)["heavy"].sum() < high


def test_samples_stay_small():
    assert sum(file.stat().st_size for file in samples.sample_folder().rglob("*.*")) < 12e6


def test_written_simulation_reads_back(tmp_path):
    made = simulate_scene(scene(), 5)
    write_simulation(made, tmp_path / "new")
    with tifffile.TiffFile(tmp_path / "new" / "image.tif") as file:
        numerator, denominator = file.pages[0].tags["XResolution"].value
        assert denominator / numerator == pytest.approx(PIXEL, rel=1e-6)
        assert file.imagej_metadata["unit"] == "nm"
        np.testing.assert_array_equal(file.asarray(), made.image.data)
    assert read_recipe(tmp_path / "new" / "recipe.toml") == (made.scene, 5)
    assert len(pd.read_csv(tmp_path / "new" / "truth.csv")) == len(made.truth)


def test_recipe_with_every_region_reads_back(tmp_path):
    regions = (Whole(), HalfPlane(), Disc(), Polygon(), Voronoi())
    every = Scene(grains=tuple(Grain(region=region) for region in regions), thermal_rms=0.01)
    write_recipe(tmp_path / "recipe.toml", every, 9)
    assert read_recipe(tmp_path / "recipe.toml") == (every, 9)


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("seed = ", "not valid TOML"),
        ("sed = 1", "only seed and scene are allowed"),
        ("seed = -1", "an integer of at least 0"),
        ("[scene]\ndose = -5", "dose: -5 is not valid"),
        ("[scene]\ndoze = 5", "doze: 5 is not valid"),
        ("[scene]\nshape = [4, 4]", "16 to 16384"),
        ("[scene]\nshape = [9000, 9000]\npixel_size = 0.1", "smaller shape"),
        ("[scene.scan]\ndrift = [100.0, 0.0]", "a tenth"),
        ('[[scene.grains]]\nstructure = "quartz"', "structure: 'quartz' is not valid"),
        ("[[scene.grains]]\nvacancies = { Ni = 0.1 }", "choose among"),
    ],
)
def test_invalid_recipes_are_refused(tmp_path, recipe, sentence):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe)
    with pytest.raises(InputError, match=sentence) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: simulate_sample("gold"), "choose one of lsmo_nio"),
        (lambda: load_truth("gold"), "choose one of lsmo_nio"),
        (lambda: read_recipe(Path("nowhere.toml")), "no recipe nowhere.toml"),
        (lambda: simulate_scene(Scene(), -1), "an integer of at least 0"),
        (lambda: simulate_scene(scene("NiO", grain={"vacancies": {"O": 0.1}}), 0), "only columns"),
        (lambda: simulate_scene(scene(grain={"region": Disc(centre=(90, 90))}), 0), "no columns"),
        (lambda: simulate_scene(Scene(dose=50_000, background=Background(level=1)), 0), "lower the dose"),
    ],
)
def test_invalid_calls_are_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


def test_unknown_parameter_is_refused():
    with pytest.raises(ValidationError, match="probe_size"):
        Scene(probe_size=0.1)
