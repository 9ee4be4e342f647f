"""Strain of a stripe of known strain, by the lattice of the atoms and by geometric phase analysis, against the truth.

SrTiO3 along [001], in the middle 2 % wider along x, coherent with both sides; the reference is the left side. Printed:
bias and standard deviation of strain_xx minus the truth, the reported standard error, and the ratio of errors to it,
inside and outside of the stripe (farther than 1.2 nm from its edges), and the mean error near the edges by distance.

    python benchmarks/strain.py

Nothing was chosen on these seeds; thresholds of geometric phase analysis were set on seeds 0 and 11 to 13.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from local_crystallography import FindAtoms, GeometricPhase, MeasureLattice, RefineAtoms, Segment
from local_crystallography.lattice.gpa import Validity
from local_crystallography.simulate.regions import Polygon
from local_crystallography.simulate.scene import Grain, Scan, Scene, Strain
from local_crystallography.simulate.simulation import simulate_scene

SIDE, CELLS, STRAIN = 0.3905, 12, 0.02
DOSES = (1000.0, 100.0, 30.0, 15.0)
SEEDS = (31, 32, 33)
FAR = 1.2
"""Distance from the edges of the stripe beyond which its strain is known at the resolution of both, in nm."""
EDGES = np.arange(-1.4, 1.5, 0.4)
HALF = CELLS * SIDE * (1 + STRAIN) / 2


def stripe(dose: float, jitter: float = 0.0) -> Scene:
    """The three parts side by side; columns on the edges belong to the stripe."""
    low, high = -HALF - 0.25 * SIDE, HALF - 0.25 * SIDE
    parts = ((-50.0, low, -HALF, 0.0), (low, high, -HALF, STRAIN), (high, 50.0, HALF, 0.0))
    grains = tuple(
        Grain(
            structure="SrTiO3",
            origin=(0.0, origin),
            region=Polygon(corners=((-50.0, first), (-50.0, last), (50.0, last), (50.0, first))),
            strain=Strain(xx=strain),
        )
        for first, last, origin, strain in parts
    )
    return Scene(shape=(512, 1024), grains=grains, dose=dose, scan=Scan(line_jitter=jitter))


def measured(scene: Scene, seed: int) -> pd.DataFrame:
    """Columns of the atoms, with their distance from the middle in nm."""
    image = simulate_scene(scene, seed).image
    atoms = RefineAtoms(when_doubtful="continue")(FindAtoms()(Segment()(image), image), image)
    middle, size = (image.shape[1] - 1) / 2, scene.pixel_size
    right = middle - (HALF + 0.8) / size
    corners = ((0.0, 0.0), (0.0, right), (511.0, right), (511.0, 0.0))
    atoms = MeasureLattice(reference={"method": "region", "region": (corners,)})(atoms)
    atoms = GeometricPhase()(atoms, image)
    return atoms.features.assign(x=(atoms.yx[:, 1] - middle) * size)


def scores(table: pd.DataFrame, where: pd.Series, truth: float) -> str:
    """Bias, standard deviation, reported error and their ratio, of the lattice and of valid phases, in %."""
    said = []
    for name, valid in (("strain", where), ("gpa_strain", where & (table["gpa_decision"] == Validity.VALID))):
        error = (table[f"{name}_xx"] - truth)[valid].dropna()
        reported = table.loc[error.index, f"{name}_xx_std"]
        ratio = np.sqrt(((error / reported) ** 2).mean())
        said.append(
            f"{100 * error.mean():+.3f} | {100 * error.std():.3f} | {100 * reported.median():.3f} | {ratio:.2f}"
        )
    return " | ".join(said)


def main() -> None:
    """Print the tables."""
    print(
        "| peak counts | where | bias % | std % | reported % | errors / reported | gpa: bias | std | reported | ratio |"
    )
    print("| --- " * 10 + "|")
    tables = {}
    for dose, jitter in (*((dose, 0.0) for dose in DOSES), (1000.0, 0.4)):
        table = pd.concat([measured(stripe(dose, jitter), seed) for seed in SEEDS], ignore_index=True)
        tables[dose, jitter] = table
        name = f"{dose:.0f}" + (", rows jitter by 0.4 px" if jitter else "")
        inside, outside = table["x"].abs() < HALF - FAR, table["x"].abs() > HALF + FAR
        print(f"| {name} | in the stripe | {scores(table, inside, STRAIN)} |")
        print(f"| {name} | beside it | {scores(table, outside, 0.0)} |")
    print()
    print(
        "Mean strain minus truth (%) by the distance from the edges in nm, negative inside; atoms where gpa is valid:"
    )
    print("| peak counts | method | " + " | ".join(f"{at:+.1f}" for at in EDGES) + " |")
    print("| --- " * (2 + len(EDGES)) + "|")
    for (dose, jitter), table in tables.items():
        if jitter:
            continue
        off = table["x"].abs() - HALF
        bins = [off.between(at - 0.2, at + 0.2) for at in EDGES]
        for name in ("strain", "gpa_strain"):
            error = 100 * (table[f"{name}_xx"] - np.where(off < 0, STRAIN, 0.0))
            print(f"| {dose:.0f} | {name} | " + " | ".join(f"{error[each].mean():+.2f}" for each in bins) + " |")
        share = [
            (table["gpa_decision"][each] == Validity.VALID).sum() / (table["gpa_decision"][each] != 2).sum()
            for each in bins
        ]
        print(f"| {dose:.0f} | gpa valid | " + " | ".join(f"{100 * each:.0f} %" for each in share) + " |")


if __name__ == "__main__":
    main()
