"""A table of atoms with latents, angles and classes for the tests of plots."""

import numpy as np
import pandas as pd

from local_crystallography.views.plot_data import Choice, key_of, plot_data
from local_crystallography.views.styles import ClassStyles

N = 200
TABLE = pd.DataFrame(
    {
        "z0": np.linspace(-1, 1, N),
        "z1": np.linspace(1, -1, N) ** 2,
        "angle_rad": np.linspace(-np.pi, np.pi, N, endpoint=False),
        "label": np.where(np.arange(N) < 20, -1, np.arange(N) % 3),
        "x_px": np.arange(N) * 2.0,
        "y_px": np.arange(N) * 1.0,
    }
)


def data(x="z0", y="z1", colour="label", mode="points", table=TABLE, styles=None, dark=True):
    key = key_of(table, colour, styles or ClassStyles(), dark=dark)
    return plot_data(table, Choice(x, y, colour, mode), key)
