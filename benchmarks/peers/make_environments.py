"""An environment for each peer, as they need other versions than this package and than each other.

    python benchmarks/peers/make_environments.py FOLDER [NAME ...]

Makes FOLDER/NAME, or all of them, with the Python that runs it (3.11 was used). For the peers that train a network a
build of torch without CUDA is expected; if the package index offers another first, set one that has it, e.g. with
PIP_INDEX_URL. The others need no torch.
"""

import argparse
import subprocess
import venv
from pathlib import Path

from run import python_of

PACKAGES = {
    "atomai": ["atomai", "six"],  # six is imported by the old mendeleev that AtomAI requires, and declared by neither
    "pyroved": ["pyroved"],
    "atomap": ["atomap==0.4.2"],  # brings HyperSpy
    "hyperspy": ["hyperspy==2.5.0", "scikit-image"],  # its finders need it, and it is not declared
    "trackpy": ["trackpy==0.7", "numba"],  # without numba its refinement is ten times slower
    "skimage": ["scikit-image==0.26.0"],
    "abtem": ["abtem==1.0.11"],
    "clusters_plotter": ["napari-clusters-plotter==0.11", "napari[pyqt6]==0.9.2"],
}
TORCH = ("atomai", "pyroved")
"""Peers on torch; NAME.txt has the versions."""


def make_environment(folder: Path, name: str) -> None:
    """A fresh environment with the peer and, if needed, torch, in the versions of NAME.txt."""
    venv.create(folder / name, with_pip=True, clear=True)
    python = str(python_of(folder / name))
    pip = [python, "-m", "pip", "install", "--quiet"]
    if name not in TORCH:
        subprocess.run([*pip, *PACKAGES[name]], check=True)
        return
    pip += ["--constraint", str(Path(__file__).with_name(f"{name}.txt"))]
    subprocess.run([*pip, "torch"], check=True)
    refuse_cuda(python)  # before hundreds of megabytes more
    subprocess.run([*pip, *PACKAGES[name]], check=True)  # keeps the torch that is there: the constraint holds for it
    refuse_cuda(python)


def refuse_cuda(python: str) -> None:
    """Stop if torch was installed with CUDA."""
    found = subprocess.run(
        [python, "-c", "import torch; print(torch.version.cuda)"], check=True, capture_output=True, text=True
    )
    if found.stdout.strip() != "None":
        raise SystemExit(
            f"torch with CUDA {found.stdout.strip()} came, a build for the CPU was expected; name an index that has it."
        )


def main() -> None:
    """Make the environments that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PACKAGES)}; all if none is given")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in PACKAGES]
    if unknown:
        parser.error(f"{unknown[0]} came, one of {', '.join(PACKAGES)} was expected.")
    for name in options.names or PACKAGES:
        make_environment(options.folder, name)
        print(f"{options.folder / name} is made", flush=True)


if __name__ == "__main__":
    main()
