"""Ways to infer the rotation, side by side: randomly rotated hexagons and squares, otherwise default settings.

    python benchmarks/leads.py [--seeds 3]

Prints a Markdown table; cells are the median over the seeds and, if they differ, the lowest and the highest.
"""

import argparse
import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from rvae import concordance, motif_windows, patch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn
from torch.nn import functional as F

from local_crystallography import Atoms, Cluster, Describe, GaussianMixture, SubImages, TrainVae
from local_crystallography.data.progress import finish
from local_crystallography.models import start
from local_crystallography.models.encoders import InvariantEncoder
from local_crystallography.models.harmonic import FAR_STEPS, OFFSET_STEPS, HarmonicNetwork, determinant
from local_crystallography.models.network import Divergence, Residuals, draw, normal_divergence, split_normal
from local_crystallography.models.rows import rows
from local_crystallography.models.vae import Vae

Encode = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
"""Windows (n, w, w) to columns (n, d) that should be rotationally invariant, and the angle (n,) if there is one."""
FREE = 100.0
SPATIAL = {"decoder": "coordinates", "rotation_prior": np.pi / 3, "batch_size": 32, "learning_rate": 0.003}
"""With the default batch and step there are too few steps in a minute, and the angle collapses."""


class AttentionEncoder(InvariantEncoder):
    """Responses of steerable filters at every direction: pooled they give the latents, each one gives a logit."""

    def __init__(self, orders: Tensor, *, hidden: int, classes: int, outputs: int) -> None:
        super().__init__(orders, hidden=hidden, classes=classes, outputs=outputs)
        self.logit = nn.Linear(max(4, hidden // 2), 1)
        self.middle.register_forward_hook(lambda _layer, _given, answers: setattr(self, "answers", F.silu(answers)))

    def log_attention(self) -> Tensor:
        """(n, 32) log q(angle | x) of the rows last encoded: rotating the image shifts it along the directions."""
        return F.log_softmax(self.logit(self.answers)[..., 0].T, dim=1)


class AttentionNetwork(HarmonicNetwork):
    """The angle is one of 32, given by the encoder; the offset is marginalised at the angle of highest attention."""

    def align(self, c: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Angle of highest attention (for the rows last encoded) and its spacing, offset, image in that pose."""
        spacing = 2 * math.pi / self.encoder.directions
        angle = spacing * self.encoder.log_attention().argmax(1)
        turned = self.rotate(image, angle)
        offset = self.offset(c, turned, steps=OFFSET_STEPS if torch.is_grad_enabled() else FAR_STEPS)
        return angle, torch.full_like(angle, spacing), offset, self.shift(turned, offset)

    def evidence(self, x: Tensor, classes: Tensor, divergence: Divergence, generator: torch.Generator):
        """Sum over q of log p(x | z, angle) - log q + log prior, less the divergence of the latents."""
        mean, log_std = split_normal(self.encoder(x, classes))
        log_q = self.encoder.log_attention()
        image = self.decode(draw(mean, log_std, generator), classes)
        _, _, offset, moved = self.align(x, image)
        precision = self.with_prior(self.likelihood.pull(x, moved, self.slopes(moved))[1])
        squares = offset.square().sum(1)
        from_offset = squares / (2 * self.s_offset**2) + 0.5 * determinant(precision).log() + 2 * self.s_offset.log()
        scores = self.score(x, image).flatten(1) @ self.encoder.waves
        others = (log_q.exp() * scores).sum(1) - scores.gather(1, log_q.argmax(1, keepdim=True))[:, 0]
        nats = (log_q.exp() * (log_q + math.log(self.encoder.directions))).sum(1)
        evidence = self.likelihood.log(x, moved) + others - from_offset - divergence.weight * nats
        share = (self.likelihood.noise**2 * 2 / self.likelihood.numbers) * others[:, None]
        residuals = Residuals(self.likelihood.residual(x, moved) - share.detach(), squares / 2 + 1 / precision[:, 0, 0])
        return evidence - divergence(normal_divergence(mean, log_std)), residuals


def latents(vae: Vae, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latents and angle as a network gives them."""
    columns = vae.encode(windows)
    return columns[["z0", "z1"]].to_numpy(), columns["angle_rad"].to_numpy()


@torch.no_grad()
def refined(vae: Vae, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angle estimated again: the canonical image against every sub-image at all angles, then Newton steps."""
    settings = vae.settings.model_copy(update={"decoder": "harmonic", "encoder": "invariant", "s_gamma": FREE})
    network, (z, _) = settings.network(torch.Generator()), latents(vae, windows)
    x, image = (rows(pictures, settings) for pictures in (windows, vae.decode(z)))
    network.likelihood.learn(network.likelihood.residual(x, network.align(x, image)[3]), rate=1)
    return z, network.align(x, image)[0].double().numpy()


def network_of(part: SubImages, seed: int, *, ask: Callable = latents, **options: object) -> Encode:
    """A network of the project that gives latents and angle."""
    return partial(ask, TrainVae(seed=seed, **options)(part))


def attention(part: SubImages, seed: int) -> Encode:
    """Attention over discretised rotations, started from the exact marginal after one pass."""
    torch.manual_seed(seed)
    plan = TrainVae(seed=seed, rotation_prior=FREE).resolve(part)
    kept, start.SHEAR_PRIOR = start.SHEAR_PRIOR, 1e-5  # no scan is sheared here, and one pass could not find that
    vae = finish(plan.model_copy(update={"epochs": 1})(part))
    start.SHEAR_PRIOR = kept
    own, sizes = vae.network, {"hidden": plan.hidden, "classes": 0}
    encoder = AttentionEncoder(own.orders, outputs=2 * plan.latents, **sizes)
    network = AttentionNetwork(vae.harmonics, own.likelihood, encoder, latents=plan.latents, **sizes)
    network.set_priors(s_gamma=FREE, s_offset=None)
    network.load_state_dict(vae.weights, strict=False)
    optimise(network, rows(part.windows, vae.settings), plan)
    vae.__dict__["network"] = network.requires_grad_(False)
    return partial(latents, vae)


def optimise(network: AttentionNetwork, x: Tensor, plan: TrainVae) -> None:
    """Adam with a cosine schedule, warm-up of the divergences and learned noise, as in models/training.py."""
    draws = torch.Generator().manual_seed(plan.seed)
    steps = plan.epochs * max(1, round(0.9 * len(x) / plan.batch_size))
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        chosen = x[torch.randperm(len(x), generator=draws)[: plan.batch_size]]
        divergence = Divergence(min(1.0, step / steps / plan.warm_up))
        losses, residuals = network.loss(chosen, torch.zeros(len(chosen), 0), divergence, draws)
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        network.learn(residuals.mean())


def zernike(windows: np.ndarray) -> tuple[np.ndarray, None]:
    """Components of the Zernike moments."""
    part = SubImages(windows, Atoms.at(np.zeros((len(windows), 2))))
    return Describe()(part, part.atoms).features[["zernike0", "zernike1", "zernike2"]].to_numpy(), None


WAYS: dict[str, Callable[[SubImages, int], Encode]] = {
    "exact marginal, invariant encoder": partial(network_of, rotation_prior=FREE),
    "exact marginal, dense encoder": partial(network_of, rotation_prior=FREE, encoder="dense"),
    "exact marginal, convolutional encoder": partial(network_of, rotation_prior=FREE, encoder="convolutional"),
    "attention over 32 rotations": attention,
    "amortised Gaussian, canonical decoder": partial(network_of, decoder="canonical", rotation_prior=3),
    "the same, angle refined per atom": partial(network_of, ask=refined, decoder="canonical", rotation_prior=3),
    "amortised Gaussian, spatial decoder": partial(network_of, epochs=70, **SPATIAL),
    "Zernike moments": lambda part, seed: zernike,
}


def turned(seed: int, *, n: int = 400, side: int = 20) -> tuple[np.ndarray, ...]:
    """Hexagons and squares without noise, and the same rotated as a whole, by any angle."""
    random = np.random.default_rng(1000 + seed)
    angle, turn = random.uniform(-np.pi, np.pi, (2, n))
    shift = random.uniform(-0.5, 0.5, n) + 1j * random.uniform(-0.5, 0.5, n)
    poses = ((angle, shift), (angle + turn, shift * np.exp(1j * turn)))  # real part to the right, imaginary upwards
    pairs = [[patch(a[i], (-s[i].imag, s[i].real), 4 + i % 2 * 2, side) for i in range(n)] for a, s in poses]
    return tuple(np.array(pairs, np.float32))


def measure(way: Callable[[SubImages, int], Encode], seed: int) -> list[float]:
    """The columns of the table."""
    windows, fold, angle = motif_windows(seed)
    part, clock = SubImages(windows, Atoms.at(np.zeros((len(windows), 2)))), (time.perf_counter(), time.process_time())
    encode = way(part, seed)
    z, found = encode(windows)
    seconds = time.perf_counter() - clock[0], time.process_time() - clock[1]
    columns = part.atoms.with_features(**{f"z{i}": column for i, column in enumerate(z.T)})
    step = Cluster(columns=tuple(f"z{i}" for i in range(z.shape[1])), by=GaussianMixture(classes=2), seed=seed)
    label = step(columns).features["label"]
    agreement = [np.nan, np.nan] if found is None else [concordance(fold, angle, found, of) for of in (6, 4)]
    z, before, after = np.split(encode(np.concatenate([windows, *turned(seed)]))[0], [len(z), len(z) + 400])
    change = np.sqrt(((after - before) ** 2).mean(axis=0).sum() / z.var(axis=0).sum())
    return [adjusted_rand_score(fold, label), *agreement, change, *seconds]


def cell(values: np.ndarray, form: str) -> str:
    """Median, lowest and highest of the seeds."""
    middle, low, high = (format(value, form) for value in np.percentile(values, (50, 0, 100)))
    return middle if low == high else f"{middle} ({low} to {high})"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ["adjusted Rand", "6-fold", "4-fold", "latents changed by rotation, over spread", "seconds", "CPU seconds"]
    print("| inference of the rotation | " + " | ".join(names) + " |\n" + "| --- " * (len(names) + 1) + "|")
    for name, way in WAYS.items():
        found = np.array([measure(way, seed) for seed in range(options.seeds)])
        cells = [cell(column, form) for column, form in zip(found.T, (".3f",) * 3 + (".1%", ".0f", ".0f"), strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
