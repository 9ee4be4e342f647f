"""Four clusters of latents for the tests of plots, and hands that draw around them."""

import numpy as np
import pandas as pd

CENTRES = np.array([(-2, -2), (2, -2), (-2, 2), (2, 2)], float)


def clusters(n=400):
    rng = np.random.default_rng(0)
    label = np.arange(n) % 4
    z = CENTRES[label] + rng.uniform(-0.5, 0.5, (n, 2))
    columns = {"z0": z[:, 0], "z1": z[:, 1], "angle_rad": np.pi * (1 + 0.1 * z[:, 0]), "label": label}
    return pd.DataFrame({"id": np.arange(n), **columns, "x_px": np.arange(n) * 2.0, "y_px": np.arange(n) * 1.0})


def around(k, reach=0.6):
    """A square walked in small steps."""
    corners = reach * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)])
    steps = np.arange(0, 4, 0.2)
    return CENTRES[k] + np.stack([np.interp(steps, range(5), axis) for axis in corners.T], axis=1)


def pick(view, role, name):
    view.combos[role].setCurrentText(name)
    view.combos[role].activated.emit(view.combos[role].currentIndex())
