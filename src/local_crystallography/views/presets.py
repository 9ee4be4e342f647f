"""Plots as in the figures of the paper."""

from __future__ import annotations

from collections.abc import Collection

from local_crystallography.views.plot_data import Choice

LATENTS = Choice("z0", "z1", "label", "contours")
ANGLE = Choice("angle_rad", "z1", "label", "contours")
OFFSETS = Choice("offset_x_px", "offset_y_px", "label")
IMAGE = Choice("x_nm", "y_nm", "label")
FURTHER = (LATENTS, ANGLE, OFFSETS, IMAGE)
"""What plots that are added show, the first that is not there yet."""
MOST_PLOTS = len(FURTHER)

PRESETS: dict[str, tuple[Choice, ...]] = {
    "Latents (z0, z1)": (LATENTS,),
    "Angle and latent (angle, z1)": (ANGLE,),
    "Offsets": (OFFSETS,),
    "Image (x, y)": (IMAGE,),
    "Latents, angle, offsets": (LATENTS, ANGLE, OFFSETS),
    "Histograms": tuple(
        Choice(x, "z1", "label", "histogram (stacked)") for x in ("angle_rad", "offset_x_px", "z0", "z1")
    ),
}
TIPS = {
    "Latents (z0, z1)": "Distribution of the latents, as in Fig. 5a",
    "Angle and latent (angle, z1)": "Angle and second latent, which tell atoms apart best, as in Fig. 5b",
    "Offsets": "Where atoms lie within their sub-images",
    "Image (x, y)": "Atoms where they are in the image",
    "Latents, angle, offsets": "Three plots side by side",
    "Histograms": "Angle, offset and latents by class, as in Figs. S1, S4 and S7",
}


def has_columns(preset: str, columns: Collection[str]) -> bool:
    """Whether a table has what the axes of a preset show."""
    names = {name for choice in PRESETS[preset] for name in (choice.x, choice.y)}
    return all(name in columns or name.replace("_nm", "_px") in columns for name in names)


def further(choices: list[Choice], number: int) -> list[Choice]:
    """The requested number of plots: the first of the present ones, then others."""
    shown = {(choice.x, choice.y) for choice in choices}
    others = [choice for choice in FURTHER if (choice.x, choice.y) not in shown]
    return [*choices, *others, *FURTHER][:number]
