"""Environment of atoms: interior of a phase or grain, boundary, edge, or defect."""

import numpy as np
import pytest

from local_crystallography import Atoms, Cluster, GaussianMixture
from local_crystallography.clustering.cores import by_cores
from local_crystallography.clustering.environment import Environment, environments, phases
from local_crystallography.clustering.summary import sentence
from local_crystallography.data.subimages import SubImages
from local_crystallography.views.styles import ClassStyles

SIDE = 24
CELLS = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1).reshape(-1, 2)
YX = 10.0 * CELLS
CHECKS = CELLS.sum(axis=1) % 2
INSIDE, BOUNDARY, EDGE, DEFECT = (
    Environment.INTERIOR,
    Environment.BOUNDARY,
    Environment.EDGE,
    Environment.DEFECT,
)


def test_sublattices_are_one_phase_and_regions_are_two():
    island = np.hypot(*(CELLS - SIDE / 2).T) < 6
    kind = np.where(island, 2, CHECKS)
    atoms = Atoms.at(YX).with_features(label=kind)
    assert phases(atoms) == [(0, 1), (2,)]
    found, beyond = environments(atoms)
    rim = np.abs(np.hypot(*(CELLS - SIDE / 2).T) - 6)
    assert (found[rim > 2] == INSIDE).all()
    assert (found[rim < 0.4] == BOUNDARY).all()
    assert (beyond[(found == BOUNDARY) & (kind < 2)] == 2).all()
    assert np.isin(beyond[(found == BOUNDARY) & (kind == 2)], [0, 1]).all()
    assert (beyond[found != BOUNDARY] == -1).all()
    assert "in two phases (classes 0 and 1; class 2). Of these" in sentence(atoms.with_features(environment=found))


def test_grains_of_one_kind_meet_at_a_boundary():
    right = CELLS[:, 1] >= SIDE // 2
    angle = np.where(right, 0.3, -0.3) + np.random.default_rng(0).normal(0, 0.01, len(YX))
    atoms = Atoms.at(YX).with_features(label=0, angle_rad=angle, angle_std_rad=0.01, symmetry_order=4)
    found, beyond = environments(atoms)
    assert (found[np.abs(CELLS[:, 1] - SIDE / 2 + 0.5) < 1] == BOUNDARY).all()
    assert (found[np.abs(CELLS[:, 1] - SIDE / 2 + 0.5) > 1] == INSIDE).all()
    assert (beyond[found == BOUNDARY] == 0).all()


def test_a_particle_has_edges_and_the_image_has_none():
    disc = np.hypot(*(CELLS - SIDE / 2).T) < 8
    far = np.array([[0.0, 0.0], [10.0 * SIDE, 10.0 * SIDE]])
    found, _ = environments(Atoms.at(np.concatenate([YX[disc], far])).with_features(label=0))
    radius = np.hypot(*(CELLS[disc] - SIDE / 2).T)
    assert (found[:-2][radius > 7.6] == EDGE).all()
    assert (found[:-2][radius < 6.4] == INSIDE).all()
    assert (environments(Atoms.at(YX).with_features(label=0))[0] == INSIDE).all()


def test_an_isolated_atom_and_one_unlike_all_kinds_are_defects():
    kind = np.where(CELLS[:, 1] < SIDE // 2, 0, 1)
    alone, outlier = 5 * SIDE + 4, 9 * SIDE + 17
    kind[alone] = 1
    outlying = np.arange(len(YX)) == outlier
    found, _ = environments(Atoms.at(YX).with_features(label=kind), outlying)
    assert np.flatnonzero(found == DEFECT).tolist() == [alone, outlier]


def test_atoms_without_a_class_have_no_environment_and_few_atoms_are_inside():
    kind = np.where(CELLS[:, 0] == 0, -1, 0)
    found, _ = environments(Atoms.at(YX).with_features(label=kind))
    assert (found[kind < 0] == Environment.UNKNOWN).all()
    assert (found[kind == 0] == INSIDE).all()
    assert environments(Atoms.at(YX[:3]).with_features(label=0))[0].tolist() == [INSIDE] * 3


def test_frames_of_a_stack_do_not_surround_each_other():
    features = Atoms.at(np.concatenate([YX, YX])).features.assign(frame=np.repeat([0, 1], len(YX)))
    stack = Atoms(np.concatenate([YX, YX]), features).with_features(label=np.repeat([0, 1], len(YX)))
    assert (environments(stack)[0] == INSIDE).all()


def test_cluster_adds_environments_and_keeps_numbers_when_run_again():
    rng = np.random.default_rng(0)
    kind = np.where(np.hypot(*(CELLS - SIDE / 2).T) < 6, 2, CHECKS)
    z = np.array([[0, 0], [8, 0], [0, 8]])[kind] + rng.normal(0, 1, (len(kind), 2))
    atoms = Atoms.at(YX).with_features(z0=z[:, 0], z1=z[:, 1])
    step = Cluster(by=GaussianMixture(classes=3, components=3, n_init=3))
    first = step(atoms)
    last = first.with_features(label=(first.features["label"] + 1) % 3)
    again = step.continued(first, last).features
    assert (again["label"] == last.features["label"]).all()
    at = (again["environment"] == BOUNDARY).to_numpy()
    assert at.any()
    assert (again["borders_label"][at] == (first.features["borders_label"][at] + 1) % 3).all()
    assert (again["borders_label"][~at] == -1).all()


def test_environments_have_words_and_colours():
    styles = ClassStyles()
    assert [styles.name("environment", number) for number in (-1, 0, 1, 2, 3)] == [
        "unknown",
        "interior",
        "boundary",
        "edge",
        "defect",
    ]
    assert len({styles.colour("environment", int(each)) for each in Environment if each >= 0}) == 4


@pytest.mark.parametrize("kind", [0, 1])
def test_all_of_one_class_is_one_phase(kind):
    assert phases(Atoms.at(YX).with_features(label=kind)) == [(kind,)]


def columns_of(kind, strange):
    """Sub-images of a bright or a faint column amid four of the other kind, and amid noise where it is unusual."""
    rng = np.random.default_rng(0)
    axis = np.arange(25) - 12.0
    y, x = np.meshgrid(axis, axis, indexing="ij")
    heights, windows = np.where(kind, 0.5, 1.0), np.zeros((len(kind), 25, 25))
    for place, (dy, dx) in enumerate([(0, 0), (10, 0), (-10, 0), (0, 10), (0, -10)]):
        own = heights if place == 0 else np.where(strange, rng.uniform(0, 2, len(kind)), 1.5 - heights)
        windows += own[:, None, None] * np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / 8)
    return (windows + rng.normal(0, 0.03, windows.shape)).astype(np.float32)


def test_a_boundary_does_not_change_the_kind_of_site():
    """Latents of atoms there are unusable, but their columns are not."""
    strange = np.abs(CELLS[:, 1] - SIDE // 2) <= 1
    rng = np.random.default_rng(1)
    z = 9.0 * CHECKS[:, None] + rng.normal(0, 1, (len(YX), 2))
    z[strange] = rng.uniform(2, 7, (strange.sum(), 2))
    angle = np.where(CELLS[:, 1] >= SIDE // 2, 0.3, -0.3) + rng.normal(0, 0.01, len(YX))
    pose = {"angle_rad": angle, "angle_std_rad": np.full(len(YX), 0.01), "symmetry_order": np.full(len(YX), 4)}
    atoms = Atoms.at(YX).with_features(z0=z[:, 0], z1=z[:, 1], **pose)
    step = Cluster(by=GaussianMixture(classes=2, components=2, n_init=3))
    without = step(atoms).features
    found = step(atoms, SubImages(columns_of(CHECKS, strange), atoms)).features
    assert agreement(CHECKS[strange], without["label"][strange]) < 0.9
    assert agreement(CHECKS[strange], found["label"][strange]) > 0.97
    assert (found["label_probability"][strange] > 0.5).all()
    assert (np.diff(np.bincount(found["label"])) <= 0).all()
    assert agreement(CHECKS[~strange], found["label"][~strange]) == 1


def agreement(kind, label):
    """Fraction of the atoms in the class of their kind, whatever its number."""
    same = float((kind == label).mean())
    return max(same, 1 - same)


def test_classes_whose_atoms_change_are_numbered_by_their_new_size():
    strange = np.abs(CELLS[:, 1] - SIDE // 2) <= 1
    kind = np.where(CELLS[:, 0] == 0, 1, CHECKS)  # more of class 1, which was the smaller one
    label = np.where(strange, 0, kind)
    pose = {"label_probability": np.ones(len(YX)), "label_entropy": np.zeros(len(YX))}
    where = np.where(strange, BOUNDARY, INSIDE)
    atoms = Atoms.at(YX).with_features(label=label, environment=where, **pose)
    found = by_cores(atoms, SubImages(columns_of(kind, strange), atoms)).features["label"].to_numpy()
    assert np.bincount(kind)[1] > np.bincount(kind)[0]
    assert np.bincount(label)[0] > np.bincount(label)[1]
    assert np.array_equal(found, 1 - kind)
