"""Dependencies: what is stale after a change is what was made of it, and nothing else."""

import pytest

from local_crystallography.graph import stale_after
from local_crystallography.steps.base import OWN, own
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.paint_map import PaintMap

ALWAYS = ["segment", "find_atoms", "refine_atoms", "extract_sub_images", "train_vae", "encode", "cluster", "paint_map"]
PLACES = ["correct_scan", "measure_lattice", "geometric_phase", "decide_symmetry"]
WITHIN = ["train_cvae", "encode_cvae"]


@pytest.mark.parametrize(
    ("replaced", "stale"),
    [
        ("image", {*ALWAYS, *PLACES, "describe", *WITHIN}),
        ("atoms", {*ALWAYS[2:], *PLACES, "describe", *WITHIN}),
        ("refine_atoms", {*ALWAYS[3:], *PLACES, "describe", *WITHIN}),
        ("correct_scan", {"measure_lattice", "geometric_phase", "decide_symmetry", "cluster", *WITHIN, "paint_map"}),
        ("measure_lattice", {"geometric_phase", "decide_symmetry", "cluster", *WITHIN, "paint_map"}),
        ("geometric_phase", {"paint_map"}),
        ("decide_symmetry", {"paint_map"}),
        ("sub_images", {*ALWAYS[4:], "describe", *WITHIN}),
        ("vae", {"encode", "cluster", *WITHIN, "paint_map"}),
        ("encode", {"cluster", *WITHIN, "paint_map"}),
        ("describe", {"cluster", *WITHIN, "paint_map"}),
        ("cluster", {*WITHIN, "paint_map"}),
        ("cvae", {"encode_cvae", "paint_map"}),
        ("encode_cvae", {"paint_map"}),
        (OWN, {"paint_map"}),
        (own("label"), set(WITHIN) | {"paint_map"}),
        ("maps", set()),
    ],
)
def test_stale_is_what_was_made_of_it(replaced, stale):
    assert set(stale_after({replaced})) == stale


def test_classes_are_of_the_lattice_only_where_their_angles_are_counted_from_it():
    used = {"cluster": Cluster(), "paint_map": PaintMap()}
    assert "cluster" not in stale_after({"measure_lattice"}, used)
    assert "cluster" in stale_after({"measure_lattice"}, {"cluster": Cluster(zero="lattice")})
