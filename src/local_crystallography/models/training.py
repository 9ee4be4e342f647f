"""Training of a variational autoencoder, as a generator that reports progress and can be stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Columns, Job, Progress
from local_crystallography.models.amortised import CanonicalDecoder
from local_crystallography.models.checkpoint import Checkpoint, fingerprint, optimizer_state
from local_crystallography.models.glance import glance
from local_crystallography.models.harmonic import HarmonicNetwork
from local_crystallography.models.parallel import Ranks
from local_crystallography.models.plan import Plan
from local_crystallography.models.rows import CHUNK, Labels, one_hot, parts_of_rows, rows
from local_crystallography.models.settings import VaeSettings
from local_crystallography.models.start import CLEARLY, start
from local_crystallography.models.vae import Vae

Array = npt.NDArray[np.float32]
Batch = tuple[Tensor, Tensor]
FEWEST = 20
HELD_OUT = 0.1
START_SAMPLE = 1000
SURE = 0.01
"""Largest shear that is not checked by a training without it: this is its error for a single orientation."""
LAST, FALLING = 0.1, 0.02
"""The held-out loss is still falling if this last fraction of the epochs made up this fraction of its decrease."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Single-threaded torch, which is fastest for small networks: more threads mostly wait for each other.

    Denormal numbers are flushed to zero, as they are slow.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def train(windows: Array, settings: VaeSettings, plan: Plan, labels: Labels = None) -> Job[Vae]:
    """Fit a network to sub-images (n, w, w) or (n, w, w, C).

    Yields Progress after every batch and returns the best network so far.
    Maximises the evidence lower bound (Eq. 2), also with respect to the variance of the noise. The weights with the
    lowest loss on a held-out tenth are kept, over all restarts. `labels` (n,) are for a network that is conditional on
    classes.

    Raises
    ------
    InputError
        For fewer than 20 sub-images, a loss that is not finite, or a checkpoint of another training.
    """
    if len(windows) < FEWEST:
        raise InputError(
            f"{len(windows)} sub-images are too few for training, which needs at least {FEWEST}; find more atoms or "
            "use a smaller window."
        )
    data = Data(windows, one_hot(labels, settings.classes, len(windows)))
    belongs = fingerprint(windows, labels, settings, replace(plan, checkpoint=None))
    saved = None
    if plan.checkpoint is not None and plan.checkpoint.exists():
        saved = Checkpoint.read(plan.checkpoint, belongs)
    best = None if saved is None else saved.best
    number, stopped = 0 if saved is None else saved.run, False
    while number < 2 * plan.restarts and not stopped:
        run = Run(plan, number, settings, best, belongs)
        best, stopped = yield from run.fit(data, saved)
        saved = None
        number += 1 if run.doubtful or number % 2 else 2
    assert best is not None
    return best


@dataclass(frozen=True)
class Data:
    """Windows and their one-hot classes (n, K)."""

    windows: Array
    classes: Tensor

    def some(self, settings: VaeSettings, which: Tensor) -> tuple[Tensor, Tensor]:
        """Input rows and classes of some windows, by number."""
        return rows(self.windows[which.numpy()], settings), self.classes[which]


class Run:
    """One training from one initialisation.

    Several motifs can look like a single sheared one. Where a shear was found, the training is therefore repeated
    without it, and the better network is kept; if both are nearly equal, the one with the shear, which leaves the
    latents free for other differences. Runs of even number estimate the shear, those of odd number repeat them without.
    """

    def __init__(self, plan: Plan, number: int, settings: VaeSettings, best: Vae | None, belongs: str) -> None:
        self.plan, self.number, self.settings, self.best, self.belongs = plan, number, settings, best, belongs
        self._given = best
        self.ranks = Ranks.of_environment(plan.device)
        self.random, self.draws = torch.Generator(), torch.Generator(self.ranks.device)
        self.epoch, self.lowest, self.lowest_epoch = 0, float("inf"), 0
        self.losses: list[float] = []
        self._seed()
        self.network = settings.network(self.random)

    def fit(self, data: Data, saved: Checkpoint | None) -> Generator[Progress, bool | None, tuple[Vae, bool]]:
        """Train to the end; the best network of this and earlier runs, and whether the training was stopped."""
        plan, stop = self.plan, None
        if saved is None:
            stop = yield from self._start(data)
        else:
            self.settings = saved.settings
        x, stop = yield from self._prepare(data, stop)
        self.everything = x, data.classes.to(x.device)
        training, held_out = self._split(x, data.classes)
        self.network.to(self.ranks.device)
        fused = self.ranks.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=plan.learning_rate, fused=fused)
        if saved is None:
            with one_thread():
                self._judge(held_out)
        else:
            self._restore(saved)
        while not stop and self.epoch < plan.epochs and self.epoch - self.lowest_epoch <= plan.patience:
            stop = yield from self._pass(training, held_out)
        assert self.best is not None
        if self.best is not self._given:
            settings = self.best.settings.model_copy(update={"unsettled": self._unsettled})
            self.best = replace(self.best, settings=settings)
        return self.best, bool(stop)

    @property
    def _unsettled(self) -> bool:
        """Whether the held-out loss was still falling in the last tenth of the epochs."""
        losses = np.minimum.accumulate(self.losses)
        last = max(2, round(LAST * len(losses)))
        return bool(len(losses) > last and losses[-last] - losses[-1] > FALLING * (losses[0] - losses[-1]))

    @property
    def doubtful(self) -> bool:
        """Whether a shear was found that must be checked by a training without it."""
        return self.number % 2 == 0 and float(np.hypot(*self.settings.shear)) > SURE

    @property
    def trial(self) -> str:
        """Description of this run where trainings with and without a shear are compared; "" for a single one."""
        if self.number % 2:
            return "training 2 of 2, without shear correction"
        return f"training 1 of 2, {np.hypot(*self.settings.shear):.1%} scan shear corrected" if self.doubtful else ""

    def _start(self, data: Data) -> Generator[Progress, bool | None, bool | None]:
        """Initialise the mean image; for a harmonic network also align the sub-images and estimate the shear."""
        stop = yield Progress(self._fraction(0), "initialising")
        x, classes = data.some(self.settings, torch.randperm(len(data.windows), generator=self.random)[:START_SAMPLE])
        if not isinstance(self.network, HarmonicNetwork):
            if isinstance(self.network.decoder, CanonicalDecoder):
                self.network.decoder.start(x, classes, self.network.likelihood)
            return stop
        job = start(self.network, self.settings.harmonics, x, classes, find_shear=self.number % 2 == 0)
        send: bool | None = None
        while True:
            with one_thread():
                try:
                    progress = job.send(send)
                except StopIteration as end:
                    self.settings = self.settings.model_copy(update={"shear": end.value})
                    return stop
            send = stop = (yield replace(progress, fraction=self._fraction(0))) or stop

    def _prepare(self, data: Data, stop: bool | None) -> Generator[Progress, bool | None, tuple[Tensor, bool | None]]:
        """All rows, moved to the device once; those prepared so far if the training is stopped meanwhile."""
        parts: list[Tensor] = []
        for part in parts_of_rows(data.windows, self.settings):
            parts.append(part.to(self.ranks.device))
            if stop:
                break
            stop = yield Progress(self._fraction(0), "preparing the sub-images")
        return torch.cat(parts), stop

    def _split(self, x: Tensor, classes: Tensor) -> tuple[Batch, Batch]:
        """Random split into training data and a held-out tenth of at least four rows."""
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(self.plan.seed))
        count = max(4, int(HELD_OUT * len(order)))
        classes, order = classes.to(self.ranks.device), order.to(self.ranks.device)
        return (x[order[count:]], classes[order[count:]]), (x[order[:count]], classes[order[:count]])

    def _pass(self, training: Batch, held_out: Batch) -> Generator[Progress, bool | None, bool | None]:
        """One epoch, followed by the held-out loss; whether to stop."""
        plan, per_epoch = self.plan, max(1, round(len(training[0]) / self.plan.batch_size))
        message, losses = f"epoch {self.epoch + 1} of {plan.epochs}", []
        if plan.restarts > 1:
            message = f"start {self.number // 2 + 1} of {plan.restarts}, {message}"
        if self.trial:
            message = f"{self.trial}, {message}"
        self._seed()
        order = torch.randperm(len(training[0]), generator=self.random).to(self.ranks.device)
        progress = Progress(
            0.0, message, None, None, self.epoch + 1, plan.epochs, 0, per_epoch, self.ranks.words, self.trial
        )
        for number, chosen in enumerate(order.tensor_split(per_epoch)):
            done = (self.epoch + number / per_epoch) / plan.epochs
            with one_thread():
                losses.append(self._step(training, self.ranks.share(chosen), done))
            if (yield replace(progress, fraction=self._fraction(done), loss=losses[-1], batch=number + 1)):
                return True
        self.epoch += 1
        with one_thread():
            now = self._judge(held_out)
        self.losses.append(now)
        if plan.checkpoint is not None and self.ranks.rank == 0:
            self._checkpoint().write(plan.checkpoint)
        progress = replace(progress, batch=per_epoch, loss=float(np.mean(losses)))
        progress = replace(progress, held_out_loss=now, preview=self._preview)
        return (yield replace(progress, fraction=self._fraction(self.epoch / plan.epochs)))

    def _preview(self) -> Iterator[Columns]:
        """Current latents and angles of all sub-images, in parts."""
        for x, classes in zip(*(torch.split(part, CHUNK) for part in self.everything), strict=True):
            with one_thread():
                columns = glance(self.network, x, classes)
            yield columns

    def _step(self, training: Batch, chosen: Tensor, done: float) -> float:
        """One step of the optimiser on the chosen rows; returns the loss before it."""
        network, optimizer = self.network, self.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * 0.5 * (1 + np.cos(np.pi * done))
        optimizer.zero_grad()
        x, classes = (part[chosen] for part in training)
        losses, residuals = network.loss(x, classes, self.plan.divergence(done), self.draws)
        loss = losses.mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ranks.average(parameter.grad for parameter in network.parameters())
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        means = residuals.mean()
        self.ranks.average((means.squares, means.offsets))
        network.learn(means)
        value = self._mean(loss)
        if not np.isfinite(value):
            raise InputError(
                "The training diverged: the loss is no longer finite. Train again with a smaller learning rate."
            )
        return value

    def _judge(self, held_out: Batch) -> float:
        """Held-out loss, with the same latent draws in every call; keeps the network if it is the best so far."""
        with torch.no_grad():
            draws = torch.Generator(self.ranks.device).manual_seed(0)
            goal = self.plan.divergence(1.0)
            parts = zip(*(torch.split(part, 2048) for part in held_out), strict=True)
            now = self._mean(torch.cat([self.network.loss(x, k, goal, draws)[0] for x, k in parts]).mean())
            if now < self.lowest:
                self.lowest, self.lowest_epoch = now, self.epoch
            if self.best is None or now + self._handicap(self.best) < self.best.settings.held_out_loss:
                nats = tuple(self.network.information(*(part[:2048] for part in held_out)).tolist())
                weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
                self.best = Vae(self.settings.model_copy(update={"held_out_loss": now, "nats": nats}), weights)
        return now

    def _handicap(self, best: Vae) -> float:
        """Loss difference by which a network without shear has to beat one with shear."""
        return CLEARLY if self.number % 2 and any(best.settings.shear) else 0.0

    def _seed(self) -> None:
        """Seed an epoch: the order of the data is the same in every process, the latent draws are not."""
        numbers = [self.plan.seed, self.number // 2, self.epoch]
        for generator, more in ((self.random, []), (self.draws, [self.ranks.rank])):
            generator.manual_seed(int(np.random.SeedSequence([*numbers, *more]).generate_state(1)[0]))

    def _mean(self, loss: Tensor) -> float:
        """Loss averaged over the processes, so that all take the same decisions."""
        value = loss.detach().clone()
        self.ranks.average([value])
        return float(value)

    def _fraction(self, done: float) -> float:
        part = (self.number % 2 + done) / 2 if self.number % 2 or self.doubtful else done
        return (self.number // 2 + part) / self.plan.restarts

    def _checkpoint(self) -> Checkpoint:
        assert self.best is not None
        return Checkpoint(
            self.belongs,
            self.number,
            self.epoch,
            self.settings,
            self.network.state_dict(),
            optimizer_state(self.optimizer),
            self.lowest,
            self.lowest_epoch,
            self.best,
        )

    def _restore(self, saved: Checkpoint) -> None:
        """Resume from a checkpoint."""
        self.epoch, self.lowest, self.lowest_epoch = saved.epoch, saved.lowest, saved.lowest_epoch
        self.network.load_state_dict(saved.network)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": saved.optimizer, "param_groups": groups})
