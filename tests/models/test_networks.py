"""Every kind of network on sub-images with known class, pose and noise."""

import math

import numpy as np
import pytest
import torch
from crystals import motif
from torch.nn import functional as F

from local_crystallography import Atoms, SubImages, TrainCvae, TrainVae
from local_crystallography.data.errors import InputError
from local_crystallography.data.progress import finish
from local_crystallography.models.amortised import CanonicalDecoder, sampling_points
from local_crystallography.models.harmonics import Harmonics
from local_crystallography.models.likelihood import Bernoulli, Gaussian

SIDE, N, NOISE = 24, 300, 0.1
KINDS = [
    {"kind": "rvae"},
    {"kind": "rvae", "encoder": "dense"},
    {"kind": "rvae", "encoder": "convolutional"},
    {"kind": "rvae", "decoder": "canonical"},
    {"kind": "rvae", "decoder": "canonical", "encoder": "convolutional"},
    {"kind": "vae"},
    {"kind": "vae", "encoder": "convolutional"},
]
CONDITIONAL = [{"kind": "cvae"}, {"kind": "crvae"}, {"kind": "crvae", "decoder": "canonical"}]


def sub_images(windows, **columns):
    return SubImages(np.asarray(windows, np.float32), Atoms.at(np.zeros((len(windows), 2)), columns=columns))


@pytest.fixture(scope="module")
def data():
    """Motifs of two strengths, labelled 2 and 7, slightly rotated and shifted."""
    rng = np.random.default_rng(0)
    label = rng.choice([2, 7], N)
    pictures = [
        motif(a, s, side=SIDE) * (1 if k == 2 else 1.6)
        for k, a, s in zip(label, rng.normal(0, 0.2, N), rng.normal(0, 0.2, (N, 2)), strict=True)
    ]
    return sub_images(np.array(pictures) + NOISE * rng.standard_normal((N, SIDE, SIDE)), label=label)


def loss_of_mean(data):
    """Held-out loss per pixel of a network that always decodes the mean image."""
    windows = data.windows.astype(float)
    spread = (windows - windows.mean(axis=0)).std() / windows.std()
    return math.log(spread) + 0.5 * (1 + math.log(2 * math.pi))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: "-".join(k.values()))
def test_every_kind_learns_more_than_the_mean_image(data, kind):
    vae = TrainVae(epochs=30, batch_size=64, offset_prior=0.3, **kind)(data)
    assert vae.settings.held_out_loss < loss_of_mean(data) - 0.01
    rest = (vae.reconstruct(data.windows) - data.windows)[:, vae.harmonics.disc]
    assert rest.std() < (data.windows - data.windows.mean(axis=0)).std()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_the_decoder_of_the_paper_learns_too_if_slowly(data, kind):
    losses = []
    few = SubImages(data.windows[:100], data.atoms[:100])
    step = TrainVae(kind=kind, decoder="coordinates", epochs=8, batch_size=10, warm_up=0)
    vae = finish(step.run(few), lambda p: losses.append(p.held_out_loss) if p.held_out_loss is not None else None)
    assert losses[-1] < losses[0]
    assert vae.decode([0, 0]).shape == (1, SIDE, SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CONDITIONAL, ids=lambda k: "-".join(k.values()))
def test_a_conditional_network_decodes_the_given_class(data, kind):
    vae = TrainCvae(epochs=60, batch_size=64, **kind)(data, data.atoms)
    label, disc = data.atoms.features["label"].to_numpy(), vae.harmonics.disc
    assert vae.settings.classes == (2, 7)
    columns = vae.encode(data.windows, label)
    z = columns[["z0", "z1"]]
    weak, strong = (vae.decode(z, np.full(N, k)).mean(axis=0)[disc].std() for k in (2, 7))
    assert strong / weak == pytest.approx(1.6, rel=0.15)
    means = [columns.loc[label == k, ["z0", "z1"]].mean().to_numpy() for k in (2, 7)]
    assert np.abs(means[0] - means[1]).max() < 0.5  # the class is given, so the latents need not encode it
    assert vae.tableaux().shape == (2, 3, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("labels", "words"),
    [(None, "no labels"), (np.full(N, 3), "not trained on label 3; use only 2, 7"), ([2], "1 labels for")],
)
def test_unsuitable_labels_are_refused(data, labels, words):
    vae = TrainCvae(epochs=1)(data, data.atoms)
    with pytest.raises(InputError, match=words):
        vae.encode(data.windows, labels)


def test_labels_for_a_network_without_classes_are_refused(data):
    vae = TrainVae(kind="vae", epochs=1)(data)
    with pytest.raises(InputError, match="not conditional on classes"):
        vae.encode(data.windows, np.zeros(N))
    with pytest.raises(InputError, match="has no classes"):
        vae.tableaux()


def test_atoms_without_a_class_are_left_out_of_a_conditional_training(data):
    label = data.atoms.features["label"].to_numpy().copy()
    label[::3] = -1
    vae = TrainCvae(epochs=1)(data, data.atoms.with_features(label=label))
    assert vae.settings.classes == (2, 7)
    with pytest.raises(InputError, match="cluster first"):
        TrainCvae(epochs=1)(data, data.atoms.without(["label"]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_several_channels_are_encoded_and_decoded(data, kind):
    """The second channel shows the negative at another scale and with another noise."""
    rng = np.random.default_rng(1)
    second = -3 * data.windows + 0.9 * rng.standard_normal(data.windows.shape)
    both = SubImages(np.stack([data.windows, second], axis=-1).astype(np.float32), data.atoms)
    vae = TrainVae(kind=kind, epochs=30, batch_size=64)(both)
    image = vae.decode([0, 0])[0][vae.harmonics.disc]
    assert image.shape[1] == 2
    assert np.corrcoef(image.T)[0, 1] < -0.95
    assert vae.reconstruct(both.windows).shape == both.windows.shape
    noise = vae.weights["likelihood.noise"].numpy() * vae.settings.scale
    assert noise[1] > 5 * noise[0]
    with pytest.raises(InputError, match="trained on sub-images of 24 x 24 x 2"):
        vae.encode(data.windows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rvae", "vae"])
def test_probabilities_are_learned_with_a_bernoulli_likelihood(kind):
    rng = np.random.default_rng(2)
    angle = rng.uniform(-np.pi, np.pi, N)
    pictures = np.clip([0.95 * motif(a, side=SIDE) for a in angle], 0, 1)
    vae = TrainVae(kind=kind, likelihood="bernoulli", rotation_prior=3, epochs=60, batch_size=64)(sub_images(pictures))
    seen = vae.reconstruct(pictures)[:, vae.harmonics.disc]
    assert seen.min() >= 0
    assert seen.max() <= 1
    if kind == "rvae":
        assert np.abs(seen - pictures[:, vae.harmonics.disc]).mean() < 0.03
        found = vae.encode(pictures)["angle_rad"].to_numpy()
        assert abs(np.exp(1j * (found - angle)).mean()) > 0.99


def test_a_bernoulli_likelihood_requires_probabilities(data):
    with pytest.raises(InputError, match="needs probabilities"):
        TrainVae(likelihood="bernoulli")(data)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_log_likelihoods_are_those_of_torch(likelihood):
    torch.manual_seed(0)
    x, image = torch.rand(5, 12), torch.randn(5, 12)
    if likelihood == "gaussian":
        ours = Gaussian(2, 12)
        ours.noise.copy_(torch.tensor([0.5, 2.0]))
        theirs = torch.distributions.Normal(image, ours.noise.repeat(6)).log_prob(x).sum(1)
        data = x
    else:
        ours, data = Bernoulli(1, 12, None), x - 0.5
        theirs = -F.binary_cross_entropy_with_logits(image, x, reduction="none").sum(1)
    torch.testing.assert_close(ours.log(data, image), theirs)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_pull_of_a_likelihood_is_its_gradient(likelihood):
    torch.manual_seed(0)
    ours = Gaussian(1, 12) if likelihood == "gaussian" else Bernoulli(1, 12, None)
    x, image, slopes = torch.rand(3, 12) - 0.5, torch.randn(3, 12), torch.randn(3, 2, 12)
    amount = torch.zeros(3, 2, requires_grad=True)
    ours.log(x, image + torch.einsum("nk,nkd->nd", amount, slopes)).sum().backward()
    torch.testing.assert_close(ours.pull(x, image, slopes)[0], amount.grad)


@pytest.mark.parametrize("angle", [0.3, np.pi / 2, -2.0])
def test_all_decoders_rotate_counter_clockwise_and_shift_along_the_image(angle):
    """Sampling points of a rotated and shifted image show the image there."""
    pose = torch.tensor([[angle, 1.5, -2.0]], dtype=torch.float32)
    y, x = sampling_points(33, pose, device=torch.device("cpu"))[0].T.numpy().reshape(2, 33, 33)
    seen = np.exp(-((y - 0) ** 2 + (x - 7) ** 2) / 8)  # an atom to the right of the centre
    place = np.array(np.unravel_index(seen.argmax(), seen.shape)) - 16
    assert place == pytest.approx([1.5 - 7 * np.sin(angle), -2 + 7 * np.cos(angle)], abs=0.75)


def test_the_canonical_decoder_shows_its_image_at_pose_zero():
    decoder = CanonicalDecoder(9, 2, turns=True, latents=2, classes=0, hidden=8)
    z = torch.randn(1, 2)
    frame = (decoder.mean + decoder.layers(z)).view(decoder.frame, decoder.frame, 2)
    edge = (decoder.frame - 9) // 2
    middle = frame[edge : edge + 9, edge : edge + 9].reshape(1, -1)
    torch.testing.assert_close(decoder(z, torch.zeros(1, 0), torch.zeros(1, 3)), middle, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_a_far_shift_equals_the_image_drawn_there():
    harmonics = Harmonics(32, 1.0)
    network = TrainVae(epochs=1, detail=2 * np.pi)(sub_images(np.random.default_rng(0).random((30, 32, 32)))).network
    still, moved = (
        torch.as_tensor(harmonics.analysis @ motif(0.4, s, side=32).ravel()).float() for s in ((0, 0), (1.2, -1.6))
    )
    found = network.shift(still[None], torch.tensor([[1.2, -1.6]]))[0]
    assert (found - moved).norm() < 0.25 * (still - moved).norm()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "vae", "decoder": "harmonic"}, "harmonic decoder needs a kind with angle"),
        ({"kind": "vae", "encoder": "invariant"}, "belongs to the harmonic decoder"),
        ({"decoder": "canonical", "encoder": "invariant"}, "belongs to the harmonic decoder"),
    ],
)
def test_incompatible_parts_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        TrainVae(**settings)
