"""Figure of a profile."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from local_crystallography.report.symmetry import write_figure
from local_crystallography.studies.profile import Profile
from local_crystallography.views.axis import axis_of


def profile_figure(profile: Profile, column: str) -> Figure:
    """Means of the atomic planes with standard errors against the distance, one line for each class."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes, axis = figure.subplots(), axis_of(column)
    size = profile.pixel_size
    for name in profile.series:
        factor = axis.factor if name == column else 1.0
        mean, error = (factor * part for part in profile.values(name))
        axes.errorbar(profile.distance * (size or 1.0), mean, error, fmt="o-", ms=3, lw=1, capsize=2, label=name)
    if len(profile.series) > 1:
        axes.legend(frameon=False)
    axes.set_xlabel(f"distance ({'px' if size is None else 'nm'})")
    axes.set_ylabel(axis.label if column in profile.series else "share")
    axes.set_title(profile.words(), fontsize=9)
    return figure


def save_profile(path: Path, profile: Profile, column: str) -> None:
    """Write the figure in the format of the suffix."""
    write_figure(profile_figure(profile, column), path)
