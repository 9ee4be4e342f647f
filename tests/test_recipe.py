"""The recipe: parameters are written once, survive their file, and bad ones are said."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from local_crystallography import Blobs, Describe, FindAtoms, Recipe, Segment, TrainCvae, TrainVae
from local_crystallography.data.errors import InputError
from local_crystallography.steps.base import OWN, own, words


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(also=("describe",), describe=Describe(order=4)),
        Recipe(also=("train_cvae",), train_cvae=TrainCvae(kind="crvae", checkpoint=Path("my runs/größe.safetensors"))),
        Recipe(
            segment=Segment(by=Blobs(spacing=12.25), contrast="dark"), train_vae=TrainVae(learning_rate=1e-5, epochs=7)
        ),
    ],
)
def test_a_recipe_survives_its_file(tmp_path, recipe):
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize("step", Recipe().steps, ids=lambda s: s.name())
def test_every_parameter_has_one_sentence_of_help_and_bounds(step):
    for name, field in type(step).model_fields.items():
        assert (field.description or "").endswith("."), name
        if {int, float} & {field.annotation, *get_args(field.annotation)}:
            bounds = {
                attribute
                for item in field.metadata
                for attribute in ("ge", "gt", "le", "lt")
                if hasattr(item, attribute)
            }
            assert len(bounds) == 2, name


@pytest.mark.parametrize("step", Recipe().steps, ids=lambda s: s.name())
def test_the_name_of_a_step_is_its_field(step):
    assert getattr(Recipe(), step.name()) == step


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("kl_weight", "KL weight"),
        ("train_vae", "train VAE"),
        ("encode_cvae", "encode cVAE"),
        ("extract_sub_images", "extract sub-images"),
        ("find_atoms", "find atoms"),
    ],
)
def test_names_are_read_as_people_write_them(name, read):
    assert words(name) == read


@pytest.mark.parametrize("wrong", [{"treshold": 0.5}, {"threshold": 2}])
def test_misspelt_and_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        Recipe.model_validate({"find_atoms": wrong})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[find_atoms]\nthreshold = 7", "find_atoms.threshold = 7"),
        ("[find_atom]", "find_atom"),
        ('also = ["cluster"]', "There is no such optional step; choose from correct_scan"),
        ("not toml", "is not TOML"),
        (
            '[train_vae]\nkind = "vae"\ndecoder = "harmonic"',
            "toml: train_vae: the harmonic decoder needs a kind",
        ),
    ],
)
def test_a_bad_file_is_said_with_its_line(tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        Recipe.from_toml(path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        Recipe.from_toml(tmp_path / "none.toml")


ALWAYS = ["segment", "find_atoms", "refine_atoms", "extract_sub_images", "train_vae", "encode", "cluster", "paint_map"]
PLACES = ["correct_scan", "measure_lattice", "decide_symmetry"]
WITHIN = ["train_cvae", "encode_cvae"]


@pytest.mark.parametrize(
    ("recipe", "asked", "names"),
    [
        (Recipe(), {}, ALWAYS),
        (Recipe(), {"also": ("describe",)}, [*ALWAYS[:6], "describe", *ALWAYS[6:]]),
        (Recipe(also=("describe",)), {}, [*ALWAYS[:6], "describe", *ALWAYS[6:]]),
        (Recipe(also=("describe",)), {"only": ("cluster", "encode")}, ["encode", "cluster"]),
        (Recipe(), {"only": ("describe",)}, ["describe"]),
        (Recipe(also=("encode_cvae", "train_cvae")), {}, [*ALWAYS[:7], "train_cvae", "encode_cvae", ALWAYS[7]]),
    ],
)
def test_optional_steps_are_run_where_asked_for(recipe, asked, names):
    assert [step.name() for step in recipe.wanted(**asked)] == names


@pytest.mark.parametrize("asked", [{"also": ("fly",)}, {"only": ("fly",)}])
def test_an_unknown_step_is_said(asked):
    with pytest.raises(InputError, match="There is no step fly; choose from segment"):
        Recipe().wanted(**asked)


@pytest.mark.parametrize("step", Recipe().steps, ids=lambda s: s.name())
def test_a_step_takes_only_what_earlier_steps_give(step):
    order = [other.name() for other in Recipe().steps]
    earlier = Recipe().steps[: order.index(step.name())]
    given = {"image", OWN, own("label"), own("hand_label")} | {other.gives() for other in earlier}
    assert step.takes() <= given
    assert all(other.adds_columns() for other in earlier if other.name() in step.reads)


def test_settings_of_an_optional_step_that_would_not_run_are_said(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[describe]\ncomponents = 2\n")
    with pytest.raises(InputError, match=r"settings for describe, which is optional .* add 'describe' to the list"):
        Recipe.from_toml(path)
    path.write_text('also = ["describe"]\n[describe]\ncomponents = 2\n')
    assert Recipe.from_toml(path).describe.methods[0].components == 2


def test_a_recipe_of_0_1_0_still_opens(tmp_path):
    """With the names that parameters had then."""
    path = tmp_path / "recipe.toml"
    path.write_text(
        """
        also = ["correct_scan", "measure_lattice", "decide_symmetry"]
        [segment]
        method = "blobs"
        significance = 4.0
        weakest = 0.2
        [find_atoms]
        smallest = 3
        [refine_atoms]
        significance = 3.0
        closest = 5.0
        weakest = 0.05
        axes = true
        [correct_scan]
        slowest = 20
        [measure_lattice]
        smallest = 20
        [decide_symmetry]
        mass = 0.9
        each = true
        [extract_sub_images]
        weakest = 0.0
        [train_vae]
        detail = 3.0
        [cluster]
        method = "HDBSCAN"
        mistaken = 0.1
        smallest = 0.02
        [paint_map]
        reach = 7.0
        """
    )
    recipe = Recipe.from_toml(path)
    assert (recipe.segment.by.min_snr, recipe.segment.by.min_relative_intensity) == (4, 0.2)
    refine = recipe.refine_atoms
    assert (refine.min_snr, refine.min_distance, refine.min_relative_intensity, refine.fit_axes) == (3, 5, 0.05, True)
    assert (recipe.find_atoms.min_size, recipe.measure_lattice.min_size, recipe.cluster.by.min_size) == (3, 20, 0.02)
    assert (recipe.correct_scan.longest_period, recipe.paint_map.max_distance) == (20, 7)
    assert (recipe.decide_symmetry.hdi_prob, recipe.decide_symmetry.all_kinds) == (0.9, True)
    assert (recipe.train_vae.min_wavelength, recipe.extract_sub_images.min_relative_intensity) == (3, 0)


def test_a_parameter_under_both_names_is_refused():
    with pytest.raises(ValidationError):
        FindAtoms(smallest=2, min_size=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[segmentt]\nx = 1\n", "segmentt: There is no such name; choose from segment, find_atoms"),
        ("[find_atoms]\nlevel = 1\n", "find_atoms.level = 1: There is no such name; choose from threshold"),
        ("[find_atoms]\nthreshold = 'high'\n", "find_atoms.threshold = 'high': Must be a number"),
        ("segment = 3\n", "segment = 3: Must be a table of parameters"),
        ("also = 'describe'\n", "also = 'describe': Must be a list in square brackets"),
        ("also = ['latice']\n", "also = 'latice': There is no such optional step"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused_in_words(tmp_path, text, words):
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        Recipe.from_toml(tmp_path / "recipe.toml")


def test_a_file_that_is_no_text_is_no_recipe(tmp_path):
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a text file; choose a recipe"):
        Recipe.from_toml(tmp_path / "recipe.toml")
