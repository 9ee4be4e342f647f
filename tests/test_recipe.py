"""The recipe: parameters are written once, survive their file, and bad ones are said."""

import pytest
from pydantic import ValidationError

from local_crystallography import Recipe, Segment, TrainVae
from local_crystallography.data.errors import InputError


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(segment=Segment(spacing=12.25, contrast="dark"), train_vae=TrainVae(learning_rate=1e-5, epochs=7)),
    ],
)
def test_a_recipe_survives_its_file(tmp_path, recipe):
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert Recipe.from_toml(tmp_path / "recipe.toml") == recipe


@pytest.mark.parametrize("step", Recipe().steps, ids=lambda s: s.name())
def test_every_parameter_has_one_sentence_of_help_and_bounds(step):
    for name, field in type(step).model_fields.items():
        assert (field.description or "").endswith("."), name
        if any(kind in str(field.annotation) for kind in ("int", "float")) and "tuple" not in str(field.annotation):
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


@pytest.mark.parametrize("wrong", [{"treshold": 0.5}, {"threshold": 2}])
def test_misspelt_and_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValidationError):
        Recipe.model_validate({"find_atoms": wrong})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[find_atoms]\nthreshold = 7", "find_atoms.threshold = 7"),
        ("[find_atom]", "find_atom"),
        ("not toml", "a recipe in TOML was expected"),
    ],
)
def test_a_bad_file_is_said_with_its_line(tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        Recipe.from_toml(path)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Recipe.from_toml(tmp_path / "none.toml")
