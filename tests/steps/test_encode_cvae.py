"""Latents within the classes go to the atoms of the classes the network was told."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from crystals import blobs, square_lattice

from local_crystallography import Atoms, EncodeCvae, ExtractSubImages, Image
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Progress

PLACES = square_lattice()
LABELS = np.arange(len(PLACES)) % 4 - 1
ATOMS = Atoms.at(PLACES).with_features(label=LABELS, z0=1.0)
SUB_IMAGES = ExtractSubImages(window_size=40)(ATOMS.without(["label", "z0"]), Image(blobs(PLACES)))
INSIDE = np.isin(ATOMS.ids, SUB_IMAGES.atoms.ids)


class Seer:
    """A conditional network, told classes 0 and 2, that gives back the class and the row as latents."""

    settings = SimpleNamespace(latents=2, classes=(0, 2))

    def encoding(self, windows, labels):
        yield Progress(0.0, "encoding atoms …")
        assert len(windows) == len(labels)
        assert set(labels) <= {0, 2}
        columns = {"angle_rad": 1.0, "z0": labels, "z1": np.arange(len(labels)), "z0_std": 0.1, "z1_std": 0.2}
        return pd.DataFrame(columns | {"reconstruction_error": labels + 10.0})


def test_every_atom_of_a_class_told_has_its_columns_and_no_other_has():
    features = EncodeCvae()(Seer(), SUB_IMAGES, ATOMS).features
    known = INSIDE & np.isin(LABELS, (0, 2))
    assert list(features)[-5:] == ["c0", "c1", "c0_std", "c1_std", "cvae_error"]
    assert np.array_equal(features["c0"].notna(), known)
    assert np.array_equal(features["c0"][known], LABELS[known])
    assert np.array_equal(features["cvae_error"][known], LABELS[known] + 10.0)
    assert np.array_equal(features["c1"][known], np.arange(known.sum()))
    assert (features["z0"] == 1).all()
    assert "angle_rad" not in features


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (ATOMS.with_features(label=1), r"No atom is of a class the network was trained on \(0, 2\)"),
        (ATOMS.with_features(label=-1), "cluster first"),
        (ATOMS.without(["label"]), "cluster first"),
    ],
)
def test_classes_that_do_not_fit_are_said(atoms, words):
    with pytest.raises(InputError, match=words):
        EncodeCvae()(Seer(), SUB_IMAGES, atoms)
