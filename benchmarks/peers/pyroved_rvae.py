"""Train pyroVED's rVAE and encode: `python pyroved_rvae.py IN.npz OUT.npz [options]`, by the Python it is installed in.

Results are as pyroVED gives them: angle in radians, offset before it is multiplied by its prior (0.1, half a window).
"""

import torch
from exchange import Clock, load_torchvision, load_windows, parse_options, save

load_torchvision()

import pyroved  # noqa: E402


def main() -> None:
    """Train, encode, save."""
    options = parse_options(__doc__)
    if options.rotation_prior is not None:
        raise SystemExit("A rotation prior came; pyroVED has none that can be set (1 radian), leave it out.")
    windows = torch.from_numpy(load_windows(options))
    model = pyroved.models.iVAE(
        tuple(windows.shape[1:]), latent_dim=options.latents, invariances=["r", "t"], seed=options.seed
    )
    rate = {} if options.learning_rate is None else {"lr": options.learning_rate}
    trainer = pyroved.trainers.SVItrainer(model, seed=options.seed, **rate)
    loader = pyroved.utils.init_dataloader(windows, batch_size=options.batch)
    clock = Clock()
    for _ in range(options.epochs):
        trainer.step(loader)
        clock.lap()
    z, _ = model.encode(windows)
    save(options, z.numpy(), trainer.loss_history["training_loss"], clock, options.epochs * len(windows))


if __name__ == "__main__":
    main()
