"""Trained variational autoencoder: settings and weights, encoding and decoding."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.stats import norm
from torch import Tensor
from torch.nn import functional as F

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Cancelled, Job, Progress, finish
from local_crystallography.models.amortised import AmortisedNetwork
from local_crystallography.models.harmonic import ANGLES, HarmonicNetwork
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.network import Inferred
from local_crystallography.models.rows import CHUNK, Labels, one_hot, pictures, rows
from local_crystallography.models.settings import VaeSettings

Array = npt.NDArray[np.float32]
ORDERS = (2, 3, 4, 6)
ALIKE = 0.8
UNSETTLED = "The training has not converged: its held-out loss was still falling. Train for more epochs."
INFORMATIVE = 0.05
"""Nats below which a latent counts as uninformative."""


@dataclass(frozen=True)
class Vae:
    """A trained network. Windows are (n, w, w), or (n, w, w, C) with several channels.

    A network with the harmonic decoder uses only the disc inscribed in the window. `labels` (n,) are required for, and
    only accepted by, a network that is conditional on classes.
    """

    settings: VaeSettings
    weights: dict[str, Tensor]

    @cached_property
    def network(self) -> HarmonicNetwork | AmortisedNetwork:
        """Network with its weights, in evaluation mode."""
        network = self.settings.network(torch.Generator())
        network.load_state_dict(self.weights)
        return network.eval().requires_grad_(False)

    @cached_property
    def harmonics(self) -> Harmonics:
        """Basis of the sub-images."""
        return self.settings.harmonics

    @property
    def noise(self) -> float:
        """Standard deviation of the noise of the sub-images (first channel), in their units."""
        return float(self.weights["likelihood.noise"][0]) * self.settings.scale[0]

    @property
    def offset_prior(self) -> float | None:
        """Standard deviation of the offset prior, pixels, learned or set; None without a pose."""
        if not self.settings.turns:
            return None
        return float(self.weights["s_offset"]) if "s_offset" in self.weights else self.settings.s_offset

    @property
    def empty(self) -> list[int]:
        """Numbers of the uninformative latents."""
        return [i for i, nats in enumerate(self.settings.nats) if nats < INFORMATIVE]

    @property
    def remarks(self) -> list[str]:
        """Warnings about the training, in sentences; empty where all went well."""
        remarks = []
        if len(self.empty) == self.settings.latents:
            remarks.append(
                "No latent is informative: the sub-images differ only in noise and pose, or the latents collapsed; if "
                "you see differences, lower the KL weight, train longer or use more restarts."
            )
        elif self.empty:
            names, verb = ", ".join(f"z{i}" for i in self.empty), "is" if len(self.empty) == 1 else "are"
            remarks.append(f"{names} {verb} not informative about the sub-images; fewer latents would suffice.")
        if self.settings.unsettled:
            remarks.append(UNSETTLED)
        return remarks

    def encode(self, windows: npt.NDArray[np.floating], labels: Labels = None) -> pd.DataFrame:
        """Posterior mean and standard deviation of angle, offset and latents of every sub-image.

        Columns: angle_rad (counter-clockwise as displayed, in [-pi, pi)), angle_std_rad, offset_y_px, offset_x_px (of
        the motif from the centre of the window, along the axes of the image) where the network has a pose; z0, z1, …,
        z0_std, …, and reconstruction_error (residual variance over the variance of the noise, 1 where the model fits).

        Raises
        ------
        InputError
            For windows with another size or number of channels than in the training, for unknown labels, and for
            labels that are missing or not accepted.
        """
        return finish(self.encoding(windows, labels))

    def encoding(self, windows: npt.NDArray[np.floating], labels: Labels = None) -> Job[pd.DataFrame]:
        """`encode` as a job, which where it is stopped raises Cancelled."""
        tables, done = [], 0
        for x, classes in self._parts(windows, labels):
            if (yield Progress(done / len(windows), f"encoding atoms: {done:,} of {len(windows):,}")):
                raise Cancelled
            tables.append(self._encode(x, classes))
            done += len(x)
        return pd.concat(tables, ignore_index=True)

    def angle_posterior(self, windows: npt.NDArray[np.floating], labels: Labels = None) -> tuple[Array, Array]:
        """Angles (128,) in radians and the posterior probability of each for every sub-image, (n, 128).

        A motif with n-fold rotational symmetry has n equal peaks. The offset is held at its best value.

        Raises
        ------
        InputError
            Where the network has no angle.
        """
        if not self.settings.turns:
            raise InputError("This network has no angle; train one of kind rvae or crvae.")
        angle = -math.pi + 2 * math.pi / ANGLES * torch.arange(ANGLES)
        parts = [angle_probability(self.network, x, classes, angle) for x, classes in self._parts(windows, labels)]
        return angle.numpy(), torch.cat(parts).numpy()

    def symmetry_order(
        self, z: npt.ArrayLike, labels: Labels = None, *, groups: npt.ArrayLike | None = None
    ) -> npt.NDArray[np.int64]:
        """(n,) rotational symmetry order, 1, 2, 3, 4 or 6, of the canonical image of each latent point (n, d).

        It is the highest order with a correlation above 0.8 between the image and its rotated copy, without the
        rotationally invariant part. With `groups` (n,) the correlations of each group are averaged, so that all its
        members have the same order.
        """
        points = np.atleast_2d(np.asarray(z, np.float32))
        parts = [slice(i, i + CHUNK) for i in range(0, len(points), CHUNK)]
        alike = np.concatenate(
            [correlations(self.harmonics, self.decode(points[p], None if labels is None else labels[p])) for p in parts]
        )
        if groups is not None:
            group = np.unique(np.asarray(groups), return_inverse=True)[1]
            alike = (np.stack([np.bincount(group, each) for each in alike.T], axis=1) / np.bincount(group)[:, None])[
                group
            ]
        return np.asarray(np.maximum((np.array(ORDERS) * (alike > ALIKE)).max(axis=1), 1), np.int64)

    def decode(self, z: npt.ArrayLike, labels: Labels = None) -> Array:
        """Canonical images of latent points (n, d), in the units of the sub-images: (n, w, w), or (n, w, w, C).

        With the harmonic decoder they are zero outside the disc.
        """
        points = torch.as_tensor(np.atleast_2d(np.asarray(z, np.float32)))
        if points.shape[1] != self.settings.latents:
            raise InputError(
                f"Latent points need {self.settings.latents} numbers each, not {points.shape[1]}; leave out angle and "
                "offset."
            )
        return pictures(self.network.decode(points, self._classes(labels, len(points))), self.settings)

    def reconstruct(self, windows: npt.NDArray[np.floating], labels: Labels = None) -> Array:
        """Reconstruction of every sub-image in its own pose, with the shape of the windows."""
        images = torch.cat([self.network.infer(x, classes).image for x, classes in self._parts(windows, labels)])
        if self.settings.decoder == "harmonic":
            images = self._sheared(images, self.settings.shear)
        return pictures(images, self.settings)

    def manifold(self, n: int = 9, label: int | None = None) -> Array:
        """(n, n, w, w) canonical images over the quantiles 5 % to 95 % of the first two latents (Fig. 4b).

        z0 increases along the second axis (to the right), z1 against the first (upwards); other latents are 0. With one
        latent all rows are equal. A conditional network shows the class of the label.
        """
        ticks = norm.ppf(np.linspace(0.05, 0.95, n))
        z = np.zeros((n, n, self.settings.latents), np.float32)
        z[..., 0] = ticks[None, :]
        if self.settings.latents > 1:
            z[..., 1] = ticks[::-1, None]
        images = self.decode(z.reshape(n * n, -1), None if label is None else np.full(n * n, label))
        return images.reshape(n, n, *images.shape[1:])

    def traverse(self, latent: int, n: int = 9, label: int | None = None) -> Array:
        """(n, w, w) canonical images over the quantiles 5 % to 95 % of one latent, the others 0."""
        if not 0 <= latent < self.settings.latents:
            raise InputError(f"There is no latent {latent}; choose one from 0 to {self.settings.latents - 1}.")
        z = np.zeros((n, self.settings.latents), np.float32)
        z[:, latent] = norm.ppf(np.linspace(0.05, 0.95, n))
        return self.decode(z, None if label is None else np.full(n, label))

    def tableaux(self, n: int = 3) -> Array:
        """(K, n, n, w, w) manifold of every class, in the order of `settings.classes` (Fig. 6).

        The latent space is common to all classes, so images at the same position differ by class alone. Subtract
        `tableaux.mean(axis=(1, 2), keepdims=True)` for the lower half of that figure.
        """
        if not self.settings.classes:
            raise InputError("This network has no classes; train one of kind cvae or crvae.")
        return np.stack([self.manifold(n, label) for label in self.settings.classes])

    def _encode(self, x: Tensor, classes: Tensor) -> pd.DataFrame:
        found, likelihood = self.network.infer(x, classes), self.network.likelihood
        columns = self._pose(found)
        columns |= {f"z{i}": found.mean[:, i] for i in range(self.settings.latents)}
        columns |= {f"z{i}_std": found.std[:, i] for i in range(self.settings.latents)}
        columns["reconstruction_error"] = (likelihood.residual(x, found.image) / likelihood.noise**2).mean(1)
        return pd.DataFrame({name: value.double().numpy() for name, value in columns.items()})

    def _pose(self, found: Inferred) -> dict[str, Tensor]:
        if found.angle is None or found.angle_std is None or found.offset is None:
            return {}
        offset = found.offset @ shear_matrix(self.settings.shear).T
        return {
            "angle_rad": found.angle,
            "angle_std_rad": found.angle_std,
            "offset_y_px": offset[:, 0],
            "offset_x_px": offset[:, 1],
        }

    def _parts(self, windows: npt.NDArray[np.floating], labels: Labels) -> Iterator[tuple[Tensor, Tensor]]:
        """Input rows and classes of windows, in parts to limit memory."""
        x, classes = self._rows(windows), self._classes(labels, len(windows))
        return zip(torch.split(x, CHUNK), torch.split(classes, CHUNK), strict=True)

    def _rows(self, windows: npt.NDArray[np.floating]) -> Tensor:
        s = self.settings
        shape = (s.window_size, s.window_size) + ((s.channels,) if s.channels > 1 else ())
        if windows.shape[1:] != shape and windows.shape[1:] != (*shape, 1):
            raise InputError(
                f"The network was trained on sub-images of {' x '.join(map(str, shape))}, but these are "
                f"{' x '.join(map(str, windows.shape[1:]))}; extract them as for the training."
            )
        return rows(windows, s)

    def _classes(self, labels: Labels, n: int) -> Tensor:
        return one_hot(labels, self.settings.classes, n)

    def _sheared(self, images: Tensor, shear: tuple[float, float]) -> Tensor:
        matrix = torch.as_tensor(self.harmonics.sheared(shear), dtype=torch.float32)
        parts = images.view(len(images), len(matrix), -1)
        return torch.einsum("pq,nqc->npc", matrix, parts).flatten(1)


def angle_probability(network: HarmonicNetwork | AmortisedNetwork, x: Tensor, classes: Tensor, angle: Tensor) -> Tensor:
    """(n, 128) posterior probability of each angle for rows x (n, D), see `Vae.angle_posterior`."""
    found = network.infer(x, classes)
    assert found.offset is not None
    assert found.angle is not None
    if isinstance(network, HarmonicNetwork):
        score = network.score(network.shift(x, -found.offset), network.decode(found.mean, classes))
        log = network.log_angle(score).roll(ANGLES // 2, dims=1)  # the grid starts at 0, the result at -pi
    else:
        away = (angle - found.angle[:, None] + math.pi) % (2 * math.pi) - math.pi
        log = -0.5 * (away / found.angle_std[:, None]) ** 2  # type: ignore[index]
    return F.softmax(log, dim=1)


def shear_matrix(shear: tuple[float, float]) -> Tensor:
    """(2, 2) matrix by which a shear transforms a small vector (y, x)."""
    along, diagonal = shear
    matrix: Tensor = torch.linalg.matrix_exp(torch.tensor([[-along, diagonal], [diagonal, along]]))
    return matrix


def correlations(harmonics: Harmonics, images: Array) -> Array:
    """(n, orders) correlations of images (n, w, w) or (n, w, w, C) with their rotated copies, see `symmetry_order`."""
    pixels = images.reshape(len(images), harmonics.window_size**2, -1)
    c = np.einsum("qp,npc->nqc", harmonics.analysis, pixels, optimize=True)
    power = (c**2).sum(axis=2).reshape(len(c), 2, -1).sum(axis=1) @ np.eye(harmonics.orders.max() + 1)[harmonics.orders]
    power[:, 0] = 0
    phases = np.arange(power.shape[1])[:, None] * 2 * np.pi / np.array(ORDERS)
    return np.asarray(power @ np.cos(phases) / np.maximum(power.sum(axis=1, keepdims=True), 1e-12), np.float64)
