"""The autoencoder: the published form to the letter, every other form there and back to the same size."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from boda.errors import Refused
from boda.models.autoencoder import (
    Autoencoder,
    Seen,
    Shape,
    autoencoder,
    interpolated,
    published,
    stages_for,
    traversed,
)


def textbook() -> tuple[nn.Sequential, nn.Sequential]:
    """The published encoder and decoder, as they were published."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.SiLU(),
        nn.Conv2d(32, 128, 3, stride=2, padding=1), nn.SiLU(),
        nn.Conv2d(128, 512, 7),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.ConvTranspose2d(512, 128, 7), nn.SiLU(),
        nn.ConvTranspose2d(128, 32, 3, stride=2, padding=1, output_padding=1), nn.SiLU(),
        nn.ConvTranspose2d(32, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
    )  # fmt: skip
    return encoder, decoder


def facts(layer: nn.Module) -> tuple:
    """What a layer is, whatever its class is called."""
    for kind in (nn.ConvTranspose2d, nn.Conv2d):
        if isinstance(layer, kind):
            numbers = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
            return kind, *numbers, layer.output_padding, layer.dilation, layer.groups, layer.bias is not None
    return (type(layer),)


def test_the_published_form_is_the_published_form():
    """Layer by layer with all numbers, and so many parameters; nothing follows the features."""
    network = published()
    for ours, theirs in zip((network.encoder, network.decoder), textbook(), strict=True):
        assert [facts(layer) for layer in ours] == [facts(layer) for layer in theirs]
    assert network.classifier is None
    assert sum(one.numel() for one in network.parameters()) == 6_497_665


def test_the_published_shapes():
    """28 to 14 to 7 to 512 numbers, and back."""
    network, x = published(), torch.rand(3, 1, 28, 28)
    down, up = [], []
    for layer in network.encoder:
        x = layer(x)
        down.append(tuple(x.shape[1:]))
    for layer in network.decoder:
        x = layer(x)
        up.append(tuple(x.shape[1:]))
    assert down[::2] == [(32, 14, 14), (128, 7, 7), (512, 1, 1)]
    assert up[::2] == [(128, 7, 7), (32, 14, 14), (1, 28, 28)]
    assert network.encode(torch.rand(3, 1, 28, 28)).shape == (3, 512)


def test_it_computes_what_plain_layers_compute():
    """The last convolution is computed as a product of matrices: values and gradients are those of the convolution."""
    torch.manual_seed(0)
    network, (encoder, decoder) = published().double(), (part.double() for part in textbook())
    encoder.load_state_dict(network.encoder.state_dict())
    decoder.load_state_dict(network.decoder.state_dict())
    images = torch.rand(4, 1, 28, 28, dtype=torch.float64)
    seen, features = network(images), encoder(images)
    torch.testing.assert_close(seen.features, features.flatten(1))
    torch.testing.assert_close(seen.reconstruction, decoder(features))
    (seen.reconstruction - images).square().mean().backward()
    (decoder(features) - images).square().mean().backward()
    for ours, theirs in zip(network.parameters(), [*encoder.parameters(), *decoder.parameters()], strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_weights_lie_in_memory_as_they_like():
    """Channels last gives the same numbers."""
    network, images = published(), torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        plain = network(images).reconstruction
        turned = network.to(memory_format=torch.channels_last)(images).reconstruction
    torch.testing.assert_close(turned, plain, atol=1e-6, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(8, 45), st.integers(8, 45)),
    channels=st.sampled_from([1, 3]),
    stages=st.lists(st.integers(1, 6), min_size=1, max_size=2),
    features=st.integers(1, 9),
    depth=st.integers(1, 3),
    batch_norm=st.booleans(),
    classes=st.sampled_from([0, 2, 10]),
)
def test_any_form_comes_back_to_the_size_it_saw(size, channels, stages, features, depth, batch_norm, classes):
    """Odd and oblong sizes, one channel and three, wide and deep, with norms and without; values are 0 to 1."""
    network = autoencoder(
        size, channels=channels, stages=stages, features=features, depth=depth, batch_norm=batch_norm, classes=classes
    )
    images = torch.rand(2, channels, *size)
    seen = network(images)
    assert seen.reconstruction.shape == images.shape
    assert seen.features.shape == (2, features)
    assert seen.scores is None if not classes else seen.scores.shape == (2, classes)
    assert seen.reconstruction.min() >= 0
    assert seen.reconstruction.max() <= 1
    norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    assert norms == (2 * depth * len(stages) if batch_norm else 0)
    down = sum(isinstance(layer, nn.Conv2d) for layer in network.encoder)
    assert down == depth * len(stages) + 1
    seen.reconstruction.sum().backward()
    assert all(one.grad is not None for one in [*network.encoder.parameters(), *network.decoder.parameters()])


@settings(max_examples=200, deadline=None)
@given(size=st.tuples(st.integers(8, 600), st.integers(8, 600)))
def test_images_of_any_size_have_a_form(size):
    """Without stages given, none is refused, long ones included; at most 7 rows and columns are left, or 2."""
    shape = Shape(size, stages=stages_for(size))
    rows, columns = shape.sizes[-1]
    assert max(rows, columns) <= 7 or min(rows, columns) == 2
    assert all(after == (math.ceil(h / 2), math.ceil(w / 2)) for (h, w), after in itertools.pairwise(shape.sizes))


@pytest.mark.parametrize("side", [32, 224])
def test_common_sizes_come_back(side):
    """Of CIFAR and of ImageNet, with the stages that come of themselves."""
    with torch.device("meta"):
        network = autoencoder(side, features=16)
        seen = network(torch.rand(1, 3, side, side))
    assert seen.reconstruction.shape == (1, 3, side, side)


def test_classifier_mode_has_no_side_effects():
    """Images, features and scores come back as a result: nothing stays on the module, nothing given is changed."""
    torch.manual_seed(0)
    network = published(classes=10).eval()
    assert [facts(layer) for layer in network.classifier] == [(nn.Linear,), (nn.SiLU,), (nn.Linear,)]
    assert [tuple(one.weight.shape) for one in list(network.classifier)[::2]] == [(64, 512), (10, 64)]
    images = torch.rand(2, 1, 28, 28)
    before, inside = images.clone(), set(vars(network))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        first, second = network(images), network(images)
    assert isinstance(first, Seen)
    reconstruction, features, scores = first
    assert scores.shape == (2, 10)
    torch.testing.assert_close(network.classifier(features), scores)
    torch.testing.assert_close(network.decode(features), reconstruction)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert torch.equal(images, before)
    assert set(vars(network)) == inside
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert published()(images).scores is None


def test_a_classifier_changes_nothing_of_the_rest():
    """The same seed draws the same encoder and decoder with it and without: what transfer compares begins alike."""
    torch.manual_seed(3)
    plain = published().state_dict()
    torch.manual_seed(3)
    with_classes = published(classes=10).state_dict()
    assert all(torch.equal(tensor, with_classes[name]) for name, tensor in plain.items())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"channels": 0}, "channels=0"),
        ({"features": 0}, "features=0"),
        ({"depth": 0}, "depth=0"),
        ({"size": (7, 28)}, "7 x 28 pixels: 8 x 8"),
        ({"stages": ()}, "give the channels after each halving"),
        ({"stages": (8, 0)}, "give the channels after each halving"),
        ({"stages": (1,) * 5}, "5 halvings leave nothing of 28 x 28"),
        ({"classes": 1}, "one class"),
    ],
)
def test_what_cannot_be_built_is_refused(given, said):
    """In one line that names the number."""
    with pytest.raises(Refused, match=said):
        Autoencoder(Shape(**given))


def test_images_of_another_size_are_refused():
    """16 x 64 pixels have as many numbers after two halvings as 32 x 32, and must not pass for them."""
    network = autoencoder(32, channels=1, stages=(4, 4), features=4)
    with pytest.raises(Refused, match=r"1 x 16 x 64: .* 1 x 32 x 32"):
        network(torch.rand(2, 1, 16, 64))


def test_interpolation_is_a_straight_line_with_both_ends():
    """Equal steps; the ends are the features themselves, to the bit."""
    first, second = torch.tensor([0.0, 4.0]), torch.tensor([1.0, 0.3])
    line = interpolated(first, second, 5)
    assert torch.equal(line[0], first)
    assert torch.equal(line[-1], second)
    torch.testing.assert_close(line[1:] - line[:-1], ((second - first) / 4).expand(4, 2))
    with pytest.raises(Refused, match="two are the least"):
        interpolated(first, second, 1)


def test_traversal_moves_one_feature_only():
    """All others stay, and so do the features that were given."""
    features = torch.arange(4.0)
    moved = traversed(features, 2, torch.tensor([-1.0, 7.0]))
    assert moved.tolist() == [[0, 1, -1, 3], [0, 1, 7, 3]]
    assert features.tolist() == [0, 1, 2, 3]
    for place in (4, -1):
        with pytest.raises(Refused, match=f"feature {place} of 4"):
            traversed(features, place, torch.zeros(1))
