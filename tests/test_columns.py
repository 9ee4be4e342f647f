"""Columns are declared by the steps that add them, and everything else about them follows."""

from pathlib import Path

import pytest
from analyses import copied

from local_crystallography import CorrectScan, DecideSymmetry, Describe, GeometricPhase, MeasureLattice
from local_crystallography.data.columns import kind_of, std_of, without_std
from local_crystallography.data.progress import finish
from local_crystallography.recipe import Recipe, column_table
from local_crystallography.steps.catalog import columns, step_classes
from local_crystallography.steps.describe import METHODS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("label", "class"),
        ("alternation_decision", "class"),
        ("environment", "class"),
        ("label_probability", "number"),
        ("angle_rad", "cyclic"),
        ("displacement_angle_rad", "cyclic"),
        ("gamma_rad", "angle"),
        ("angle_std_rad", "number"),
        ("z0", "number"),
    ],
)
def test_the_end_of_a_name_says_what_a_column_holds(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize(("name", "std"), [("angle_rad", "angle_std_rad"), ("z0", "z0_std"), ("a_px", "a_std_px")])
def test_standard_deviations_are_named_alike(name, std):
    assert std_of(name) == std
    assert without_std(std) == name


def test_the_page_of_columns_lists_those_that_steps_declare():
    page = Path(__file__).parents[1] / "docs" / "columns.md"
    assert column_table() in page.read_text(encoding="utf-8"), "write the table of recipe.column_table() to this page"


def test_every_step_is_known_once():
    known = step_classes()
    assert {step.name() for step in Recipe().steps} <= set(known)
    assert all(kind.name() == name for name, kind in known.items())


@pytest.mark.slow
def test_every_column_that_a_run_makes_is_declared_by_its_step(quick_within):
    done = copied(quick_within)
    added = (CorrectScan(), MeasureLattice(), GeometricPhase(), DecideSymmetry())
    steps = {step.name(): step for step in added}
    finish(done.run(done.recipe.model_copy(update=steps), only=[*steps]))
    finish(done.apply(Describe(methods=tuple(method() for method in METHODS))))
    for step, made in done.columns.items():
        wrong = [name for name in made if columns().owner(name) not in (step, "find_atoms")]
        assert not wrong, (step, wrong)
        assert all(columns().help(name).endswith(".") for name in made)


@pytest.mark.parametrize(
    "name",
    [
        "strain_xx",
        "symmetry_order",
        "background",
        "z7",
        "z7_std",
        "LABEL",
        "mine_px",
        "my_label",
        "id",
        "kept",
        "z0_STD",
    ],
)
def test_names_of_results_are_reserved(name):
    assert columns().is_reserved(name)


@pytest.mark.parametrize("name", ["core", "defects", "zone1", "kinds", "mean_strain"])
def test_other_names_are_free(name):
    assert not columns().is_reserved(name)


def test_maps_of_classes_are_painted_last():
    names = [
        "label",
        "hand_label",
        "z0",
        "strain_xx",
        "environment",
        "probability",
        "displacement_px",
        "displacement_nm",
    ]
    painted = columns().painted(names)
    assert set(painted) == {*names} - {"probability", "displacement_px"}
    assert set(painted[-3:]) == {"label", "hand_label", "environment"}
    assert columns().painted(["displacement_px"]) == ("displacement_px",)


def test_the_columns_shown_first_are_declared():
    names = ["z1", "label", "angle_rad", "z0", "intensity", "c0", "z2", "reconstruction_error", "strain_xx"]
    first = columns().leading(names, most=2)
    assert first[:3] == ("angle_rad", "z1", "z0")
    assert {*first[3:]} == {"reconstruction_error", "c0", "intensity"}
    assert len(columns().leading(names)) == len(first) + 1
