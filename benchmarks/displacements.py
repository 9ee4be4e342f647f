"""Displacements of B in the cage of A across a wall between two polar domains, against the truth.

SrTiO3 along [001]; Ti is displaced by 20 pm to the right on the left side of a wall at x = 0, to the left beyond it.
Printed for Ti farther than a cell from the wall: share of the atoms with a displacement, bias and standard deviation of
its x component against the truth of every atom, reported standard error, root mean square of errors over it, and the
mean of each domain against the truth, over its standard error (root mean square over domains, components and seeds).
Then the share of atoms with a displacement in the sample sr3fe2o7.

    python benchmarks/displacements.py
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from local_crystallography import FindAtoms, MeasureLattice, RefineAtoms, Segment, simulate_sample
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.image import Image
from local_crystallography.simulate.regions import HalfPlane
from local_crystallography.simulate.scene import Grain, Scene, SiteShift
from local_crystallography.simulate.simulation import simulate_scene
from local_crystallography.studies.means import mean_of, reach_of

DOSES, SEEDS = (1000.0, 100.0, 30.0), (21, 22, 23)
SHIFT, CELL = 0.02, 0.3905


def domains(dose: float) -> Scene:
    """Two domains that differ in the direction of their shift alone."""
    left = Grain(structure="SrTiO3", shifts=(SiteShift(site="B", length=SHIFT, angle=0.0),))
    right = Grain(structure="SrTiO3", shifts=(SiteShift(site="B", length=SHIFT, angle=np.pi),), region=HalfPlane())
    return Scene(shape=(512, 1024), grains=(left, right), dose=dose)


def found(image: Image) -> Atoms:
    """Atoms with their lattice, with nothing set."""
    atoms = RefineAtoms(when_doubtful="continue")(FindAtoms()(Segment()(image), image), image)
    return MeasureLattice()(atoms)


def main() -> None:
    """Print the table."""
    print("| peak counts | with displacement | bias pm | std pm | reported pm | errors / reported | means / reported |")
    print("| --- " * 7 + "|")
    for dose in DOSES:
        errors, reported, known, means = [], [], [], []
        for seed in SEEDS:
            simulation = simulate_scene(domains(dose), seed)
            truth, size = simulation.truth, simulation.scene.pixel_size
            atoms = found(simulation.image)
            near, row = cKDTree(truth[["y_px", "x_px"]]).query(atoms.yx)
            x = (atoms.yx[:, 1] - 511.5) * size
            chosen = (near < 2) & (truth["site"].to_numpy()[row] == "B") & (np.abs(x) > CELL)
            table = atoms.features
            for axis in "yx":
                error = table[f"displacement_{axis}_px"] - truth[f"displacement_{axis}_px"].to_numpy()[row]
                if axis == "x":
                    known.append(table["displacement_px"].notna()[chosen].mean())
                    errors.append(error[chosen])
                    reported.append(table["displacement_x_std_px"][chosen])
                for side in (chosen & (x < 0), chosen & (x > 0)):
                    mean = mean_of(error[side].to_numpy(), atoms.yx[side], reach_of(atoms))
                    means.append(mean.mean / mean.error)
        error, std = (1000 * size * np.concatenate(parts) for parts in (errors, reported))
        ratio, of_means = (np.sqrt(np.nanmean(np.square(each))) for each in (error / std, means))
        print(
            f"| {dose:.0f} | {100 * np.mean(known):.1f} % | {np.nanmean(error):+.2f} | {np.nanstd(error):.2f} "
            f"| {np.nanmedian(std):.2f} | {ratio:.2f} | {of_means:.2f} |"
        )
    atoms = found(simulate_sample("sr3fe2o7").image)
    print(f"\nsr3fe2o7: {100 * atoms.features['displacement_px'].notna().mean():.1f} % of {len(atoms):,} atoms.")


if __name__ == "__main__":
    main()
