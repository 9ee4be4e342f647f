"""An environment for each peer, as they need other versions than this package and than each other.

    python benchmarks/peers/make_environments.py FOLDER

Makes FOLDER/atomai and FOLDER/pyroved with the Python that runs it (3.11 was used). A build of torch without CUDA is
expected; where the package index has another first, name one that has it, e.g. by PIP_INDEX_URL.
"""

import argparse
import subprocess
import venv
from pathlib import Path

from run import python_of

PACKAGES = {
    "atomai": ["atomai", "six"],  # six is imported by the old mendeleev that AtomAI asks for, and named by neither
    "pyroved": ["pyroved"],
}


def make_environment(folder: Path, name: str) -> None:
    """A fresh environment with the peer and torch, in the versions of NAME.txt."""
    venv.create(folder / name, with_pip=True, clear=True)
    python = str(python_of(folder / name))
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", str(Path(__file__).with_name(f"{name}.txt"))]
    subprocess.run([*pip, "torch"], check=True)
    refuse_cuda(python)  # before hundreds of megabytes more
    subprocess.run([*pip, *PACKAGES[name]], check=True)  # keeps the torch that is there: the constraint holds for it
    refuse_cuda(python)


def refuse_cuda(python: str) -> None:
    """Stop where torch came with CUDA."""
    found = subprocess.run(
        [python, "-c", "import torch; print(torch.version.cuda)"], check=True, capture_output=True, text=True
    )
    if found.stdout.strip() != "None":
        raise SystemExit(
            f"torch with CUDA {found.stdout.strip()} came, a build for the CPU was expected; name an index that has it."
        )


def main() -> None:
    """Make both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in PACKAGES:
        make_environment(folder, name)
        print(f"{folder / name} is made")


if __name__ == "__main__":
    main()
