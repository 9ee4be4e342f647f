"""Warnings about results that should not be trusted, and none about others."""

from dataclasses import replace

import numpy as np
import pytest
from crystals import blobs, square_lattice
from scipy import ndimage

from local_crystallography import Analysis, Atoms, Image, Recipe, RefineAtoms, Segment
from local_crystallography.cli.main import main
from local_crystallography.data.progress import finish
from local_crystallography.fitting.plausibility import judge

SIDE, SIGMA = 200, 2.5
PLACES = square_lattice(14, shape=(SIDE, SIDE), angle=0.1)
FRAME = blobs(PLACES, shape=(SIDE, SIDE), sigma=SIGMA) + 0.1 * np.random.default_rng(0).standard_normal((SIDE, SIDE))
NOTHING = np.zeros((SIDE, SIDE), bool)


def judged(yx, **more):
    return judge(
        FRAME.astype(np.float32), NOTHING, np.asarray(yx), np.zeros(len(yx), bool), sigma=SIGMA, dark=False, **more
    )


def test_all_atoms_are_plausible():
    assert judged(PLACES, snr=20.0, wider=1.0).doubt == ""


@pytest.mark.parametrize(
    ("yx", "more", "words"),
    [
        (PLACES[:3], {}, "only 3 atoms"),
        (PLACES[::3], {}, "of the maxima that look like these atoms have no atom"),
        (np.r_[PLACES, PLACES + 7.0], {}, "not on a maximum"),
        (PLACES, {"wider": 2.0}, "2.0 times as wide"),
        (PLACES[np.random.default_rng(0).random(len(PLACES)) < 0.1], {"snr": 3.0}, "maxima"),
    ],
)
def test_implausible_atoms_are_doubted(yx, more, words):
    assert words in judged(yx, **more).doubt


def test_faint_columns_beside_strong_ones_need_no_maximum():
    """Like oxygen in SrTiO3, with columns between those of the metals."""
    faint = PLACES + 7.0
    height = np.r_[np.ones(len(PLACES)), np.full(len(faint), 0.07)]
    for std, doubted in ((0.01, False), (0.1, True)):  # well above the noise, and not
        columns = {"amplitude": height, "amplitude_std": np.full(len(height), std)}
        atoms = Atoms.at(np.r_[PLACES, faint]).with_features(sigma_px=np.full(len(height), SIGMA), **columns)
        assert bool(RefineAtoms().doubt(atoms, Image(FRAME), SIGMA)) == doubted


def test_single_atoms_need_no_lattice_but_a_high_signal():
    random = np.random.default_rng(4)
    yx = random.uniform(15, SIDE - 15, (45, 2))
    yx = yx[[np.linalg.norm(yx[:k] - yx[k], axis=1).min(initial=99) > 14 for k in range(len(yx))]]
    frame = blobs(yx, shape=(SIDE, SIDE), sigma=SIGMA) + 0.05 * random.standard_normal((SIDE, SIDE))
    found = judge(frame.astype(np.float32), NOTHING, yx, np.zeros(len(yx), bool), sigma=SIGMA, dark=False, snr=20.0)
    assert found.repetition < 0.08
    assert found.one_sided > 0.9
    assert found.doubt == ""
    assert "no more regular than by chance" in replace(found, snr=3.0).doubt


def test_refine_atoms_reports_what_it_removed():
    image = Image(FRAME)
    wrong = (PLACES + np.array([[7.0, 0.0]]))[::9]  # between two
    columns = {"probability": np.r_[np.ones(len(PLACES)), np.full(len(wrong), 0.6)]}
    atoms = RefineAtoms()(Atoms.at(np.r_[PLACES, wrong], columns=columns), image)
    assert abs(len(atoms) - len(PLACES)) <= 2
    assert set(atoms.left_out.features["left_out"]) == {"doubtful"}
    assert len(atoms.left_out) + len(atoms) == len(PLACES) + len(wrong)


@pytest.mark.slow
def test_a_doubtful_run_stops_after_refine_atoms_unless_it_is_to_continue(monkeypatch):
    monkeypatch.setattr(RefineAtoms, "doubt", lambda *_: "These atoms should not be trusted.")
    image = Image(FRAME)
    upto = ["segment", "find_atoms", "refine_atoms", "extract_sub_images"]
    stopped = Analysis(image)
    finish(stopped.run(Recipe(), only=upto))
    assert stopped.doubt
    assert stopped.sub_images is None
    continued = Analysis(image)
    finish(continued.run(Recipe(refine_atoms=RefineAtoms(when_doubtful="continue")), only=upto))
    assert continued.doubt
    assert continued.sub_images is not None
    continued.atoms = continued.atoms[:20]
    assert continued.doubt == ""
    assert continued.left_out is None


@pytest.mark.slow
def test_the_command_line_reports_it_and_exits_with_3(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(RefineAtoms, "doubt", lambda *_: "These atoms should not be trusted: a reason. Do this.")
    np.save(tmp_path / "image.npy", FRAME)
    out = tmp_path / "out"
    assert main(["run", str(tmp_path / "image.npy"), "--out", str(out)]) == 3
    said = capsys.readouterr()
    assert "These atoms should not be trusted: a reason. Do this." in said.err
    assert "Segment searched for bright columns" in said.out
    assert "These atoms should not be trusted" in (out / "report.html").read_text()
    again = Analysis.open(out)
    assert again.doubt == "These atoms should not be trusted: a reason. Do this."
    assert again.left_out is not None


@pytest.mark.slow
def test_a_mask_comes_from_a_file_and_is_kept_with_the_session(tmp_path):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 130:] = 1
    np.save(tmp_path / "image.npy", FRAME)
    np.save(tmp_path / "mask.npy", mask)
    out = tmp_path / "out"
    options = ["--mask", str(tmp_path / "mask.npy"), "--out", str(out), "--train-vae.epochs", "2"]
    assert main(["run", str(tmp_path / "image.npy"), *options]) == 0
    again = Analysis.open(out)
    assert np.array_equal(again.image.mask, mask > 0)
    assert again.atoms.yx[:, 1].max() < 130


@pytest.mark.slow
def test_noise_alone_is_refused_or_doubted():
    image = Image(np.random.default_rng(5).standard_normal((128, 128)))
    assert not Segment().candidates(image) or Segment().candidates(image)[0].repetition < 0.1


def test_correlated_noise_is_doubted_however_strong_its_spots_are():
    random = np.random.default_rng(7)
    grain = ndimage.gaussian_filter(random.standard_normal((SIDE, SIDE)), SIGMA).astype(np.float32)
    spots = np.argwhere((grain == ndimage.maximum_filter(grain, 9)) & (grain > 0))
    found = judge(grain, NOTHING, spots.astype(float), np.zeros(len(spots), bool), sigma=SIGMA, dark=False, snr=20.0)
    assert found.one_sided < 0.3
    assert "as for noise" in found.doubt
