"""The rotational variational autoencoder as a torch module: read it top to bottom.

Generative model (Fig. 3b and Eq. 2 of the paper), on the coefficients c of `harmonics`:

    z ~ N(0, I)                     latents: what the sub-image shows
    g ~ wrapped N(0, s_gamma^2)     angle
    t ~ N(0, s_offset^2)            offset
    c = shift_t turn_g decode(z) + N(0, noise^2)

Only q(z | c) is amortised. Given z, every angle is scored at once (turning is a phase factor, so the score of all
angles is one Fourier sum) and the angle is marginalised over the circle; the offset, nearly a linear Gaussian variable,
is marginalised by Laplace's method. The encoder sees the image at every angle and takes moments over the angles, so
that z cannot depend on how the image is turned.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from local_crystallography.models.harmonics import Harmonics

OFFSET_STEPS = 2
ANGLES = 256
"""Angles at which the posterior of the angle is scored; a power of two, far above twice the highest order."""


class RotationalVae(nn.Module):
    """Encoder, decoder and the marginal likelihood; coefficients are (n, 2 P), see `Harmonics`."""

    noise: Tensor
    angle: Tensor
    log_prior: Tensor
    waves: Tensor
    orders: Tensor
    gradients: Tensor

    def __init__(self, harmonics: Harmonics, *, latents: int, hidden: int, s_gamma: float, s_offset: float) -> None:
        super().__init__()
        orders = torch.as_tensor(harmonics.orders)
        top = int(orders.max())
        self.s_offset = s_offset
        self.dimensions = 2 * len(orders) - int((orders == 0).sum())
        self.encoder = InvariantEncoder(orders, hidden=hidden, latents=latents)
        self.decoder = Decoder(2 * len(orders), hidden=hidden, latents=latents)
        self.register_buffer("noise", torch.ones(()))
        angle = 2 * math.pi / ANGLES * torch.arange(ANGLES)
        wrapped = (angle + math.pi) % (2 * math.pi) - math.pi
        self.register_buffer("angle", wrapped, persistent=False)
        self.register_buffer("log_prior", F.log_softmax(-0.5 * (wrapped / s_gamma) ** 2, dim=0), persistent=False)
        phase = torch.arange(top + 1)[:, None] * angle
        self.register_buffer("waves", torch.cat([phase.cos(), phase.sin()]), persistent=False)
        self.register_buffer("orders", orders, persistent=False)
        gradients = torch.as_tensor(harmonics.gradients, dtype=torch.float32)
        self.register_buffer("gradients", gradients, persistent=False)

    def decode(self, z: Tensor) -> Tensor:
        """(n, 2 P) coefficients of the canonical image of every latent point.

        Moving and turning are left to offset and angle: what the latents change has no part along the motions of the
        mean image. So the same picture cannot be told in two ways, and all canonical images stand alike.
        """
        mean, change = self.decoder.mean, self.decoder(z)
        a, b = mean.detach().chunk(2)
        turning = torch.cat([-self.orders * b, self.orders * a])
        motions, _ = torch.linalg.qr(torch.stack([*(self.gradients @ mean.detach()), turning], dim=1))
        image: Tensor = mean + change - (change @ motions) @ motions.mT
        return image

    def score(self, c: Tensor, image: Tensor) -> Tensor:
        """(n, 2, M + 1): cosine and sine coefficients of the inner product of c with the image turned by any angle."""
        (a, b), (d, e) = c.chunk(2, 1), image.chunk(2, 1)
        parts = torch.stack([a * d + b * e, b * d - a * e], dim=1)
        waves = torch.zeros(*parts.shape[:2], int(self.orders.max()) + 1, device=c.device)
        return waves.index_add(2, self.orders, parts)

    def log_angle(self, score: Tensor, weight: float = 1.0) -> Tensor:
        """(n, ANGLES) log of the prior, at some weight, times the likelihood of every angle.

        Left out is what does not depend on the angle.
        """
        return score.flatten(1) @ self.waves / self.noise**2 + F.log_softmax(weight * self.log_prior, dim=0)

    def turn(self, image: Tensor, angle: Tensor) -> Tensor:
        """Coefficients of the images turned counter-clockwise by angle (n,), radians."""
        a, b = image.chunk(2, 1)
        cosine, sine = (angle[:, None] * self.orders).cos(), (angle[:, None] * self.orders).sin()
        return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=1)

    def moved(self, image: Tensor) -> Tensor:
        """(n, 2, 2 P) change of the coefficients per pixel of motion along y and along x."""
        return torch.einsum("apq,nq->nap", self.gradients, image)

    def shift(self, c: Tensor, image: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Most probable offset (n, 2) in pixels, its precision (n, 2, 2), and the image moved by it (n, 2 P).

        Gauss-Newton steps on the image moved to second order; the prior is N(0, s_offset^2).
        """
        slope, offset, moved = self.moved(image), c.new_zeros(len(c), 2), image
        jacobian = slope
        prior = torch.eye(2, device=c.device) / self.s_offset**2
        for _ in range(steps):
            precision = jacobian @ jacobian.mT / self.noise**2 + prior
            rest = c - moved + torch.einsum("na,nap->np", offset, jacobian)
            offset = torch.linalg.solve(precision, jacobian @ rest[..., None] / self.noise**2)[..., 0]
            first = torch.einsum("na,nap->np", offset, slope)
            bent = self.moved(first)
            jacobian, moved = slope + bent, image + first + 0.5 * torch.einsum("na,nap->np", offset, bent)
        return offset, precision, moved

    def log_likelihood(self, c: Tensor, z: Tensor, prior_weight: float) -> tuple[Tensor, Tensor]:
        """(n,) log p(c | z) with angle and offset marginalised, and the squared residual at their best values."""
        image = self.decode(z)
        log_angle = self.log_angle(self.score(c, image), prior_weight)
        turned = self.turn(image, self.angle[log_angle.argmax(1)])
        offset, precision, moved = self.shift(c, turned, steps=OFFSET_STEPS)
        rest, still = (c - moved).square().sum(1), (c - turned).square().sum(1)
        square = (c.square().sum(1) + image.square().sum(1)) / (2 * self.noise**2)
        gain = (still - rest) / (2 * self.noise**2) - offset.square().sum(1) / (2 * self.s_offset**2)
        volume = 0.5 * torch.logdet(precision) + 2 * math.log(self.s_offset)  # Laplace's method
        constant = self.dimensions * (self.noise.log() + 0.5 * math.log(2 * math.pi))
        return torch.logsumexp(log_angle, 1) - square + gain - volume - constant, rest

    def loss(self, c: Tensor, kl_weight: float) -> tuple[Tensor, Tensor]:
        """(n,) minus the evidence lower bound, and the squared residual, both per coefficient.

        The weight is that of both divergences of Eq. 2 (for the angle, of the prior): from 0 to 1 as training warms up.
        """
        mean, log_std = self.encoder(c)
        z = mean + log_std.exp() * torch.randn_like(mean)
        divergence = 0.5 * (mean.square() + (2 * log_std).exp() - 1).sum(1) - log_std.sum(1)
        likelihood, square = self.log_likelihood(c, z, kl_weight)
        return (kl_weight * divergence - likelihood) / self.dimensions, square / self.dimensions


class InvariantEncoder(nn.Module):
    """Coefficients to the mean and log standard deviation of the latents, the same however the image is turned.

    Steerable filters answer at 32 directions of the circle; a layer acts on every direction alike; moments over the
    directions cannot know where the circle began.
    """

    directions = 32
    places: Tensor
    waves: Tensor

    def __init__(self, orders: Tensor, *, hidden: int, latents: int) -> None:
        super().__init__()
        counts = torch.bincount(orders)
        radial = torch.cat([torch.arange(int(count)) for count in counts])
        self.shape = (len(counts), int(counts.max()))
        self.register_buffer("places", orders * self.shape[1] + radial, persistent=False)
        # a r + b i and b r - a i, for the complex filter r - i i, are one matrix product on (a, b).
        self.filters = nn.Parameter(torch.randn(*self.shape, 2, hidden) / math.sqrt(2 * len(orders)))
        phase = 2 * math.pi / self.directions * torch.arange(self.directions) * torch.arange(self.shape[0])[:, None]
        self.register_buffer("waves", torch.stack([phase.cos(), phase.sin()]), persistent=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.middle = nn.Linear(hidden, hidden)
        self.outer = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, 2 * latents))

    def forward(self, c: Tensor) -> tuple[Tensor, Tensor]:
        n = len(c)
        padded = torch.zeros(n, 2, self.shape[0] * self.shape[1], device=c.device)
        padded = padded.index_copy(2, self.places, c.view(n, 2, -1)).view(n, 2, *self.shape)
        a, b = padded.permute(1, 2, 0, 3)
        real, imaginary = self.filters.unbind(2)
        cosine, sine = a @ real + b @ imaginary, b @ real - a @ imaginary
        answers = torch.einsum("pmnh,pmd->ndh", torch.stack([cosine, sine]), self.waves)
        answers = F.silu(self.middle(F.silu(answers + self.bias)))
        pooled = torch.cat([answers.mean(1), answers.square().mean(1)], dim=1)
        mean, log_std = self.outer(pooled).chunk(2, dim=1)
        return mean, log_std.clamp(-8, 2)


class Decoder(nn.Module):
    """Latents to what they change of the coefficients of a mean image: a linear part and a network."""

    def __init__(self, size: int, *, hidden: int, latents: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size))
        self.linear = nn.Linear(latents, size, bias=False)
        self.hidden = nn.Sequential(nn.Linear(latents, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.last = nn.Linear(hidden, size)

    def forward(self, z: Tensor) -> Tensor:
        change: Tensor = self.linear(z) + self.last(self.hidden(z))
        return change
