"""Run a worker in the Python of its own environment."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def python_of(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_peer(
    python: Path,
    worker: str,
    windows: npt.NDArray[np.float32],
    *,
    latents: int,
    batch: int,
    epochs: int,
    threads: int,
    seed: int,
    learning_rate: float | None = None,
    rotation_prior: float | None = None,
) -> dict[str, Any]:
    """Train and encode windows (n, w, w) in [0, 1] by a worker of this folder, e.g. "atomai_rvae.py".

    Numbers are returned as float, the rest as arrays; see `exchange.save` for their names.

    Raises
    ------
    RuntimeError
        If the worker fails, with the last line it wrote.
    """
    settings = {
        "latents": latents,
        "batch": batch,
        "epochs": epochs,
        "threads": threads,
        "seed": seed,
        "learning-rate": learning_rate,
        "rotation-prior": rotation_prior,
    }
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name, "in.npz"), Path(name, "out.npz")
        np.savez(source, windows=np.asarray(windows, np.float32))
        command = [str(python), str(Path(__file__).with_name(worker)), str(source), str(result)]
        command += [f"--{key}={value}" for key, value in settings.items() if value is not None]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, env=environment, cwd=name, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise RuntimeError(f"{worker} failed: {last}")
        with np.load(result) as file:
            return {key: float(file[key]) if file[key].ndim == 0 else file[key] for key in file.files}
