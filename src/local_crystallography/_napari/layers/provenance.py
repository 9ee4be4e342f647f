"""Provenance of a result in the metadata of its layer."""

from __future__ import annotations

from typing import Any

from local_crystallography.analysis import Analysis


def note(analysis: Analysis, image_layer: Any, name: str, last: str | None = None) -> dict[str, Any]:
    """The note on a result of an image: its name, and the steps up to the last that led to it; None: all steps."""
    order = list(type(analysis.recipe).model_fields)
    used = order if last is None else order[: order.index(last) + 1]
    steps = {step_name: step.model_dump() for step_name, step in analysis.used.items() if step_name in used}
    image = analysis.image
    return {
        "result": name,
        "of": str(image_layer.unique_id),
        "image": image.name if image else "",
        "steps": steps,
        "metadata": image.metadata if image else {},
    }
