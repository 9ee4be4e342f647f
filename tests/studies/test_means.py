"""Means of regions and their standard errors."""

import numpy as np
import pytest
from scipy import ndimage

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.studies.means import drawn_regions, groups_of, mean_of, means

SIDE = 30
YX = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2) * 10.0


@pytest.mark.parametrize("blur", [0.0, 2.0])
def test_standard_errors_are_the_scatter_of_means_also_of_correlated_atoms(blur):
    found = []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE))
        values = ndimage.gaussian_filter(noise, blur, mode="wrap") if blur else noise
        found.append(mean_of(values.ravel()[: SIDE**2 // 2], YX[: SIDE**2 // 2], 80.0))
    errors = np.array([each.error for each in found])
    scatter = np.std([each.mean for each in found])
    assert np.sqrt((errors**2).mean()) == pytest.approx(scatter, rel=0.3)


@pytest.mark.parametrize(("count", "mean"), [(0, np.nan), (1, 2.0)])
def test_too_few_values_have_no_error(count, mean):
    one = mean_of(np.full(count, 2.0), YX[:count], 80.0)
    assert (one.count, one.mean) == pytest.approx((count, mean), nan_ok=True)
    assert np.isnan(one.error)


def polar():
    left = YX[:, 1] < 150
    rng = np.random.default_rng(0)
    columns = {
        "displacement_y_px": np.where(left, -0.3, 0.0) + rng.normal(0, 0.1, len(YX)),
        "displacement_x_px": np.where(left, 0.4, -0.5) + rng.normal(0, 0.1, len(YX)),
        "label": np.where(left, 0, 1),
    }
    return Atoms.at(YX, columns=columns)


@pytest.mark.parametrize("drawn", [True, False], ids=["areas", "classes"])
def test_mean_vectors_of_areas_and_classes(drawn):
    atoms = polar()
    left, right = ((-5, 5), (-5, 145), (295, 145), (295, 5)), ((-5, 155), (-5, 295), (295, 295), (295, 155))
    regions = drawn_regions((left, right), atoms) if drawn else groups_of(atoms, "label")
    table = means(atoms, regions, ["displacement_y_px", "displacement_x_px", "label"]).set_index(["region", "column"])
    first, second = regions
    assert table.loc[(first, "length of the mean displacement_px"), "mean"] == pytest.approx(0.5, abs=0.02)
    direction = table.loc[(first, "direction of the mean displacement_rad")]
    assert abs(direction["mean"] - np.arctan2(0.3, 0.4)) < 3 * direction["standard_error"] < 0.15
    assert table.loc[(second, "displacement_x_px"), "mean"] == pytest.approx(-0.5, abs=0.02)
    assert table.loc[(second, "label = 1"), "mean"] == 1


def test_regions_without_atoms_and_unknown_columns_are_refused():
    atoms = polar()
    with pytest.raises(InputError, match="No atom lies in the regions"):
        means(atoms, drawn_regions((((900, 900), (900, 950), (950, 950)),), atoms), ["label"])
    with pytest.raises(InputError, match="no column strain_xx"):
        means(atoms, groups_of(atoms, "label"), ["strain_xx"])
