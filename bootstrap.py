"""Set everything up and run: `python3 bootstrap.py demo` or `python3 bootstrap.py test`.

Needs Python 3.11 or newer and nothing else. Options after demo or test are passed on. The environment is
`.venv` beside this file, or the folder named by LOCAL_CRYSTALLOGRAPHY_VENV; later runs start at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
USAGE = "Choose what to run: `python3 bootstrap.py demo` or `python3 bootstrap.py test`, then any further options."

IN_PARALLEL = ["--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"]
"""Two processes: each takes one core and up to 3 GB. Files come in the order of tests/conftest.py."""

# What Qt and OpenGL need on Debian without a desktop.
PACKAGES = """
xvfb xauth libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon-x11-0
libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
libxcb-xinerama0
""".split()  # noqa: SIM905


def has_display() -> bool:
    """Whether windows can be shown; macOS and Windows always can."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def missing_packages() -> list[str]:
    """The packages that dpkg does not list as installed; all of them without dpkg."""
    if shutil.which("dpkg-query") is None:
        return PACKAGES
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *PACKAGES]
    known = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return [name for name in PACKAGES if f"installed {name}" not in known.splitlines()]


def install_virtual_display() -> None:
    """On Linux without a screen: install what a virtual one needs, or print what to install."""
    missing = missing_packages()
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=quiet, check=True)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=quiet, check=True)
    elif missing:
        print("There is no screen. A virtual one needs these packages (Debian names): " + " ".join(missing))
    if shutil.which("xvfb-run") is None:
        sys.exit("xvfb-run is missing: install xvfb and xauth (as root), or run this where there is a screen.")


def venv_python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint() -> str:
    """Changes with the requirements, the folder of the project or the Python version."""
    parts = [str(HERE).encode(), sys.version.encode()]
    parts += [(HERE / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def install(folder: Path) -> None:
    """Make the virtual environment and install the project with the tested versions and the test tools."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("This Python cannot make virtual environments: install python3-venv, then run this again.")
    print(f"Installing into {folder}; this takes a few minutes the first time.", flush=True)
    venv.create(folder, with_pip=True)
    pip = [str(venv_python(folder)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], cwd=HERE, check=True)  # the first with --group
    subprocess.run([*pip, "-c", "constraints.txt", "-e", ".[all]", "--group", "test"], cwd=HERE, check=True)


def prepare() -> Path:
    """Install what is missing and return the interpreter to use."""
    folder = Path(os.environ.get("LOCAL_CRYSTALLOGRAPHY_VENV") or HERE / ".venv").absolute()
    stamp = folder / "installed.sha256"
    ready = venv_python(folder).exists() and stamp.exists() and stamp.read_text() == fingerprint()
    if not has_display() and not (ready and shutil.which("xvfb-run")):
        install_virtual_display()
    if not ready:
        install(folder)
        stamp.write_text(fingerprint())
    return venv_python(folder)


def main(arguments: list[str]) -> int:
    """Run the demo or the tests and return the exit code."""
    modules = {"demo": ["local_crystallography.cli", "demo"], "test": ["pytest", *IN_PARALLEL]}
    if not arguments or arguments[0] not in modules:
        sys.exit(USAGE)
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"This is Python {sys.version.split()[0]}, but 3.11 or newer is needed: use a newer python3.")
    try:
        command = [str(prepare()), "-m", *modules[arguments[0]], *arguments[1:]]
    except subprocess.CalledProcessError as error:
        print(
            f"Setting up stopped: `{' '.join(map(str, error.cmd))}` failed; see its message above.",
            file=sys.stderr,
        )
        return error.returncode
    environment = dict(os.environ)
    if arguments[0] == "test":
        environment.setdefault("OMP_NUM_THREADS", "1")  # threads of two processes would wait for each other's cores
    if not has_display():
        command = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", *command]
        environment["LOCAL_CRYSTALLOGRAPHY_HEADLESS"] = "1"  # take pictures instead of waiting for a user
    return subprocess.run(command, cwd=HERE, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
