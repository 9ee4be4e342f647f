"""Displacement fields move the named columns as specified, and the truth contains the elements of columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from local_crystallography.data.errors import InputError
from local_crystallography.simulate.samples import SAMPLES, sample_folder
from local_crystallography.simulate.scene import Background, Grain, Scene, Strain, Wave, read_recipe, write_recipe
from local_crystallography.simulate.simulation import expected_counts, simulate_scene, write_simulation
from local_crystallography.simulate.structures import CRYSTALS

PIXEL = 0.02
SHAPE = (240, 280)
CENTRE = (np.array(SHAPE) - 1) / 2
MOVED = ["displacement_y_px", "displacement_x_px"]

WAVES = {
    "along x": Wave(amplitude=(0.0, 0.03), wavelength=4.0),
    "transverse": Wave(amplitude=(0.05, 0.0), wavelength=3.0, phase=0.7),
    "upwards": Wave(amplitude=(0.02, -0.01), wavelength=2.5, angle=np.pi / 2, phase=-1.0),
    "oblique": Wave(amplitude=(-0.01, 0.04), wavelength=6.0, angle=0.4, phase=2.0),
}


def scene(*waves: Wave, structure: str = "La0.7Sr0.3MnO3", **grain) -> Scene:
    return Scene(
        shape=SHAPE,
        pixel_size=PIXEL,
        grains=(Grain(structure=structure, **grain),),
        background=Background(level=0.0),
        waves=waves,
    )


def field(wave: Wave, truth: pd.DataFrame) -> np.ndarray:
    """(N, 2) displacement in px by the formula, at the positions of the columns without it."""
    y, x = ((truth[["y_ideal_px", "x_ideal_px"]].to_numpy() - truth[MOVED].to_numpy() - CENTRE) * PIXEL).T
    rightward, upward = np.cos(wave.angle), np.sin(wave.angle)
    sine = np.sin(2 * np.pi * (rightward * x - upward * y) / wave.wavelength + wave.phase)
    return sine[:, None] * np.array(wave.amplitude) / PIXEL


@pytest.mark.parametrize("wave", WAVES.values(), ids=WAVES)
def test_displacement_is_that_of_the_formula(wave):
    _, truth = expected_counts(scene(wave, angle=0.2), 0)
    np.testing.assert_allclose(truth[MOVED], field(wave, truth), atol=1e-9)
    assert np.abs(truth[MOVED].to_numpy()).max() > 0.9 * np.abs(wave.amplitude).max() / PIXEL


def test_only_the_named_sites_move():
    wave = Wave(amplitude=(0.0, 0.03), wavelength=4.0, phase=0.3, sites=("B",))
    _, truth = expected_counts(scene(wave), 0)
    named = truth["site"] == "B"
    np.testing.assert_allclose(truth.loc[named, MOVED], field(wave, truth[named]), atol=1e-9)
    assert (truth.loc[~named, MOVED] == 0).all(axis=None)


def test_waves_add_up():
    first, second = WAVES["along x"], WAVES["upwards"]
    _, truth = expected_counts(scene(first, second), 0)
    np.testing.assert_allclose(truth[MOVED], field(first, truth) + field(second, truth), atol=1e-9)


def test_gradient_of_a_wave_is_strain():
    wave = Wave(amplitude=(0.0, 0.6), wavelength=200.0)
    _, truth = expected_counts(scene(wave), 0)
    a = truth[(truth["site"] == "A") & ((truth["y_px"] - CENTRE[0]).abs() < 1)]
    steps = np.diff(np.sort(a["x_px"])) * PIXEL / 0.388
    np.testing.assert_allclose(steps, 1 + 2 * np.pi * 0.6 / 200, atol=1e-4)


def test_strain_of_a_grain_is_no_displacement():
    _, truth = expected_counts(scene(strain=Strain(xx=0.05, xy=0.02)), 0)
    assert (truth[MOVED] == 0).all(axis=None)


def test_displaced_lattice_still_fills_the_image():
    """A very long wave at its crest shifts all columns by 1 nm, like another origin of the lattice."""
    _, shifted = expected_counts(scene(Wave(amplitude=(0.0, 1.0), wavelength=1e4, phase=np.pi / 2)), 0)
    _, moved = expected_counts(scene(origin=(0.0, 1.0)), 0)
    places = [frame.sort_values(["y_px", "x_px"])[["y_px", "x_px"]].round(3) for frame in (shifted, moved)]
    np.testing.assert_allclose(*places, atol=2e-3)


@pytest.mark.parametrize("wave", WAVES.values(), ids=WAVES)
def test_rendered_columns_are_where_the_truth_says(wave):
    narrow = {"pixel_size": 0.0087, "thermal_rms": 0.0, "probe_fwhm": 0.04}
    alone = scene(wave, structure="MoS2", vacancies={"S": 1.0}, angle=0.1).model_copy(update=narrow)
    counts, truth = expected_counts(alone, 0)
    yx = truth[["y_px", "x_px"]].to_numpy()
    offsets = np.arange(-12, 13)
    inner = yx[((yx > 14) & (yx < np.array(SHAPE) - 15)).all(axis=1)]
    assert len(inner) > 20
    for y, x in inner:
        rows, cols = round(y) + offsets, round(x) + offsets
        stamp = counts[np.ix_(rows, cols)] / counts[np.ix_(rows, cols)].sum()
        np.testing.assert_allclose([stamp.sum(1) @ rows, stamp.sum(0) @ cols], [y, x], atol=0.01)


def test_wave_reads_back_from_a_recipe(tmp_path):
    waved = scene(Wave(amplitude=(0.01, -0.02), wavelength=3.0, angle=1.0, phase=0.5, sites=("A", "O")))
    write_recipe(tmp_path / "recipe.toml", waved, 2)
    assert read_recipe(tmp_path / "recipe.toml") == (waved, 2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: simulate_scene(scene(Wave(sites=("C",))), 0), "A wave displaces sites .'C'."),
        (lambda: simulate_scene(scene(Wave(sites=("O",)), structure="NiO"), 0), "there are only columns .'Ni'."),
    ],
)
def test_invalid_waves_are_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


def test_too_steep_wave_in_a_recipe_is_refused(tmp_path):
    (tmp_path / "recipe.toml").write_text("[[scene.waves]]\namplitude = [0.0, 0.1]\nwavelength = 1.0")
    with pytest.raises(InputError, match="longer wavelength"):
        read_recipe(tmp_path / "recipe.toml")


def test_truth_contains_the_elements_of_each_site(tmp_path):
    write_simulation(simulate_scene(scene(), 0), tmp_path)
    elements = json.loads((tmp_path / "truth.json").read_text())["elements"]
    assert elements == {"La0.7Sr0.3MnO3": {"A": {"La": 0.7, "Sr": 0.3}, "B": {"Mn": 1.0}, "O": {"O": 1.0}}}


def test_occupancy_of_a_class_of_several_sites_is_their_mean():
    oxygen = CRYSTALS["Sr3Fe2O7"].elements()["O"]["O"]
    assert oxygen == pytest.approx((8 + 4 + 2 * 0.78) / 14, abs=1e-4)


@pytest.mark.parametrize("name", SAMPLES)
def test_shipped_truth_contains_the_elements_of_its_structures(name):
    truth = json.loads((sample_folder() / name / "truth.json").read_text(encoding="utf-8"))
    phases = {grain["structure"] for grain in truth["scene"]["grains"]}
    assert truth["elements"] == {phase: CRYSTALS[phase].elements() for phase in phases}
