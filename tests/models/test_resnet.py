"""ResNets: torchvision's by name, weight for weight, and every flag forward and backward."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from boda.errors import NotFound, Refused
from boda.models.architectures import ARCHITECTURES, CIFAR, IMAGENET, Architecture, architecture, cifar
from boda.models.blocks import BasicBlock, Bottleneck
from boda.models.resnet import ResNet
from boda.models.shortcuts import make_shortcut
from resnet_checks import CHECKS, Models, apart, images, same_as, shake, with_weights_of

OF_IMAGENET = [name for name, one in ARCHITECTURES.items() if one.form is IMAGENET]
OF_CIFAR = [name for name, one in ARCHITECTURES.items() if one.form is CIFAR]
SMALL = ("resnet18", "resnet34", "resnet50", "resnext50_32x4d")

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnet1202": 19_421_274,
}
MILLIONS_OF_THE_PAPER = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def on_paper(name: str, **options: object) -> ResNet:
    """A network without numbers."""
    with torch.device("meta"):
        return ResNet(ARCHITECTURES[name], **options)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_facts_that_the_slips_would_break(check):
    """Each check of `resnet_checks` holds for our source."""
    check(Models())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_are_as_many_as_published(name: str):
    """torchvision's own counts, and those of the paper's CIFAR networks."""
    assert parameters(on_paper(name)) == PARAMETERS[name]
    if name in OF_IMAGENET:
        weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
        assert weights.meta["num_params"] == PARAMETERS[name]


@pytest.mark.parametrize(("depth", "millions"), MILLIONS_OF_THE_PAPER.items())
def test_networks_for_cifar_have_the_papers_size(depth: int, millions: float):
    """Table 6 of the paper, in its digits."""
    digits = 1 if millions > 1 else 2
    assert round(PARAMETERS[f"resnet{depth}"] / 1e6, digits) == millions


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SMALL else pytest.mark.slow) for name in OF_IMAGENET]
)
def test_torchvisions_weights_load_and_give_the_same(name: str):
    """With the same random weights scores and gradients agree to 1e-5, for every variant."""
    theirs = shake(torchvision.models.get_model(name, weights=None))
    ours = ResNet(ARCHITECTURES[name])
    with_weights_of(ours, theirs)
    same_as(ours.eval(), theirs.eval(), images())


@pytest.mark.parametrize("name", OF_CIFAR)
def test_networks_for_cifar_go_forward_and_back(name: str):
    """All depths, 1202 layers too: ten scores, and a gradient for every parameter."""
    network = ResNet(ARCHITECTURES[name]).train()
    scores = network(images(2, side=8 if name == "resnet1202" else 32))
    assert scores.shape == (2, 10)
    scores.logsumexp(1).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert sum(isinstance(part, nn.Conv2d) for part in network.modules()) + 1 == int(name.removeprefix("resnet"))


@pytest.mark.parametrize("option", ["A", "B", "C"])
@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50"])
def test_shortcuts_are_the_papers_options(name: str, option: str):
    """A adds no parameter; B a projection where the shape changes, C one in each block; all go forward and back."""
    network = shake(ResNet(ARCHITECTURES[name], shortcut=option, classes=7)).train()
    blocks = [part for part in network.modules() if isinstance(part, BasicBlock | Bottleneck)]
    projections = [block for block in blocks if isinstance(block.downsample, nn.Sequential)]
    changes = len(network.stages) - (name != "resnet50")
    assert len(projections) == {"A": 0, "B": changes, "C": len(blocks)}[option]
    added = sum(parameters(block.downsample) for block in projections)
    assert parameters(network) - added == parameters(on_paper(name, shortcut="A", classes=7))
    network(images(4, side=ARCHITECTURES[name].form.side // (4 if "50" in name else 2))).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_zero_padding_keeps_every_second_pixel_between_zeros():
    """Option A by hand: the old channels in the middle, as the published CIFAR weights have them."""
    x = images(2, side=5)
    padded = make_shortcut("A", 3, 8, stride=2, norm_layer=nn.BatchNorm2d)(x)
    assert padded.shape == (2, 8, 3, 3)
    assert torch.equal(padded[:, 2:5], x[:, :, ::2, ::2])
    assert not padded[:, :2].any()
    assert not padded[:, 5:].any()
    assert make_shortcut("A", 3, 3, stride=1, norm_layer=nn.BatchNorm2d) is None


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50"])
def test_plain_networks_have_no_way_around(name: str):
    """`residual=False`: the same convolutions in a chain, no projections; zeros in one layer end everything."""
    plain = ResNet(ARCHITECTURES[name], residual=False).train()
    assert parameters(plain) == parameters(on_paper(name, shortcut="A"))
    plain(images(4, side=ARCHITECTURES[name].form.side // (4 if "50" in name else 2))).sum().backward()
    assert all(parameter.grad is not None for parameter in plain.parameters())
    plain.eval()
    plain.layer2[1].conv2.weight.data.zero_()
    plain.layer2[1].bn2.bias.data.zero_()
    first, second = images(2).split(1)
    assert torch.equal(plain(first), plain(second))
    residual = ResNet(ARCHITECTURES[name]).eval()
    residual.layer2[1].conv2.weight.data.zero_()
    assert not torch.equal(residual(first), residual(second))


def test_a_plain_block_is_its_convolutions():
    """By hand: norm of convolution, ReLU, norm of convolution, ReLU."""
    block = shake(BasicBlock(4, 6, stride=2, residual=False)).eval()
    x = torch.randn(2, 4, 9, 9)
    expected = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu())).relu()
    assert torch.equal(block(x), expected)


@pytest.mark.parametrize("dilated", [(False, False, True), (False, True, True), (True, True, True)])
def test_dilated_stages_keep_their_size(dilated: tuple[bool, ...]):
    """Each dilated stage keeps the map of the stage before; forward and backward."""
    network = ResNet(Models().small(), replace_stride_with_dilation=dilated).train()
    maps = network.forward_stages(images(2, side=32))
    sides = [made.shape[-1] for made in maps.values()]
    expected = [8, 8]
    for dilate in dilated:
        expected.append(expected[-1] if dilate else expected[-1] // 2)
    assert sides == expected
    assert network.window == 7 * 2 ** sum(dilated)
    maps["layer4"].sum().backward()
    assert network.conv1.weight.grad.abs().sum() > 0


def test_basic_blocks_refuse_what_they_cannot_have():
    """Groups, a width of groups, dilation: one line each, from the block and from the network."""
    for options in ({"groups": 2}, {"width_per_group": 128}, {"dilation": 2}):
        with pytest.raises(Refused, match="basic blocks"):
            BasicBlock(64, 64, **options)
    for changed in ({"groups": 32, "width_per_group": 4}, {"width_per_group": 128}):
        with pytest.raises(Refused, match="resnet50"):
            ResNet(replace(ARCHITECTURES["resnet18"], **changed))
    with pytest.raises(Refused, match="not dilated"):
        ResNet(ARCHITECTURES["resnet18"], replace_stride_with_dilation=[False, False, True])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ResNet(Models().small(), replace_stride_with_dilation=[True]), "3 values"),
        (lambda: ResNet(Models().small(), shortcut="D"), "no shortcut 'D'"),
        (lambda: ResNet(Models().small(), shortcut="B", residual=False), "plain network"),
        (lambda: ResNet(Models().small(), residual=False, zero_init_residual=True), "zero_init_residual"),
        (
            lambda: ResNet(Models().small(), zero_init_residual=True, norm_layer=partial(nn.BatchNorm2d, affine=False)),
            "norms with weights",
        ),
        (lambda: make_shortcut("A", 8, 3, stride=1, norm_layer=nn.BatchNorm2d), "cannot become 3"),
        (lambda: Architecture(IMAGENET, "basic", (2, 2, 2)), "4 stages"),
        (lambda: Architecture(CIFAR, "basic", (2, 0, 2)), "above 0"),
        (lambda: cifar(21), "6n \\+ 2"),
        (lambda: cifar(2), "6n \\+ 2"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(make, said: str):
    """It says what, and what would do."""
    with pytest.raises(Refused, match=said) as refusal:
        make()
    assert "\n" not in str(refusal.value)


def test_unknown_names_get_near_ones():
    """And the names are found."""
    assert architecture("resnet110").depths == (18, 18, 18)
    with pytest.raises(NotFound, match="resnet50"):
        architecture("resnet51")
    with pytest.raises(NotFound, match="wide_resnet50_2"):
        architecture("")


def test_stages_are_returned_by_name():
    """Their shapes are the paper's table 1; the last is what is pooled and classified."""
    network = shake(ResNet(ARCHITECTURES["resnet50"])).eval()
    with torch.inference_mode():
        maps = network.forward_stages(images(1, side=224))
        assert {name: tuple(made.shape[1:]) for name, made in maps.items()} == {
            "stem": (64, 56, 56),
            "layer1": (256, 56, 56),
            "layer2": (512, 28, 28),
            "layer3": (1024, 14, 14),
            "layer4": (2048, 7, 7),
        }
        assert torch.equal(network.forward_maps(images(1, side=224)), maps["layer4"])
        torch.testing.assert_close(network(images(1, side=224)), network.fc(maps["layer4"].mean((2, 3))))
    assert list(ResNet(ARCHITECTURES["resnet20"]).forward_stages(images(1, 32))) == [
        "stem",
        "layer1",
        "layer2",
        "layer3",
    ]


@pytest.mark.parametrize(("name", "side", "scores"), [("resnet18", 224, (3, 5)), ("resnet20", 32, (1, 9))])
def test_the_dense_form_is_the_classifier_as_a_convolution(name: str, side: int, scores: tuple[int, int]):
    """On a larger image: the mean over places of a k-channel 1 x 1 convolution after a moving average; on one of the
    network's own size it is the network."""
    network = shake(ResNet(ARCHITECTURES[name])).eval()
    window, step = network.window, side // network.window
    larger = torch.randn(1, 3, side + (scores[0] - 1) * step, side + (scores[1] - 1) * step)
    with torch.inference_mode():
        assert apart(network.forward_dense(images(2, side)), network(images(2, side))) < 1e-5
        convolution = nn.Conv2d(network.fc.in_features, network.fc.out_features, window)
        convolution.weight.copy_(network.fc.weight[:, :, None, None].expand_as(convolution.weight) / window**2)
        convolution.bias.copy_(network.fc.bias)
        dense = convolution(network.forward_maps(larger))
        assert dense.shape[-2:] == scores
        assert apart(network.forward_dense(larger), dense.mean((2, 3))) < 1e-5
        assert network.forward_dense(torch.randn(1, 3, 20, 90)).shape == (1, network.fc.out_features)


def test_every_relu_is_a_module_of_its_own_and_called_once():
    """As explanations need it: none shared, none in place."""
    for name in ("resnet18", "resnet50", "resnet20"):
        network = ResNet(ARCHITECTURES[name])
        called: list[str] = []
        for part_name, part in network.named_modules():
            if isinstance(part, nn.ReLU):
                assert not part.inplace
                part.register_forward_hook(lambda part, given, made, at=part_name, heard=called: heard.append(at))
        network(images())
        assert len(called) == len(set(called))
        convolutions = [
            part for at, part in network.named_modules() if isinstance(part, nn.Conv2d) and "downsample" not in at
        ]
        assert len(called) == len(convolutions)


def test_random_weights_come_from_the_generator():
    """The same seed, the same network, whatever torch's own generator does."""
    made = [ResNet(ARCHITECTURES["resnet20"], generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)]
    first, again, other = (torch.cat([p.flatten() for p in network.parameters()]) for network in made)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_names_need_no_torch():
    """The facts can be read where torch is not loaded, and `import boda` loads none of it."""
    code = (
        "import boda, sys, boda.models.architectures, boda.models.checkpoints, boda.encoders.resnets; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "False\n"
