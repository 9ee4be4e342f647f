"""Seeds, stopping, resuming, restarts and reports of a training."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from crystals import few

from local_crystallography import Atoms, SubImages, TrainVae
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.models.harmonic import HarmonicNetwork
from local_crystallography.models.vae import Vae

SIDE, N = 20, 200


@pytest.fixture(scope="module")
def data():
    return few()


def weights_equal(one: Vae, other: Vae) -> bool:
    return all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_a_training_resumes_from_a_checkpoint_as_if_never_interrupted(data, kind, tmp_path):
    step = TrainVae(kind=kind, epochs=6, batch_size=64)
    whole = step(data)
    saving = step.model_copy(update={"checkpoint": tmp_path / "training.safetensors"})
    stopped = finish(saving.run(data), lambda p: p.message.startswith("epoch 4"))
    assert not weights_equal(stopped, whole)
    first = []
    resumed = finish(saving.run(data), lambda p: first.append(p.message))
    assert first[1].startswith("epoch 4")
    assert weights_equal(resumed, whole)
    assert resumed.settings == whole.settings


def test_a_finished_training_is_not_repeated(data, tmp_path):
    step = TrainVae(epochs=2, checkpoint=tmp_path / "training.safetensors")
    one, messages = step(data), []
    again = finish(step.run(data), lambda p: messages.append(p.message))
    assert weights_equal(one, again)
    assert not any(message.startswith("epoch") for message in messages)


@pytest.mark.parametrize(
    ("step", "others"),
    [(TrainVae(epochs=2, latents=3), None), (TrainVae(epochs=2, seed=1), None), (TrainVae(epochs=2), few(seed=1))],
)
def test_a_checkpoint_of_another_training_is_refused(data, step, others, tmp_path):
    path = tmp_path / "training.safetensors"
    TrainVae(epochs=2, checkpoint=path)(data)
    before = path.read_bytes()
    with pytest.raises(InputError, match="belongs to a training with other sub-images or settings"):
        finish(step.model_copy(update={"checkpoint": path})(others or data))
    assert path.read_bytes() == before


def test_a_file_that_is_not_a_checkpoint_is_refused_and_kept(data, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes", encoding="utf-8")
    with pytest.raises(InputError, match="not a training checkpoint"):
        TrainVae(epochs=1, checkpoint=path)(data)
    assert path.read_text(encoding="utf-8") == "my notes"


def test_a_checkpoint_that_cannot_be_written_is_reported(data, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        TrainVae(epochs=1, checkpoint=tmp_path / "nowhere" / "training.safetensors")(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_the_global_random_state_is_unchanged(data, kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = TrainVae(kind=kind, epochs=2)(data)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(77)
    assert weights_equal(one, TrainVae(kind=kind, epochs=2)(data))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_seeds_change_the_start(data, kind):
    one, other = (TrainVae(kind=kind, epochs=1, seed=s)(data) for s in (0, 1))
    assert not weights_equal(one, other)


@pytest.mark.slow
def test_of_several_starts_the_best_is_kept(data):
    step = TrainVae(epochs=3, restarts=3, learning_rate=0.01)
    fractions, losses = [], []

    def watch(progress):
        fractions.append(progress.fraction)
        losses.append(progress.held_out_loss)

    best = finish(step.run(data), watch)
    assert best.settings.held_out_loss == pytest.approx(min(loss for loss in losses if loss is not None))
    assert fractions == sorted(fractions)
    one = step.model_copy(update={"restarts": 1})(data)
    assert best.settings.held_out_loss <= one.settings.held_out_loss


@pytest.mark.slow
@pytest.mark.parametrize("reports", [1, 2, 5, 22, 24])
def test_one_request_to_stop_is_enough_at_any_time(data, reports):
    """Only one report is answered by a stop; there must be no later one."""
    seen = []

    def stop_once(progress):
        seen.append(progress)
        return len(seen) == reports

    vae = finish(TrainVae(epochs=50).run(data), stop_once)
    assert len(seen) <= reports + 1
    assert np.isfinite(vae.encode(data.windows).to_numpy()).all()


@pytest.mark.slow
def test_training_ends_when_the_loss_stops_improving(data):
    messages = []
    finish(TrainVae(epochs=400, patience=3, learning_rate=1e-5).run(data), lambda p: messages.append(p.message))
    finish(
        TrainVae(epochs=60, patience=2, warm_up=0, learning_rate=0.03).run(data), lambda p: messages.append(p.message)
    )
    assert not messages[-1].startswith("epoch 60")


def test_pure_noise_is_reported_as_uninformative():
    noise = SubImages(np.random.default_rng(0).standard_normal((300, SIDE, SIDE)).astype(np.float32), few(300).atoms)
    vae = TrainVae(kind="vae", epochs=40)(noise)
    assert "No latent is informative" in vae.remarks[0]


@pytest.mark.slow
def test_an_idle_latent_is_named(data):
    vae = TrainVae(epochs=60, latents=5, batch_size=64)(data)
    assert min(vae.settings.nats) < 0.05 < max(vae.settings.nats)
    assert "fewer latents would suffice" in vae.remarks[0]


@pytest.mark.slow
def test_capacity_sets_the_information_of_the_latents(data):
    free, held = (
        TrainVae(epochs=200, batch_size=64, capacity=c, kl_weight=w)(data) for c, w in ((None, 1), (0.5, 100))
    )
    assert sum(held.settings.nats) == pytest.approx(0.5, abs=0.15)
    assert sum(free.settings.nats) > sum(held.settings.nats)


def test_divergence_is_reported(data, monkeypatch):
    """Weights that are NaN give a loss that is NaN."""

    def broken(self, z, classes):
        return decode(self, z, classes) * float("nan")

    decode = HarmonicNetwork.decode
    job = TrainVae(epochs=50).run(data)
    for _ in range(30):
        next(job)
    monkeypatch.setattr(HarmonicNetwork, "decode", broken)
    with pytest.raises(InputError, match=r"diverged.*smaller learning rate"):
        finish(job)


@pytest.mark.slow
def test_the_posterior_of_the_angle_has_a_peak_for_every_symmetry_rotation():
    """Four equal neighbours: four equivalent rotations, 90 degrees apart."""
    turns = np.pi / 2 * np.arange(4)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    rng = np.random.default_rng(0)

    def square(angle):
        places = [(0, 0), *((-6 * np.sin(angle + t), 6 * np.cos(angle + t)) for t in turns)]
        return sum(np.exp(-((y - py) ** 2 + (x - px) ** 2) / 8) for py, px in places)

    windows = np.array([square(a) for a in rng.uniform(-np.pi, np.pi, 600)])
    windows += 0.3 * rng.standard_normal(windows.shape)
    part = SubImages(windows.astype(np.float32), Atoms.at(np.zeros((600, 2))))
    vae = TrainVae(epochs=60, batch_size=64, rotation_prior=100)(part)
    angle, posterior = vae.angle_posterior(windows[:50])
    assert posterior.sum(axis=1) == pytest.approx(1, abs=1e-4)
    share = [abs((posterior * np.exp(1j * m * angle)).sum(axis=1)).mean() for m in (1, 2, 4)]
    assert share[2] > 0.9  # sharp on the sector of the motif
    assert max(share[:2]) < 0.7  # and spread over the equivalent rotations
    found = vae.encode(windows[:50])["angle_rad"].to_numpy()
    best = angle[posterior.argmax(axis=1)]
    assert np.abs(np.angle(np.exp(1j * 4 * (found - best)))).max() / 4 < np.radians(4)


def test_a_network_without_an_angle_says_so(data):
    vae = TrainVae(kind="vae", epochs=1)(data)
    assert "angle_rad" not in vae.encode(data.windows)
    assert vae.offset_prior is None
    with pytest.raises(InputError, match="no angle"):
        vae.angle_posterior(data.windows)


def test_traversing_a_latent_changes_it_alone(data):
    vae = TrainVae(epochs=5, latents=3)(data)
    images = vae.traverse(1, 5)
    assert images.shape == (5, SIDE, SIDE)
    assert np.allclose(images[2], vae.decode([0, 0, 0])[0], atol=1e-5)
    assert np.allclose(images[0], vae.decode([0, -1.6448536, 0])[0], atol=1e-5)
    with pytest.raises(InputError, match="no latent 3; choose one from 0 to 2"):
        vae.traverse(3)


def test_points_with_angle_and_offset_are_not_latent_points(data):
    vae = TrainVae(epochs=1)(data)
    with pytest.raises(InputError, match="Latent points need 2 numbers each, not 5"):
        vae.decode(np.zeros((1, 5)))


PROCESS = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from crystals import few
from local_crystallography import TrainVae
from local_crystallography.models.parallel import Ranks
vae = TrainVae(epochs=60, batch_size=64, device="cpu")(few())
total = sum(float(value.double().sum()) for value in vae.weights.values())
rank = Ranks.of_environment("cpu").rank
Path({folder!r}, f"rank{{rank}}.txt").write_text(f"{{total.hex()}} {{vae.settings.held_out_loss}}")
torch.distributed.destroy_process_group()
names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").glob("*")]
assert not any("gloo" in name for name in names), names
"""


@pytest.mark.slow
def test_two_processes_train_one_network(data, tmp_path):
    """Started as by torchrun: both end with the same network, as good as that of one process."""
    script = tmp_path / "train.py"
    script.write_text(PROCESS.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path)), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    said = [file.read_text(encoding="utf-8") for file in sorted(tmp_path.glob("rank*.txt"))]
    assert out.returncode == 0, out.stderr
    assert len(said) == 2
    assert said[0] == said[1]
    alone = TrainVae(epochs=60, batch_size=64)(data)
    assert float(said[0].split()[1]) == pytest.approx(alone.settings.held_out_loss, abs=0.03)


LOOKS = [({"kind": "rvae"}, True), ({"kind": "vae"}, False), ({"kind": "rvae", "decoder": "canonical"}, True)]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "turns"), LOOKS)
def test_a_preview_does_not_affect_the_training(data, how, turns):
    step, seen = TrainVae(epochs=3, batch_size=64, **how), []

    def look(progress):
        if progress.preview is not None:
            parts = list(progress.preview())
            seen.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    unseen, watched = step(data), finish(step.run(data), look)
    assert weights_equal(unseen, watched)
    assert unseen.settings == watched.settings
    assert len(seen) >= 3
    assert set(seen[0]) == {"z0", "z1"} | ({"angle_rad"} if turns else set())
    assert all(len(column) == N for column in seen[-1].values())


@pytest.mark.slow
def test_a_preview_agrees_with_the_final_encoding(data):
    step, seen = TrainVae(epochs=30, batch_size=64), []
    vae = finish(step.run(data), lambda p: seen.append(next(p.preview())) if p.preview else None)
    told = vae.encode(data.windows)
    assert np.corrcoef(seen[-1]["z0"], told["z0"])[0, 1] > 0.95
    away = (seen[-1]["angle_rad"] - told["angle_rad"] + np.pi) % (2 * np.pi) - np.pi
    assert np.median(np.abs(away)) < np.radians(2)


def test_a_training_reports_epoch_batch_and_device(data):
    told = []
    finish(TrainVae(epochs=2, batch_size=64).run(data), lambda p: told.append(p) if p.epochs else None)
    assert [(p.epoch, p.epochs, p.batch, p.batches) for p in told[:4]] == [(1, 2, i, 3) for i in (1, 2, 3, 3)]
    assert [p.held_out_loss is None for p in told[:4]] == [True, True, True, False]
    assert {p.device for p in told} == {"CPU, 1 thread"}
    assert told[0].fraction == 0
