"""Parameters: frozen models whose defaults, ranges and help stand once, on their fields, and choices among several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

ADVANCED: dict[str, Any] = {"advanced": True}
"""For `json_schema_extra` of parameters that few people change; forms show them under More settings."""


def unset(word: str, *, advanced: bool = False) -> dict[str, Any]:
    """For `json_schema_extra` of parameters for which None is a rule, named by a word, and no number to be found."""
    return {"none": word, "advanced": advanced}


SPELT = {
    "kl": "KL",
    "vae": "VAE",
    "cvae": "cVAE",
    "sub images": "sub-images",
    "snr": "SNR",
    "min relative intensity": "min intensity",
    "n init": "starts",
    "hdi prob": "HDI probability",
}


def words(name: str) -> str:
    """`kl_weight` as people read it: KL weight."""
    return re.sub(rf"\b({'|'.join(SPELT)})\b", lambda found: SPELT[found[0]], name.replace("_", " "))


PLAIN = {
    "bool_parsing": "Must be true or false",
    "bool_type": "Must be true or false",
    "dict_type": "Must be a table of parameters",
    "extra_forbidden": "There is no such parameter",
    "finite_number": "Must be a finite number",
    "float_parsing": "Must be a number",
    "float_type": "Must be a number",
    "greater_than": "Must be above {gt:g}",
    "greater_than_equal": "Must be at least {ge:g}",
    "int_from_float": "Must be a whole number",
    "int_parsing": "Must be a whole number",
    "int_type": "Must be a whole number",
    "less_than": "Must be below {lt:g}",
    "less_than_equal": "Must be at most {le:g}",
    "list_type": "Must be a list in square brackets",
    "literal_error": "Must be {expected}",
    "model_attributes_type": "Must be a table of parameters",
    "model_type": "Must be a table of parameters",
    "string_type": "Must be a text in quotation marks",
    "too_long": "Must have at most {max_length} values, not {actual_length}",
    "too_short": "Must have at least {min_length} values, not {actual_length}",
    "tuple_type": "Must be a list in square brackets",
    "union_tag_invalid": "There is no such method; choose from {expected_tags}",
}
"""What is wrong with a value, by the type of error that pydantic reports."""


def sentence(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """What is wrong with the first wrong parameter, in words; with the model, also which names there are."""
    first = error.errors()[0]
    if first["type"] == "extra_forbidden" and kind is not None and (known := _names(kind, path_of(error)[:-1])):
        return f"There is no such name; choose from {', '.join(known)}"
    plain = PLAIN.get(first["type"])
    return plain.format(**first.get("ctx", {})) if plain else first["msg"].removeprefix("Value error, ")


def _names(kind: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the parameters at a place in a model; none where several models are possible there."""
    for part in path:
        found = kind.model_fields[part].annotation if part in kind.model_fields else None
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return []
        kind = found
    return list(kind.model_fields)


def path_of(error: ValidationError) -> list[str]:
    """Names of the parameters that lead to the first wrong one."""
    methods = {*Alternative.all_keys()}
    return [str(part) for part in error.errors()[0]["loc"] if part not in methods]


class Parameters(BaseModel):
    """Frozen parameters; unknown names are refused and earlier names are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    renamed: ClassVar[Mapping[str, str]] = {}
    """Earlier names of fields, which recipes and sessions may still have, to the present ones."""

    @model_validator(mode="before")
    @classmethod
    def _read_renamed(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            cls.renamed.get(name, name) if cls.renamed.get(name) not in given else name: value
            for name, value in given.items()
        }

    def replace(self, **values: Any) -> Self:
        """The same with other values, which are checked."""
        return type(self)(**(dict(self) | values))


class Alternative(Parameters):
    """One method of several, with the parameters of this method alone. The field `method` holds its name."""

    method: str

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        known = {*cls.model_fields, *cls.renamed}
        if isinstance(given, dict) and (unknown := [name for name in given if name not in known]):
            own = ", ".join(name for name in cls.model_fields if name != "method") or "none"
            raise ValueError(f"{unknown[0]} is not a parameter of {cls.key()}; its parameters are: {own}")
        return given

    @classmethod
    def key(cls) -> str:
        """The value of `method`."""
        return str(cls.model_fields["method"].default)

    @classmethod
    def in_a_word(cls) -> str:
        """What the method is, and its parameters."""
        says = (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")
        own = ", ".join(words(name) for name in cls.model_fields if name != "method")
        return says[0].lower() + says[1:] + (f" ({own})" if own else "")

    @classmethod
    def all_keys(cls) -> Iterator[str]:
        """The values of `method` of all alternatives."""
        for kind in cls.__subclasses__():
            if isinstance(kind.model_fields["method"].default, str):
                yield kind.key()
            yield from kind.all_keys()

    @classmethod
    def read(cls, given: Any, handler: Callable[[Any], Any], default: type[Alternative]) -> Any:
        """For a wrap validator of a field with alternatives: a name alone, or parameters without one, are read too.

        Without a name the parameters are those of the default, and `method` is not among the fields that were set.
        """
        if isinstance(given, str):
            given = {"method": given}
        if not isinstance(given, dict) or "method" in given:
            return handler(given)
        made = handler({**given, "method": default.key()})
        return type(made).model_construct(made.model_fields_set - {"method"}, **dict(made))


def listed(text: str, *kinds: type[Alternative]) -> str:
    """The help of a field with alternatives: what it is, then each method with its own parameters."""
    return " ".join([text, *(f"{kind.key()}: {kind.in_a_word()}." for kind in kinds)])


def gathered(given: Any, field: str, kinds: tuple[type[Alternative], ...]) -> Any:
    """Parameters of 0.1.0, which had those of all methods side by side, with those of the chosen method gathered.

    The first of `kinds` is the default. Values of other methods had no effect then and are left out; where no method is
    named, only if they are the defaults.
    """
    flat = {name for kind in kinds for name in (*kind.model_fields, *kind.renamed)}
    if not isinstance(given, dict) or field in given or not flat & {*given}:
        return given
    key = given.get("method", kinds[0].key())
    chosen = next((kind for kind in kinds if kind.key() == key), None)
    if chosen is None:
        return {field: key}
    own = {name: value for name, value in given.items() if name in (*chosen.model_fields, *chosen.renamed)}
    for name in flat & {*given} - {*own} if "method" not in given else ():
        kind = next(kind for kind in kinds if name in (*kind.model_fields, *kind.renamed))
        if given[name] != kind.model_fields[kind.renamed.get(name, name)].default:
            raise ValueError(f"{name} is a parameter of the method {kind.key()}; choose this method as well")
    return {**{name: value for name, value in given.items() if name not in flat}, field: own}
