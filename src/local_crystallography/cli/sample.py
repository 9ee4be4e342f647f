"""`local-crystallography sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.console import is_first_process
from local_crystallography.cli.output import Answering, say, tell
from local_crystallography.data.errors import InputError, writing

Sample = Literal["lsmo_nio", "sr3fe2o7", "two_grains", "quick"]


class MakeSample(Answering):
    """Write a simulated sample image and its ground truth."""

    name: CliPositionalArg[Sample] = Field(description="Which sample.")
    out: Path = Field(description="Folder to write to.")
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="Random seed; automatic: that of the sample.")

    def execute(self) -> int:
        """Simulate a sample and write it."""
        if not is_first_process():
            return 0
        from local_crystallography.simulate.samples import simulate_sample
        from local_crystallography.simulate.simulation import write_simulation

        if self.out.is_dir() and any(self.out.iterdir()) and not (self.out / "truth.json").exists():
            raise InputError(f"{self.out} holds other files; choose a new folder, or one with a sample.")
        simulation = simulate_sample(self.name, self.seed)
        with writing(self.out):
            write_simulation(simulation, self.out)
        tell(out=str(self.out), seed=simulation.seed)
        say(f"Image and ground truth of {self.name} are in {self.out} (seed {simulation.seed}).")
        return 0
