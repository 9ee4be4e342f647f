"""Look of classes in the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from local_crystallography.views.styles import ClassStyles


def class_look(column: str, styles: ClassStyles) -> dict[str, Any]:
    """Colours of a map of classes, and their names for napari to show; class k is label k + 1."""
    from napari.utils.colormaps import CyclicLabelColormap

    palette = styles.palette(column)
    # cyclic as the palette is; a direct colormap costs a second of compiling
    colormap = CyclicLabelColormap(colors=np.vstack([np.zeros(4), palette]), background_value=0)
    names = [styles.name(column, number) for number in range(len(palette))]
    return {"colormap": colormap, "features": pd.DataFrame({"index": np.arange(len(names)) + 1, "class": names})}
