"""`local-crystallography train-segmenter`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from local_crystallography.cli.output import Answering, run_job, say, tell
from local_crystallography.data.errors import InputError


class TrainSegmenter(Answering):
    """Train the network that finds atoms: from scratch on simulated images, or further on a marked image."""

    out: Path = Field(description="File to write, such as atoms.safetensors, for run --segment.by.weights.")
    image: Path | None = Field(
        None, description="Image to continue the training on; none: train from scratch, about an hour."
    )
    points: Path | None = Field(
        None, description="Table in CSV that marks every atom of the image: y_px, x_px and, for classes, label."
    )
    steps: int | None = Field(
        None, ge=1, le=1_000_000, description="Steps of the optimiser; automatic: 9,000 from scratch, 400 to continue."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Random seed.")
    checkpoint: Path | None = Field(
        None, description="File the training is regularly saved to, and resumed from if it exists."
    )

    def execute(self) -> int:
        """Train and write the networks; after Ctrl-C, in their current state."""
        import pandas as pd

        from local_crystallography import segmenters
        from local_crystallography.data.atoms import Atoms
        from local_crystallography.io.read import read_image

        if (self.image is None) != (self.points is None):
            raise InputError("--image and --points belong together; give both or neither.")
        if self.image is None or self.points is None:
            steps = self.steps or segmenters.STEPS
            job = segmenters.train_segmenter(seed=self.seed, steps=steps, checkpoint=self.checkpoint)
        else:
            try:
                atoms = Atoms.from_frame(pd.read_csv(self.points))
            except (OSError, ValueError) as error:
                reason = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")
                raise InputError(
                    f"{self.points} cannot be read as a table of atoms ({reason}); give a CSV file with the columns "
                    "y_px and x_px."
                ) from error
            steps = self.steps or segmenters.TUNING_STEPS
            image = read_image(self.image)
            job = segmenters.tune_segmenter(image, atoms, seed=self.seed, steps=steps, checkpoint=self.checkpoint)
        segmenter, code = run_job(job)
        segmenter.save(self.out)
        tell(out=str(self.out))
        say(f"The networks are in {self.out}; use them with --segment.by.weights {self.out}.")
        return code
