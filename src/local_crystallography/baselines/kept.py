"""Cache of results that lives as long as the sub-images from which they were computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from local_crystallography.data.subimages import SubImages

T = TypeVar("T")


class Kept(Generic[T]):
    """Cached function of sub-images and settings; its results must not be modified."""

    def __init__(self, function: Callable[..., T]) -> None:
        self._function = function
        self._results: WeakKeyDictionary[SubImages, dict[Hashable, T]] = WeakKeyDictionary()

    def __call__(self, sub_images: SubImages, **settings: Hashable) -> T:
        mine, key = self._results.setdefault(sub_images, {}), _key(settings)
        if key not in mine:
            mine[key] = self._function(sub_images, **settings)
        return mine[key]

    def has(self, sub_images: SubImages, **settings: Hashable) -> bool:
        """Whether the result is cached."""
        return _key(settings) in self._results.get(sub_images, {})


def _key(settings: dict[str, Hashable]) -> Hashable:
    return tuple(sorted(settings.items()))
