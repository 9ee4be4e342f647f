"""Segmentation and atom finding on pictures whose truth is known."""

import os
from pathlib import Path

import numpy as np
import pytest
from crystals import blobs, square_lattice
from scipy.spatial import cKDTree

from local_crystallography import Blobs, FindAtoms, Image, Network, RefineAtoms, Segment, read_image
from local_crystallography.data.errors import InputError

RNG = np.random.default_rng(1)


def find(image, **settings):
    return RefineAtoms()(FindAtoms()(Segment(**settings)(image), image), image)


def missed_and_false(atoms, truth, spacing):
    found = cKDTree(atoms.yx).query(truth)[0] < spacing / 4
    true = cKDTree(truth).query(atoms.yx)[0] < spacing / 4
    return int((~found).sum()), int((~true).sum())


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [7.0, 13.0, 24.0])
@pytest.mark.parametrize("scale", [1e-10, 300.0])
def test_every_atom_of_a_lattice_is_found_with_default_settings(spacing, scale):
    truth = square_lattice(spacing, shape=(160, 160), angle=0.3)
    image = blobs(truth, shape=(160, 160), sigma=0.19 * spacing) + 0.05 * RNG.standard_normal((160, 160))
    assert missed_and_false(find(Image(image * scale)), truth, spacing) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("method", [Network(), Blobs()])
def test_dark_atoms_are_found_without_being_asked_for(method):
    truth = square_lattice()
    image = Image(5 - blobs(truth) + 0.02 * RNG.standard_normal((128, 128)))
    assert Segment(by=method).resolve(image).contrast == "dark"
    assert missed_and_false(find(image, by=method), truth, 13) == (0, 0)


@pytest.mark.slow
def test_weak_atoms_beside_strong_ones_are_found():
    truth = square_lattice()
    image = Image(
        blobs(truth, height=np.where(np.arange(len(truth)) % 2, 1.0, 0.3)) + 0.02 * RNG.standard_normal((128, 128))
    )
    assert missed_and_false(find(image), truth, 13) == (0, 0)


@pytest.mark.slow
def test_vacuum_holds_no_atoms():
    truth = square_lattice()
    truth = truth[truth[:, 1] < 60]
    atoms = find(Image(blobs(truth) + 0.1 * RNG.standard_normal((128, 128))))
    assert missed_and_false(atoms, truth, 13) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.8])
def test_positions_are_sub_pixel(fraction):
    truth = square_lattice() + fraction
    atoms = find(Image(blobs(truth)))
    inner = (np.abs(atoms.yx - 63.5) < 45).all(axis=1)
    assert cKDTree(truth).query(atoms.yx[inner])[0].max() < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [8.0, 15.0, 30.0])
def test_the_spacing_is_found(spacing):
    image = Image(blobs(square_lattice(spacing, shape=(256, 256)), shape=(256, 256), sigma=0.18 * spacing))
    assert Segment(by=Blobs()).resolve(image).by.spacing == pytest.approx(spacing, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [1.5, 2.5, 5.0, 8.0])
def test_the_width_of_columns_is_found(sigma):
    truth = square_lattice(5.5 * sigma, shape=(256, 256), angle=0.2)
    image = Image(blobs(truth, shape=(256, 256), sigma=sigma) + 0.3 * RNG.standard_normal((256, 256)))
    assert Segment().resolve(image).by.sigma == pytest.approx(sigma, rel=0.3)


@pytest.mark.slow
def test_a_spacing_given_by_hand_is_kept():
    assert Segment(by=Blobs(spacing=11)).resolve(Image(blobs(square_lattice()))).by.spacing == 11


@pytest.mark.slow
def test_noise_alone_is_no_crystal():
    with pytest.raises(InputError, match=r"no columns|No atom was found"):
        find(Image(RNG.standard_normal((128, 128))))


@pytest.mark.slow
def test_a_stack_gives_atoms_with_their_frame():
    one, two = square_lattice(), square_lattice(angle=0.4)
    atoms = find(Image(np.stack([blobs(one), blobs(two)])))
    assert [(atoms.frame == i).sum() for i in (0, 1)] == [len(one), len(two)]


@pytest.mark.slow
def test_a_higher_threshold_never_finds_more():
    image = Image(blobs(square_lattice()) + 0.2 * RNG.standard_normal((128, 128)))
    probability = Segment()(image)
    counts = [len(FindAtoms(threshold=t)(probability)) for t in (0.3, 0.5, 0.7, 0.85)]
    assert counts == sorted(counts, reverse=True)


def test_a_threshold_nothing_reaches_is_said():
    with pytest.raises(InputError, match="lower the threshold"):
        FindAtoms(threshold=1)(np.full((32, 32), 0.4))


@pytest.mark.slow
def test_intensity_is_in_the_units_of_the_image():
    image = Image(1000 * blobs(square_lattice()) + 50)
    atoms = FindAtoms()(Segment()(image), image)
    assert atoms.features["intensity"].median() == pytest.approx(900, rel=0.15)


@pytest.mark.slow
@pytest.mark.skipif("LOCAL_CRYSTALLOGRAPHY_REAL_DATA" not in os.environ, reason="no folder of real images is set")
@pytest.mark.parametrize(
    ("name", "fewest", "most"),
    [
        ("gold_grain_boundary_HAADF.png", 655, 790),
        ("BaTiO3_HAADF.dm4", 2000, 2500),
        ("DyScO3_HAADF.png", 800, 950),
        ("MoS2_ADF.npy", 900, 1900),  # about 940 Mo, and as many pairs of S as the noise lets through
        ("perovskite_interface_HAADF.png", 2600, 3200),
    ],
)
def test_atoms_of_real_images(name, fewest, most):
    image = read_image(Path(os.environ["LOCAL_CRYSTALLOGRAPHY_REAL_DATA"]) / name)
    assert fewest <= len(find(image)) <= most


@pytest.mark.slow
def test_an_atom_outside_the_image_is_not_found_at_its_edge():
    places = np.vstack([square_lattice(), [[-1.5, 40.0], [80.0, 129.2]]])
    atoms = find(Image(blobs(places) + 0.02 * RNG.standard_normal((128, 128))))
    assert len(atoms) == len(places) - 2
