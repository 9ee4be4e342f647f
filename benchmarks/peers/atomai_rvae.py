"""Train AtomAI's rVAE and encode: `python atomai_rvae.py IN.npz OUT.npz [options]`, by the Python it is installed in.

Results are as AtomAI gives them: angle in radians, offset before it is multiplied by its prior (0.1, half a window).
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
from exchange import Clock, load_torchvision, load_windows, parse_options, save

load_torchvision()

from atomai.models import rVAE  # noqa: E402


class TimedRvae(rVAE):
    """Times every epoch without the writing of the file after it."""

    clock = Clock()

    def train_epoch(self) -> float:
        """The original method, timed."""
        self.clock.start()
        elbo = super().train_epoch()
        self.clock.lap()
        return elbo


def draw_weights(model: rVAE, seed: int) -> None:
    """Initial weights by the seed, from the same distribution.

    The model sets the seed to 0 before it creates its networks, whatever seed it is given: all weights start alike, and
    only the order of samples and the noise depend on `seed`.
    """
    torch.manual_seed(seed)
    for network in (model.encoder_net, model.decoder_net):
        for layer in network.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()


def main() -> None:
    """Train, encode, save."""
    options = parse_options(__doc__)
    windows = load_windows(options)
    model = TimedRvae(windows.shape[1:], latent_dim=options.latents, seed=options.seed)
    draw_weights(model, options.seed)
    settings = {}
    if options.learning_rate is not None:
        settings["optimizer"] = functools.partial(torch.optim.Adam, lr=options.learning_rate)
    if options.rotation_prior is not None:
        settings["rotation_prior"] = options.rotation_prior
    with tempfile.TemporaryDirectory() as folder:
        filename = str(Path(folder, "model"))
        model.fit(windows, training_cycles=options.epochs, batch_size=options.batch, filename=filename, **settings)
    z, _ = model.encode(windows)
    samples = options.epochs * (len(windows) // options.batch) * options.batch  # an incomplete batch is dropped
    save(options, z, list(-np.array(model.loss_history["train_loss"])), model.clock, samples)


if __name__ == "__main__":
    main()
