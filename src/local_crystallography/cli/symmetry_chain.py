"""`local-crystallography symmetry-chain`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliImplicitFlag

from local_crystallography.bayes.bonds import CASES, Chain, SimulatedChain
from local_crystallography.bayes.chain import ChainModel
from local_crystallography.cli.output import Answering, Format, measured, run_job, say, write_tables

DIRECTIONS = {"a": (1, 0), "b": (0, 1), "a+b": (1, 1), "a-b": (1, -1)}


class SymmetryChain(Answering, SimulatedChain):
    """Decide after every unit cell whether the bonds of a chain alternate, for a simulated chain or a row of atoms."""

    case: int = Field(
        2, ge=1, le=2, description="Case of the paper, for odd and even where not given: 0.5 and 1.5, or 0.95 and 1.05."
    )
    session: Path | None = Field(
        None,
        description="Folder of a run that included measure_lattice: its longest row of atoms without a gap is used "
        "in place of a simulated chain. Bonds, ROPE and priors are then in units of the mean bond.",
    )
    direction: Literal["a", "b", "a+b", "a-b"] = Field("a", description="Direction of the row in a session.")
    model: ChainModel = Field(default_factory=ChainModel, description="Model of the chain and decision rule.")
    calibrate: CliImplicitFlag[bool] = Field(
        False, description="Also simulate 1000 chains like this one, and count how often decisions are correct."
    )
    out: Path = Field(description="Folder for chain.csv and the figure, and calibration.csv and its figure.")
    figures: Format = Field("png", description="Format of the figures.")

    def execute(self) -> int:
        """Decide on a chain, write table and figure, and report the decision; on request measure error rates."""
        from local_crystallography.bayes.calibrate import ChainTrials, calibrate_chain
        from local_crystallography.bayes.noise import residual_correlation
        from local_crystallography.report import symmetry as io
        from local_crystallography.views.chain_view import decision_words

        chain, unit, noise, code = self._chain(), "a.u.", self.noise, 0
        if self.session is not None:
            found = residual_correlation(chain.bonds)
            unit, noise = "mean bonds", found.favours or noise
            verdict = f"as for noise of {found.favours}" if found.favours else "which favours neither model"
            say(
                f"Bonds of {chain.cells} unit cells correlate with their neighbours by {found.correlation:.2f}, "
                f"{verdict}."
            )
        result = self.model(chain)
        tables = {"chain": io.chain_table(result)}
        figures = {"chain": io.chain_figure(chain, result, self.model, unit=unit)}
        say(" ".join(decision_words(result, self.model)))
        if self.calibrate:
            trials = ChainTrials.like(chain, self.model, noise)
            calibration, code = run_job(calibrate_chain(self.model, trials))
            tables["calibration"] = io.calibration_table(calibration)
            figures["calibration"] = io.calibration_figure(calibration, unit=unit)
            say(tables["calibration"].round(3).T.to_string(header=False))
        write_tables(self.out, tables, figures, self.figures)
        return code

    def _chain(self) -> Chain:
        """The simulated chain, or a row of atoms in units of its mean bond."""
        if self.session is None:
            case = dict(zip(("odd", "even"), CASES[self.case], strict=True))
            given = {name: getattr(self, name) for name in SimulatedChain.model_fields.keys() & self.model_fields_set}
            return SimulatedChain(**(case | given))()
        from local_crystallography.bayes.nets import nets
        from local_crystallography.bayes.row_chains import chains_along

        longest = chains_along(nets(measured(self.session)), DIRECTIONS[self.direction])[0].chain
        return Chain(longest.positions / longest.bonds.mean())
