"""The exception whose message is meant for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used; the message says what is wrong and what to do."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Context in which a failure to write a file or folder becomes an `InputError`.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); choose another location.") from error
