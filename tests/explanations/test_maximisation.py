"""Activation maximisation: optima that are known, far above noise, the same for a seed, and nothing left behind."""

import numpy as np
import pytest
import torch
from torch import nn

import boda
from boda.encoders.opened import opened
from boda.errors import Refused
from boda.explanations.canvas import Canvas, scrambled
from boda.explanations.channels import channel_score, class_score
from boda.explanations.maximisation import Ascent, _moved, maximised, through_door
from boda.explanations.passes import scored, slopes
from boda.explanations.score import Score
from little_networks import WEIGHTS, batch_of, linear_network, linear_score, open_module

BARE = Ascent(steps=60, rate=0.5, basis="pixels", decorrelated=False, jitter=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def convolved(bias: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten())
    nn.init.constant_(module[0].bias, bias)
    return module


@pytest.mark.parametrize("h", [6, 7])
@pytest.mark.parametrize("w", [8, 9])
@pytest.mark.parametrize("basis", ["fourier", "pixels"])
@pytest.mark.parametrize("decorrelated", [True, False])
def test_a_canvas_gives_an_image_back(h, w, basis, decorrelated):
    """Every level of 255, at even and odd sizes."""
    canvas = Canvas(h, w, basis, decorrelated)
    levels = np.random.default_rng(0).integers(0, 256, (3, h, w))
    levels.flat[:2] = 0, 255
    numbers = canvas.numbers_of(torch.from_numpy(levels).float() / 255)
    assert numbers.shape == canvas.shape
    np.testing.assert_array_equal((255 * canvas.shown(numbers)).round().numpy(), levels)


@pytest.mark.parametrize("w", [8, 9])
def test_the_waves_hold_as_much_as_the_pixels(w):
    """Parseval: with amplitudes and the quarter undone, the sum of squares is the same; inner columns stand for two."""
    canvas = Canvas(6, w, decorrelated=False)
    image = torch.rand(3, 6, w, generator=seeded()) * 0.9 + 0.05
    waves = torch.view_as_complex(canvas.numbers_of(image)) * canvas._amplitudes(image) / 4
    times = torch.full((w // 2 + 1,), 2.0)
    times[0] = 1
    if w % 2 == 0:
        times[-1] = 1
    assert float((waves.abs() ** 2 * times).sum()) == pytest.approx(float(image.logit().square().sum()), rel=1e-5)


def test_a_slow_wave_is_as_much_stronger_as_its_frequency_is_lower():
    """1 / f, as in natural images; the mean counts as the slowest."""
    amplitudes = Canvas(16, 16)._amplitudes(torch.zeros(1))
    assert amplitudes[1, 0] == 2 * amplitudes[2, 0] == 16
    assert amplitudes[0, 0] == amplitudes[0, 1] == 16
    assert amplitudes[3, 4] == pytest.approx(16 / 5)


def test_scrambled_light_has_the_same_waves_and_colours():
    """Same amplitudes and mean in each colour, same covariance of colours, other places."""
    light = torch.randn(3, 8, 9, generator=seeded())
    other = scrambled(light, seeded(1))
    for one, two in (
        (torch.fft.rfft2(light).abs(), torch.fft.rfft2(other).abs()),
        (light.mean((1, 2)), other.mean((1, 2))),
    ):
        np.testing.assert_allclose(one, two, atol=1e-4)
    np.testing.assert_allclose(torch.cov(light.flatten(1)), torch.cov(other.flatten(1)), atol=1e-5)
    assert np.abs(np.corrcoef(light.flatten(), other.flatten())[0, 1]) < 0.5


def test_a_turned_disc_is_the_same_disc():
    """Turning keeps the proportions of an image that is wider than high; jitter alone moves whole pixels."""
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(36) - 17.5, indexing="ij")
    disc = torch.exp(-(y**2 + x**2) / 32).expand(1, 3, 24, 36)
    turned = _moved(disc, Ascent(jitter=0, rotation=90), seeded())
    np.testing.assert_allclose(turned[..., 12:-12], disc[..., 12:-12], atol=0.02)  # mirrors of it come in at corners
    larger = _moved(disc, Ascent(jitter=0, scaling=0.5), seeded(2))
    assert not np.allclose(larger, disc, atol=0.02)
    np.testing.assert_allclose(larger, larger.flip(2), atol=1e-5)
    noise = torch.rand(1, 3, 24, 36, generator=seeded())
    moved = _moved(noise, Ascent(jitter=0.5), seeded(1))
    assert not torch.equal(moved, noise) and torch.equal(moved.flatten().sort().values, noise.flatten().sort().values)


def test_the_differentiable_door_is_the_door():
    network = linear_network()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    np.testing.assert_allclose(through_door(network, images), network.door(pixels), atol=2e-6)


def test_of_a_linear_score_the_image_is_the_signs_of_its_weights():
    """The closed form: white where a weight is positive, black where it is negative; and the score is its maximum."""
    found = maximised(linear_network(), linear_score(), generator=seeded(), ascent=BARE)
    signs = (WEIGHTS.permute(1, 2, 0) > 0).numpy()
    np.testing.assert_array_equal(found.pixels > 127, signs)
    best = float(scored(linear_network(), linear_score(), linear_network().door(255 * signs[None].astype(np.uint8))))
    assert found.value == pytest.approx(best, rel=0.01)
    assert found.start < 0.2 * best and found.noise.max() < 0.8 * best
    assert len(found.curve) == 60 and found.curve[0] == pytest.approx(found.start, abs=0.5)


def test_waves_and_independent_colours_climb_the_same_hill():
    """Four fifths of the maximum, which here is noise of all frequencies: what they are slowest to reach."""
    bare, waves = (
        maximised(linear_network(), linear_score(), generator=seeded(), ascent=one)
        for one in (BARE, Ascent(steps=100, rate=0.5, jitter=0))
    )
    assert waves.value > 0.8 * bare.value > waves.noise.max()


def test_a_unit_changes_what_it_sees_and_nothing_else():
    """Its window becomes the signs of its filter; from an image, all else stays."""
    network = open_module(convolved(), (6, 8))
    start = np.random.default_rng(0).integers(90, 160, (6, 8, 3), dtype=np.uint8)
    score = channel_score(network, "0", 2, place=(1, 4))
    found = maximised(network, score, generator=seeded(), ascent=BARE, start=start)
    window = found.pixels[1:4, 4:7]
    np.testing.assert_array_equal(window > 127, (network.module[0].weight[2] > 0).permute(1, 2, 0).numpy())
    outside = np.ones((6, 8), bool)
    outside[1:4, 4:7] = False
    np.testing.assert_array_equal(found.pixels[outside], start[outside])
    assert found.start == pytest.approx(float(scored(network, score, network.door(start[None]))))


def test_the_same_seed_gives_the_same_image():
    """With every kind of move; the global generator is not touched, another seed gives another image."""
    network, before = open_module(convolved(), (6, 8)), torch.random.get_rng_state()
    ascent = Ascent(steps=5, jitter=0.3, scaling=0.2, rotation=20, total_variation=0.1, l2=0.1)
    score = channel_score(network, "1", 1)
    one, two, other = (maximised(network, score, generator=seeded(seed), ascent=ascent) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.pixels, two.pixels)
    np.testing.assert_array_equal(one.curve, two.curve)
    np.testing.assert_array_equal(one.noise, two.noise)
    assert not np.array_equal(one.pixels, other.pixels)
    assert torch.equal(before, torch.random.get_rng_state())


def test_regularisers_make_images_smooth_and_grey():
    """Each does what it is named after."""
    network = linear_network()

    def made(**settings: float) -> np.ndarray:
        ascent = Ascent(steps=60, rate=0.2, basis="pixels", decorrelated=False, jitter=0, **settings)
        return maximised(network, linear_score(), generator=seeded(), ascent=ascent).pixels / 255

    free, smooth, grey = made(), made(total_variation=500), made(l2=2000)
    assert np.abs(np.diff(smooth, axis=1)).mean() < 0.3 * np.abs(np.diff(free, axis=1)).mean()
    assert np.abs(grey - 0.5).mean() < 0.3 * np.abs(free - 0.5).mean()


def test_a_unit_that_is_silent_at_faint_noise_is_woken_by_stronger_noise():
    """And refused where nothing wakes it; at an image, at once."""
    silent = open_module(convolved(bias=-1.0), (6, 8))
    score = channel_score(silent, "1", 0)
    assert maximised(silent, score, generator=seeded(), ascent=Ascent(steps=20, rate=0.2)).value > 0
    dead = open_module(convolved(bias=-1e4), (6, 8))
    score = channel_score(dead, "1", 0)
    with pytest.raises(Refused, match="8 images of noise: begin from an image"):
        maximised(dead, score, generator=seeded())
    with pytest.raises(Refused, match="at this image: begin from noise"):
        maximised(dead, score, generator=seeded(), start=np.zeros((6, 8, 3), np.uint8))


def test_a_network_is_left_as_it_was_also_after_an_error():
    """Hooks, modes, gradients of weights; the caller may be in inference mode."""
    network = open_module(convolved(), (6, 8))
    broken = Score("broken", "broken", "point", lambda rows: rows.sum(1) * torch.nan)
    with torch.inference_mode():
        maximised(network, channel_score(network, "1", 1), generator=seeded(), ascent=Ascent(steps=2))
        with pytest.raises(Refused, match="'broken' is nan at step 0"):
            maximised(network, broken, generator=seeded(), ascent=Ascent(steps=2))
        assert torch.is_inference_mode_enabled()
    for one in network.module.modules():
        assert not one.training and not one._forward_hooks and not one._forward_pre_hooks
    assert all(one.grad is None and not one.requires_grad for one in network.module.parameters())


def test_what_makes_no_sense_is_refused():
    network = open_module(convolved(), (6, 8))
    for refused, call in {
        "must be uint8 of": lambda: maximised(network, linear_score(), generator=seeded(), start=np.zeros((4, 4, 3))),
        "has channels 0 to 3, not 4": lambda: channel_score(network, "0", 4),
        r"4 x 6 places, and no \(4, 0\)": lambda: channel_score(network, "0", 0, place=(4, 0)),
        "no way 'median'": lambda: channel_score(network, "0", 0, over="median"),
        "steps=0": lambda: Ascent(steps=0),
        "no basis 'wavelets'": lambda: Ascent(basis="wavelets"),
        "scaling=1": lambda: Ascent(scaling=1),
        "l2=-1": lambda: Ascent(l2=-1),
    }.items():
        with pytest.raises(Refused, match=refused):
            call()


@pytest.mark.parametrize("name", ["resnet:resnet20", "timm:test_vit"])
def test_every_score_of_the_inside_rises_above_noise(open_network, name):
    """A logit, a probability, a channel of tokens or of a map, a unit, on random weights."""
    network = open_network(name)
    layer = "layer2" if name == "resnet:resnet20" else "blocks.1"
    scores = [class_score(network, 3), class_score(network, 3, probability=True), channel_score(network, layer, 5)]
    for score in [*scores, channel_score(network, layer, 5, place=(2, 3))]:
        found = maximised(network, score, generator=seeded(), ascent=Ascent(steps=15, jitter=0), nulls=4)
        assert found.value > found.start and found.value > found.noise.max()


def test_other_methods_explain_a_channel_as_any_score(open_network):
    """A channel's gradient at the pixels is that through all of the network."""
    network = open_network("resnet:resnet20")
    batch = batch_of(network)
    _, ours = slopes(network, channel_score(network, "layer2", 5, over="largest"), batch)
    kept = []
    hook = network.module.layer2.register_forward_hook(lambda one, given, made: kept.append(made.clone()))
    leaf = batch.clone().requires_grad_()
    network.logits(leaf)
    hook.remove()
    (theirs,) = torch.autograd.grad(kept[0][:, 5].amax((1, 2)).sum(), leaf)
    np.testing.assert_allclose(ours, theirs, atol=1e-7)


@pytest.mark.parametrize("index", [1, 7])
def test_real_classes_are_nearly_certain_after_a_few_dozen_steps(boda_data, index):
    """An automobile and a horse of a ResNet-20 trained on CIFAR-10; noise of the same waves and colours is not."""
    file = boda_data / "weights" / "resnet20-12fca82f.th"
    network = opened(boda.load_encoder("resnet:resnet20", weights=file))
    found = maximised(network, class_score(network, index), generator=seeded(), ascent=Ascent(steps=48))
    probability = class_score(network, index, probability=True)
    assert float(scored(network, probability, network.door(found.pixels[None]))) > 0.9
    assert found.value > found.noise.mean() + 5 and found.value > found.start + 5


def test_a_steeper_canvas_is_as_strong_and_gives_an_image_back():
    """Waves weaken by their power, together they are what they were; levels come back as they went in."""
    plain, steep = (Canvas(32, 32, falloff=falloff)._amplitudes(torch.zeros(1)) for falloff in (1.0, 1.5))
    assert float(steep.square().sum()) == pytest.approx(float(plain.square().sum()), rel=1e-5)
    assert float(steep[0, 1] / steep[0, 8]) == pytest.approx(8**1.5, rel=1e-5)
    levels = torch.from_numpy(np.random.default_rng(0).integers(1, 255, (3, 32, 32)))
    canvas = Canvas(32, 32, falloff=1.5)
    np.testing.assert_array_equal((255 * canvas.shown(canvas.numbers_of(levels / 255))).round().numpy(), levels)
    with pytest.raises(Refused, match="falloff=-1"):
        Ascent(falloff=-1)
