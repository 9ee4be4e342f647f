"""`local-crystallography symmetry-study`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg

from local_crystallography.cli.output import Answering, Format, measured, run_job, say, write_tables
from local_crystallography.steps.symmetry import DecideSymmetry

if TYPE_CHECKING:
    from local_crystallography.bayes.weights import ModelWeights
    from local_crystallography.data.atoms import Atoms


class SymmetryStudy(Answering, DecideSymmetry):
    """Study how large a window decides the symmetry around an atom, and which lattice each grain and class has."""

    session: CliPositionalArg[Path] = Field(description="Folder of a run that included measure_lattice.")
    out: Path = Field(description="Folder for study.csv and weights.csv with their figures.")
    figures: Format = Field("png", description="Format of the figures.")

    def execute(self) -> int:
        """Study the windows of a saved result and weigh the possible lattices."""
        import pandas as pd

        from local_crystallography.report import symmetry as io

        atoms = measured(self.session)
        study, code = run_job(self.study(atoms))
        weights = self._weights(atoms)
        tables = {"study": pd.DataFrame(asdict(study))}
        figures = {"study": io.study_figure(study)}
        if weights:
            tables["weights"] = io.weights_table(weights).reset_index()
            figures["weights"] = io.weights_figure(weights)
        decided = study.symmetric + study.broken
        say(
            f"Noise of positions: {study.noise:.2%} of the cell. Windows of {study.cells[-1]:g} doubled cells decide "
            f"{decided[-1]:.1%} of the atoms: {study.symmetric[-1]:.1%} symmetric, {study.broken[-1]:.1%} broken."
        )
        for region, each in weights.items():
            say(f"Lattice of {region}: {each.names[0]} ({each.weights[0]:.1%}).")
        write_tables(self.out, tables, figures, self.figures)
        return code

    def _weights(self, atoms: Atoms) -> dict[str, ModelWeights]:
        """Weights for each grain, and for each class if there are any; regions too small for weights are omitted."""
        from local_crystallography.bayes.nets import nets
        from local_crystallography.bayes.weights import region_weights

        lattices = nets(atoms, together=self.together, corrected=self.corrected)
        columns = {"grain": "grain", "class": "label"}
        return {
            f"{word} {number}": weights
            for word, column in columns.items()
            if column in atoms.features
            for number, weights in region_weights(lattices, atoms.features[column].fillna(-1)).items()
        }
