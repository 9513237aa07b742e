"""Measured networks: counts of the paper, of torchvision and of torch's own counter; responses as NumPy has them."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from boda.models.architectures import architecture
from boda.models.measuring import by_size, deviations, measured
from boda.models.resnet import ResNet
from boda.models.vgg import VGG19
from resnet_checks import shake

IMAGE = (3, 224, 224)


def plain34() -> ResNet:
    return ResNet(architecture("resnet34"), residual=False)


def residual34(shortcut: str = "A") -> ResNet:
    return ResNet(architecture("resnet34"), shortcut=shortcut)


@pytest.mark.parametrize(
    ("make", "billions", "parameters"),
    [(VGG19, 19.6, 143_667_240), (plain34, 3.6, 21_623_848), (residual34, 3.6, 21_623_848)],
    ids=["vgg19", "plain34", "residual34"],
)
def test_figure_3_of_the_paper(make, billions, parameters):
    """19.6, 3.6 and 3.6 billion multiply-adds; parameters of torchvision, less the projections that these nets lack."""
    layers = measured(make, IMAGE)
    assert round(sum(layer.multiply_adds for layer in layers) / 1e9, 1) == billions
    assert sum(layer.parameters for layer in layers) == parameters


def test_the_sizes_of_figure_3():
    """VGG-19 begins at 224; the others halve it in their first convolution; all end at 7 and with 1,000 scores."""
    found = {make.__name__: by_size(measured(make, IMAGE)) for make in (VGG19, plain34)}
    assert [size for size, _ in found["VGG19"]] == [224, 112, 56, 28, 14, 1]
    assert [size for size, _ in found["plain34"]] == [112, 56, 28, 14, 7, 1]
    convs = {
        name: {size: sum(layer.kind == "conv" for layer in layers) for size, layers in rows}
        for name, rows in found.items()
    }
    assert convs["VGG19"] == {224: 2, 112: 2, 56: 4, 28: 4, 14: 4, 1: 0}
    assert convs["plain34"] == {112: 1, 56: 6, 28: 8, 14: 12, 7: 6, 1: 0}
    assert found["plain34"][-1][1][-1].output == (1000, 1, 1)


def test_projections_are_known_and_zeros_cost_nothing():
    """Option A has as many parameters and multiply-adds as the plain net, B three projections more."""
    plain, zeros, projected = (measured(make, IMAGE) for make in (plain34, residual34, lambda: residual34("B")))
    assert sum(layer.parameters for layer in projected) == 21_797_672
    count = [sum(layer.multiply_adds for layer in layers) for layers in (plain, zeros, projected)]
    assert count[0] == count[1] < count[2]
    assert sum(layer.projects and layer.kind == "conv" for layer in projected) == 3
    assert count[2] - count[0] == sum(layer.multiply_adds for layer in projected if layer.projects)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet18", "ResNet18_Weights"),
        ("resnet50", "ResNet50_Weights"),
        ("resnext50_32x4d", "ResNeXt50_32X4D_Weights"),
    ],
)
def test_counts_are_those_that_torchvision_publishes(name, weights):
    """Billions of multiply-adds and parameters beside its weights."""
    meta = getattr(torchvision.models, weights).IMAGENET1K_V1.meta
    layers = measured(lambda: ResNet(architecture(name)), IMAGE)
    assert sum(layer.parameters for layer in layers) == meta["num_params"]
    assert sum(layer.multiply_adds for layer in layers) / 1e9 == pytest.approx(meta["_ops"], abs=0.01)


@pytest.mark.parametrize("depth", [20, 56])
def test_counts_are_those_of_torchs_counter(depth):
    """Two operations a multiply-add."""
    layers = measured(lambda: ResNet(architecture(f"resnet{depth}")), (3, 32, 32))
    with torch.device("meta"):
        network = ResNet(architecture(f"resnet{depth}")).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 32, 32, device="meta"))
    assert 2 * sum(layer.multiply_adds for layer in layers) == counter.get_total_flops()
    assert sum(layer.kind == "conv" for layer in layers) == depth - 1


def test_vgg_is_torchvisions():
    """Names and shapes of all parameters, and with the same weights the same scores."""
    with torch.device("meta"):
        ours, theirs = VGG19(), torchvision.models.vgg19(weights=None, init_weights=False)
    assert {name: one.shape for name, one in ours.state_dict().items()} == {
        name: one.shape for name, one in theirs.state_dict().items()
    }
    assert [type(part).__name__ for part in ours.modules()][1:] == [type(part).__name__ for part in theirs.modules()][
        1:
    ]


def test_vgg_computes_what_torchvisions_does():
    """Its convolutions with the same weights, on a small image."""
    theirs = torchvision.models.vgg19(weights=None, init_weights=False).features.eval()
    with torch.device("meta"):
        ours = VGG19().features.eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(
    "options", [{}, {"residual": False}, {"shortcut": "C"}], ids=["residual", "plain", "projected"]
)
def test_responses_are_those_after_the_norm_and_before_anything_else(options):
    """Of every 3 x 3 convolution and no other, over all images, however they are batched; compared with NumPy."""
    network = shake(ResNet(architecture("resnet20"), **options)).train()
    images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = deviations(network, [images[:4], images[4:]])
    assert network.training
    seen: dict[str, np.ndarray] = {}
    pairs = [("conv1", "bn1")] + [
        (f"layer{stage}.{block}.conv{place}", f"layer{stage}.{block}.bn{place}")
        for stage in (1, 2, 3)
        for block in (0, 1, 2)
        for place in (1, 2)
    ]
    for conv, norm in pairs:
        network.get_submodule(norm).register_forward_hook(
            lambda _module, _given, output, name=conv: seen.__setitem__(name, output.detach().numpy())
        )
    network.eval()(images)
    assert list(found) == [conv for conv, _ in pairs]
    for name, deviation in found.items():
        assert deviation == pytest.approx(seen[name].std(), rel=1e-4)


def test_nothing_of_the_network_is_changed():
    """Frozen parts stay frozen, weights and statistics as they were, and no hook stays."""
    network = ResNet(architecture("resnet20")).train()
    network.layer1.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    deviations(network, [torch.randn(2, 3, 32, 32)])
    assert network.layer2.training
    assert not network.layer1.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_norms_of_any_kind_are_followed():
    """Group norms too; a convolution without a norm behind it has no responses to speak of."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    assert list(deviations(network, [torch.randn(2, 3, 9, 9)])) == ["0"]
