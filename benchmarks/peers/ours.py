"""Train the rVAE of this package and encode: `python ours.py IN.npz OUT.npz [options]`.

Results: angle in radians, offset in pixels (y, x). A tenth of the windows is held out and not counted as trained on.
The clock runs from the first report of a loss; the search for a start and the first batch are start_seconds.
"""

import time

import numpy as np
from exchange import Clock, load_windows, parse_options, save

from local_crystallography import Atoms, SubImages, TrainVae
from local_crystallography.data.progress import Progress, finish


class Watch:
    """Receives every report of the training."""

    def __init__(self) -> None:
        self.made = time.perf_counter()
        self.start_seconds = 0.0
        self.clock = Clock()
        self.batches = 0
        self.loss: list[float] = []

    def __call__(self, progress: Progress) -> None:
        """Count the batches, lap the clock at the end of every epoch."""
        if progress.loss is None:
            return
        if progress.held_out_loss is not None:
            self.clock.lap()
            self.loss.append(progress.loss)
            return
        self.batches += 1
        if self.batches == 1:
            self.start_seconds = time.perf_counter() - self.made
            self.clock.start()


def main() -> None:
    """Train, encode, save."""
    options = parse_options(__doc__)
    windows = load_windows(options)
    settings = {"learning_rate": options.learning_rate, "rotation_prior": options.rotation_prior}
    step = TrainVae(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=options.batch,
        latents=options.latents,
        **{name: value for name, value in settings.items() if value is not None},
    )
    watch = Watch()
    vae = finish(step.run(SubImages(windows, Atoms.at(np.zeros((len(windows), 2))))), watch)
    columns = vae.encode(windows)
    latents = [f"z{number}" for number in range(options.latents)]
    z = columns[["angle_rad", "offset_y_px", "offset_x_px", *latents]].to_numpy()
    trained = len(watch.loss) * (len(windows) - max(4, len(windows) // 10))
    save(options, z, watch.loss, watch.clock, round(trained * (1 - 1 / watch.batches)), watch.start_seconds)


if __name__ == "__main__":
    main()
