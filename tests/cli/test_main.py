"""Commands as people type them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import local_crystallography
import local_crystallography._napari as napari_part
from local_crystallography import GaussianMixture, Hdbscan, KMeans
from local_crystallography.analysis import Analysis
from local_crystallography.cli import console
from local_crystallography.cli.main import main
from local_crystallography.cli.run import Run, overridden
from local_crystallography.data.atoms import Atoms
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import Progress
from local_crystallography.io.session import FILES, REPORT
from local_crystallography.io.write import write_tiff
from local_crystallography.recipe import Recipe
from local_crystallography.simulate.samples import load_sample, load_truth, sample_folder
from local_crystallography.simulate.score import match, score
from local_crystallography.steps.cluster import Cluster
from local_crystallography.steps.describe import Describe
from local_crystallography.steps.find_atoms import FindAtoms
from local_crystallography.steps.train_cvae import TrainCvae
from local_crystallography.steps.train_vae import TrainVae

IMAGE = str(sample_folder() / "quick" / "image.tif")
FEW_STARTS = ["--cluster.by.n-init", "2"]
pytestmark = pytest.mark.usefixtures("short_start")


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A part of the sample `quick`, small enough to be analysed again and again."""
    whole, path = load_sample("quick"), tmp_path_factory.mktemp("image") / "part.tif"
    write_tiff(path, whole.data[:256, :256], whole.pixel_size)
    return str(path)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that draw no report, which takes longer than all else."""
    monkeypatch.setattr("local_crystallography.report.html.write_report", lambda analysis, path: path)


@pytest.fixture(scope="module")
def outcome(part: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose recipe file is overridden by one option."""
    folder = tmp_path_factory.mktemp("cli")
    few = Cluster(by=GaussianMixture(n_init=2))
    recipe = Recipe(train_vae=TrainVae(epochs=50, seed=7), find_atoms=FindAtoms(threshold=0.6), cluster=few)
    (folder / "my.toml").write_text(recipe.to_toml())
    given = ["--recipe", str(folder / "my.toml"), "--train-vae.epochs", "3", "--out", str(folder / "out")]
    assert main(["run", part, *given]) == 0
    return folder / "out"


@pytest.mark.slow
def test_run_writes_every_file(outcome: Path) -> None:
    assert {path.name for path in outcome.iterdir()} == {*FILES, REPORT, "maps"} - {"cvae.safetensors"}


@pytest.mark.slow
def test_options_beat_the_recipe_and_the_rest_of_it_stays(outcome: Path) -> None:
    analysis = Analysis.open(outcome)
    assert analysis.asked["train_vae"] == TrainVae(epochs=3, seed=7)
    assert analysis.asked["find_atoms"] == FindAtoms(threshold=0.6)


def test_an_option_equal_to_the_default_beats_the_recipe_too() -> None:
    recipe = Recipe(train_vae=TrainVae(epochs=50, detail=5.0))
    given = Run(image=Path("a"), out=Path("b"), train_vae=TrainVae(epochs=TrainVae().epochs, detail=None))
    assert overridden(recipe, given) == Recipe()


@pytest.mark.parametrize(
    ("recipe", "given", "made"),
    [
        (KMeans(n_init=5), {"classes": 3}, KMeans(n_init=5, classes=3)),
        (KMeans(n_init=5), {"method": "mixture", "classes": 3}, GaussianMixture(classes=3)),
        (Hdbscan(), {"method": "HDBSCAN", "min_size": 0.1}, Hdbscan(min_size=0.1)),
    ],
)
def test_options_of_a_method_replace_those_of_the_recipe(recipe, given, made) -> None:
    command = Run(image=Path("a"), out=Path("b"), cluster={"by": given})
    assert overridden(Recipe(cluster=Cluster(by=recipe)), command).cluster.by == made


def test_an_option_of_another_method_than_that_of_the_recipe_is_refused() -> None:
    command = Run(image=Path("a"), out=Path("b"), cluster={"by": {"covariance": "tied"}})
    with pytest.raises(InputError, match="covariance is not a parameter of k-means"):
        overridden(Recipe(cluster=Cluster(by=KMeans())), command)


@pytest.fixture(scope="module")
def described(part: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an optional step."""
    out = tmp_path_factory.mktemp("also") / "out"
    given = [
        "--train-vae.epochs",
        "1",
        "--also",
        "describe",
        "--describe.methods",
        "Zernike moments order=6",
        "--cluster.by.classes",
        "2",
    ]
    assert main(["run", part, *given, *FEW_STARTS, "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_an_optional_step_is_run_when_asked_for(described: Path, outcome: Path) -> None:
    assert Analysis.open(described).asked["describe"] == Describe(order=6)
    assert {"zernike_6_6", "fold_6", "zernike0"} <= set(pd.read_csv(described / "atoms.csv").columns)
    assert "zernike0" not in pd.read_csv(outcome / "atoms.csv").columns


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_the_recipe_of_a_result_repeats_its_optional_steps(part: str, described: Path, tmp_path: Path) -> None:
    assert main(["run", part, "--recipe", str(described / "recipe.toml"), "--out", str(tmp_path / "o")]) == 0
    columns = [name for name in pd.read_csv(described / "atoms.csv") if "zernike" in name or "fold" in name]
    first, second = (pd.read_csv(folder / "atoms.csv")[columns] for folder in (described, tmp_path / "o"))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(("recipe", "given"), [(("describe",), ()), ((), ("describe",)), (("describe",),) * 2])
def test_optional_steps_of_recipe_and_options_are_both_run(recipe: tuple[str, ...], given: tuple[str, ...]) -> None:
    command = Run(image=Path("a"), out=Path("b"), also=given, describe=Describe(order=5))
    assert overridden(Recipe(also=recipe), command) == Recipe(also=("describe",), describe=Describe(order=5))


@pytest.mark.slow
def test_the_latents_within_classes_are_asked_for_and_repeated(part: str, tmp_path: Path) -> None:
    given = ["--train-vae.epochs", "1", "--cluster.by.classes", "2"]
    given += ["--also", "train_cvae", "--also", "encode_cvae", "--train-cvae.epochs", "2", "--train-cvae.kind", "crvae"]
    assert main(["run", part, *given, *FEW_STARTS, "--out", str(tmp_path / "a")]) == 0
    assert main(["run", part, "--recipe", str(tmp_path / "a" / "recipe.toml"), "--out", str(tmp_path / "b")]) == 0
    first, second = (Analysis.open(tmp_path / name) for name in "ab")
    assert first.asked["train_cvae"] == TrainCvae(epochs=2, kind="crvae")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {*FILES, REPORT, "maps"}
    pd.testing.assert_frame_equal(first.atoms.to_frame(), second.atoms.to_frame())
    assert first.recipe == second.recipe


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_relative_checkpoint_lies_in_the_working_directory(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--train-vae.epochs", "2", "--cluster.by.classes", "2", *FEW_STARTS]
    given += ["--train-vae.checkpoint", "net.safetensors"]
    assert main(["run", part, *given, "--out", "results/a"]) == 0
    assert (tmp_path / "net.safetensors").exists()
    written = (tmp_path / "net.safetensors").read_bytes()
    assert main(["run", part, "--recipe", "results/a/recipe.toml", "--out", "b"]) == 0
    assert (tmp_path / "net.safetensors").read_bytes() == written
    assert Analysis.open(tmp_path / "b").recipe.train_vae.checkpoint == Path("net.safetensors")
    assert main(["run", part, *given, "--train-vae.checkpoint", "auto", "--out", "c"]) == 0
    assert Analysis.open(tmp_path / "c").recipe.train_vae.checkpoint is None


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_what_to_know_about_a_training_is_said_after_the_run(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("local_crystallography.models.vae.Vae.remarks", ["z1 holds nothing."])
    given = ["--train-vae.epochs", "1", "--cluster.by.classes", "1"]
    assert main(["run", part, *given, *FEW_STARTS, "--out", str(tmp_path / "o")]) == 0
    assert "Train VAE: z1 holds nothing.\n" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert local_crystallography.__version__ in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom local_crystallography.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "sys.exit(' '.join({'torch', 'napari', 'qtpy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert "usage" in done.stdout


def test_help_has_every_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for step in Recipe().steps:
        for name, field in type(step).model_fields.items():
            assert f"--{step.name()}.{name}".replace("_", "-") in text
            assert " ".join((field.description or "").split()[:3]) in text


REFUSED = {
    "option out of range": (
        ["run", IMAGE, "--out", "o", "--find-atoms.threshold", "7"],
        "--find-atoms.threshold 7",
    ),
    "option unknown": (["run", IMAGE, "--out", "o", "--find-atoms.treshold", "0.7"], "--find-atoms.treshold"),
    "option no choice": (["run", IMAGE, "--out", "o", "--segment.contrast", "grey"], "'bright' or 'dark'"),
    "no such optional step": (
        ["run", IMAGE, "--out", "o", "--also", "fly"],
        "--also fly: there is no such optional step; choose from correct_scan",
    ),
    "option of a step that is not run": (
        ["run", IMAGE, "--out", "o", "--describe.methods", "Zernike moments order=6"],
        "--describe.methods has no effect, since the optional step describe is not run; add --also describe",
    ),
    "options that do not fit together": (
        ["run", IMAGE, "--out", "o", "--train-vae.kind", "vae", "--train-vae.decoder", "harmonic"],
        "--train-vae: the harmonic decoder needs a kind with angle; use canonical or coordinates for this kind",
    ),
    "option that does not fit the recipe": (
        ["run", IMAGE, "--out", "o", "--recipe", "taken/r.toml", "--train-vae.kind", "vae"],
        "train_vae, from recipe and options together: the harmonic decoder needs a kind with angle",
    ),
    "no out": (["run", IMAGE], "--out"),
    "no such image": (["run", "no.tif", "--out", "o"], "no.tif does not exist"),
    "no such recipe": (["run", IMAGE, "--recipe", "no.toml", "--out", "o"], "no.toml"),
    "no such sample": (["sample", "gold", "--out", "o"], "gold"),
    "seed below zero": (["sample", "quick", "--seed", "-1", "--out", "o"], "--seed -1"),
    "no such command": (["fly"], "fly"),
    "folder of somebody else": (["run", IMAGE, "--out", "taken"], "not a saved session"),
    "sample over a file": (["sample", "quick", "--out", "taken/file"], "cannot be written"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    (tmp_path / "taken" / "r.toml").write_text('[train_vae]\ndecoder = "harmonic"')
    arguments, says = REFUSED[case]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (tmp_path / "o").exists()


def test_unknown_recipe_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.toml").write_text("[find_atoms]\ntreshold = 0.5\n")
    assert main(["run", IMAGE, "--recipe", str(tmp_path / "r.toml"), "--out", str(tmp_path / "o")]) == 2
    assert "find_atoms.treshold" in capsys.readouterr().err


def test_variables_of_the_environment_are_not_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN", '{"out": "x"}')
    monkeypatch.setenv("DEMO", "1")
    assert main(["run", "no.tif", "--out", "o"]) == 2


def test_sample_has_image_and_truth(tmp_path: Path) -> None:
    assert main(["sample", "quick", "--out", str(tmp_path / "s"), "--seed", "3"]) == 0
    assert {"image.tif", "truth.csv", "truth.json"} <= {path.name for path in (tmp_path / "s").iterdir()}


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupting(self: FindAtoms, *inputs: object) -> FindAtoms:
        os.kill(os.getpid(), signal.SIGINT)
        return self

    monkeypatch.setattr(FindAtoms, "resolve", interrupting)
    before = signal.getsignal(signal.SIGINT)
    assert main(["run", IMAGE, "--out", str(tmp_path / "o")]) == 130
    analysis = Analysis.open(tmp_path / "o")
    assert set(analysis.asked) <= {"segment", "find_atoms", "extract_sub_images"}
    assert len(analysis.atoms) > 100
    assert "saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) == before


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls of the viewer, which is not opened, and a short training."""
    calls: list[str] = []
    fake = SimpleNamespace(
        open_viewer=lambda analysis: calls.append("open"),
        screenshot=lambda viewer, path: calls.append(f"picture {path.name}"),
        run=lambda: calls.append("run"),
    )
    monkeypatch.setitem(sys.modules, "local_crystallography._napari.show", fake)
    monkeypatch.setattr(napari_part, "show", fake, raising=False)
    short = Recipe(train_vae=TrainVae(epochs=1), cluster=Cluster(by=GaussianMixture(n_init=2)))
    monkeypatch.setattr("local_crystallography.cli.demo.Recipe", lambda: short)
    return calls


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "calls"),
    [
        ({"DISPLAY": ":1", console.HEADLESS: "1"}, ["open", "picture viewer.png"]),
        ({"DISPLAY": ":1"}, ["open", "run"]),
        ({}, []),
    ],
)
def test_demo_shows_what_the_screen_allows(
    environment: dict[str, str], calls: list[str], window: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", console.HEADLESS):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["demo", "--sample", "quick", "--out", str(tmp_path / "demo")]) == 0
    assert window == calls
    assert (tmp_path / "demo" / "report.html").exists()
    assert "heavy columns found" in capsys.readouterr().out


@pytest.mark.parametrize("piped", [False, True])
def test_bar_shows_words_and_loss_in_a_terminal_alone(
    piped: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: not piped, raising=False)
    with console.logging_to_stderr(), console.progress_bar() as report:
        report(Progress(0.0, "Train VAE: epoch 0"))
        report(Progress(0.5, "Train VAE: epoch 1", loss=1.25))
    shown = capsys.readouterr().err
    assert ("0%" in shown) != piped
    assert ("Train VAE: epoch 0" in shown) != piped
    assert shown.splitlines().count("Train VAE") == piped  # one line per step instead


def truth_of(*rows: tuple[float, float, str, bool]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["y_px", "x_px", "site", "heavy"]).assign(phase="p")


TRUTH = truth_of((0, 0, "A", True), (0, 10, "B", True), (0, 20, "A", True), (5, 5, "O", False))


@pytest.mark.parametrize(
    ("places", "found", "false"),
    [
        ([(0, 0), (0, 10), (0, 20)], 3, 0),
        ([(1, 0), (0, 12.4)], 2, 0),
        ([(0, 2.6)], 0, 1),
        ([(0, 0), (0, 1)], 1, 1),
        ([(0, 0), (5, 5)], 1, 0),
        ([(5, 5), (5, 5.5)], 0, 1),
        ([], 0, 0),
    ],
)
def test_score_counts(places: list[tuple[float, float]], found: int, false: int) -> None:
    result = score(Atoms.at(np.reshape(places, (-1, 2))), TRUTH)
    assert (result.found, result.false, result.heavy) == (found, false, 3)


@pytest.mark.parametrize(("labels", "index"), [([0, 1, 0], 1.0), ([0, -1, 0], 1.0), ([0, 0, 1], -0.5)])
def test_score_of_classes(labels: list[int], index: float) -> None:
    atoms = Atoms.at([(0, 0), (0, 10), (0, 20)], columns={"label": labels})
    assert score(atoms, TRUTH).adjusted_rand_index == pytest.approx(index)


def test_the_truth_scores_perfectly() -> None:
    truth = load_truth("quick")
    atoms = Atoms.at(truth[["y_px", "x_px"]].to_numpy())
    result = score(atoms, truth)
    assert (result.recall, result.false_rate, result.distance_px) == (1.0, 0.0, 0.0)


def test_the_nearest_pair_is_matched_first() -> None:
    rows, columns = match(np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([[0.0, 2.1], [0.0, 5.0]]), reach=2.0)
    assert (rows.tolist(), columns.tolist()) == ([1], [0])


@pytest.mark.slow
def test_a_run_that_fails_leaves_earlier_results(quick_session: Path, tmp_path: Path, capsys) -> None:
    folder = shutil.copytree(quick_session, tmp_path / "earlier")
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    image = str(folder / "image.tif")
    assert main(["run", image, "--out", str(folder), "--extract-sub-images.window-size", "512"]) == 2
    assert "smaller window" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before


def test_another_images_results_are_not_overwritten(quick_session: Path, tmp_path: Path, capsys) -> None:
    folder = shutil.copytree(quick_session, tmp_path / "earlier")
    np.save(tmp_path / "other.npy", np.random.default_rng(0).random((64, 64)))
    assert main(["run", str(tmp_path / "other.npy"), "--out", str(folder)]) == 2
    assert "holds the session of another image, quick" in capsys.readouterr().err


def test_a_sample_is_not_written_among_other_files(quick_session: Path, tmp_path: Path, capsys) -> None:
    folder = shutil.copytree(quick_session, tmp_path / "earlier")
    assert main(["sample", "quick", "--out", str(folder)]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_a_photograph_ends_in_a_sentence(tmp_path: Path, capsys) -> None:
    y, x = np.mgrid[:96, :96]
    np.save(tmp_path / "smooth.npy", np.sin(y / 30.0) + np.cos(x / 25.0))
    assert main(["run", str(tmp_path / "smooth.npy"), "--out", str(tmp_path / "out")]) == 2
    assert "Traceback" not in (said := capsys.readouterr().err)
    assert "--" not in said.splitlines()[-1]
