"""The step that corrects scan distortions: atoms in, atoms out."""

import numpy as np
import pytest
from crystals import blobs
from scans import SHAPE, skewed

from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.image import Image
from local_crystallography.data.progress import finish
from local_crystallography.steps.correct_scan import CorrectScan


def left(places, true):
    """(2,) rms error along y and x after the best affine map."""
    design = np.column_stack([np.ones(len(true)), true])
    return np.sqrt(((places - design @ np.linalg.lstsq(design, places, rcond=None)[0]) ** 2).mean(axis=0))


def table(atoms):
    return atoms.features[["y_corrected_px", "x_corrected_px"]].to_numpy()


def test_frames_are_put_right_one_by_one_and_seen_places_stay():
    frames = [skewed(seed=seed) for seed in (0, 1)]
    seen = np.concatenate([frame[1] for frame in frames])
    number = np.repeat([0, 1], [len(frame[1]) for frame in frames])
    atoms = CorrectScan()(Atoms.at(seen, frame=number), Image(np.stack([frame[0] for frame in frames])))
    np.testing.assert_array_equal(atoms.yx, seen)
    for i, (_, before, true) in enumerate(frames):
        assert left(table(atoms)[number == i], true)[1] < 0.6 * left(before, true)[1]


@pytest.mark.slow
def test_a_named_cell_takes_shear_off():
    pixels, seen, _ = skewed(shear=0.06)
    atoms = CorrectScan(cell="square")(Atoms.at(seen), Image(pixels))
    named = CorrectScan(cell="named", cell_a=0.39, cell_b=0.39, cell_angle=90)(Atoms.at(seen), Image(pixels))
    np.testing.assert_allclose(table(atoms), table(named))
    correction = CorrectScan(cell="square").correction(atoms, Image(pixels))
    np.testing.assert_allclose(correction.affine, [[1, 0], [-0.06, 1]], atol=0.01)
    assert "assume that the largest lattice" in " ".join(correction.remarks)
    plain = CorrectScan().correction(atoms, Image(pixels))
    np.testing.assert_array_equal(plain.affine, np.eye(2))


@pytest.mark.parametrize("flatten", [False, True])
def test_the_corrected_image_shows_the_atoms_at_the_corrected_places(flatten):
    pixels, seen, _ = skewed()
    image = Image(pixels, 0.02)
    step = CorrectScan(flatten=flatten)
    atoms = step(Atoms.at(seen), image)
    put = step.corrected_image(Atoms.at(seen), image)
    assert put.data.shape == SHAPE
    assert put.pixel_size == 0.02
    inner = table(atoms)[((seen > 20) & (seen < 140)).all(axis=1)]
    even = blobs(inner, shape=SHAPE, sigma=3.0)[20:140, 20:140].ravel()
    before = np.corrcoef(pixels[20:140, 20:140].ravel(), even)[0, 1]
    assert np.corrcoef(put.data[20:140, 20:140].ravel(), even)[0, 1] > before - 0.01 * flatten


def test_bad_input_is_told():
    pixels, seen, _ = skewed()
    with pytest.raises(InputError, match="There is no frame 1"):
        CorrectScan()(Atoms.at(seen, frame=1), Image(pixels))
    with pytest.raises(InputError, match="outside the image"):
        CorrectScan()(Atoms.at(seen + 50), Image(pixels))
    with pytest.raises(InputError, match="lie on a lattice"):
        CorrectScan()(Atoms.at(seen[:5]), Image(pixels))


def test_stopped_it_keeps_the_frames_it_has():
    frames = [skewed(seed=seed) for seed in (0, 1)]
    seen = np.concatenate([frame[1] for frame in frames])
    atoms = Atoms.at(seen, frame=np.repeat([0, 1], [len(frame[1]) for frame in frames]))
    reports = []

    def stop_soon(progress):
        reports.append(progress)
        return len(reports) > 2

    put = finish(CorrectScan().run(atoms, Image(np.stack([frame[0] for frame in frames]))), stop_soon)
    known = np.isfinite(table(put)).all(axis=1)
    np.testing.assert_array_equal(known, atoms.frame == 0)
    fractions = [report.fraction for report in reports]
    assert 0 <= fractions[0] < fractions[-1] <= 0.5
