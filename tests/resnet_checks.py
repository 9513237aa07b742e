"""Facts about ResNets, as plain functions of the module that is looked at: the one in boda, or one with a slip in it.

Each raises where the fact does not hold.
"""

import importlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from boda.torchvision_door import open_door

open_door()
import torchvision  # noqa: E402

DEPTHS = (1, 2, 2, 1)


@dataclass(frozen=True)
class Models:
    """A package of models: boda's, or a copy of it under another name."""

    package: str = "boda.models"

    def __getattr__(self, name: str) -> Any:
        return importlib.import_module(f"{self.package}.{name}")

    def small(self, block: str = "bottleneck", **changes: Any) -> Any:
        """An architecture for ImageNet of few blocks."""
        facts = self.architectures
        return replace(facts.Architecture(facts.IMAGENET, block, DEPTHS), **changes)


def shake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics, and every norm slopes and offsets, that a mistake would show in."""
    drawn = torch.Generator().manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3, generator=drawn)
            part.running_var.uniform_(0.5, 1.5, generator=drawn)
        if isinstance(part, nn.BatchNorm2d | nn.GroupNorm):
            part.weight.data.uniform_(0.5, 1.0, generator=drawn)
            part.bias.data.uniform_(-0.3, 0.3, generator=drawn)
    return network


def images(n: int = 2, side: int = 64, seed: int = 1) -> torch.Tensor:
    """(n, 3, side, side) of noise."""
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def same_as(ours: nn.Module, theirs: nn.Module, batch: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Both give the same scores, and the same gradients for every parameter and for the images, by name."""
    answers = []
    for network in (ours, theirs):
        seen = batch.clone().requires_grad_()
        scores = network(seen)
        (scores * torch.linspace(-1, 1, scores.numel()).view_as(scores)).sum().backward()
        answers.append((scores, {"images": seen.grad, **{name: p.grad for name, p in network.named_parameters()}}))
    (scores, gradients), (expected, wanted) = answers
    assert apart(scores, expected) <= tolerance
    assert list(gradients) == list(wanted)
    for name, gradient in wanted.items():
        assert gradients[name] is not None, f"no gradient reaches {name}"
        assert apart(gradients[name], gradient) <= tolerance, name


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, in units of the largest number."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-30))


def with_weights_of(ours: nn.Module, theirs: nn.Module) -> None:
    """Load a state dict as it is: every name in its place."""
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())


def theirs_of(block: str, **options: Any) -> nn.Module:
    """torchvision's network of few blocks."""
    kind = {"basic": torchvision.models.resnet.BasicBlock, "bottleneck": torchvision.models.resnet.Bottleneck}[block]
    return shake(torchvision.models.ResNet(kind, DEPTHS, **options))


def check_basic(models: Models) -> None:
    """A small network of basic blocks is torchvision's, forward and backward."""
    ours, theirs = models.resnet.ResNet(models.small("basic")), theirs_of("basic")
    with_weights_of(ours, theirs)
    same_as(ours.eval(), theirs.eval(), images())


def check_bottlenecks(models: Models) -> None:
    """A small network of bottlenecks is torchvision's, forward and backward, also while it learns."""
    ours, theirs = models.resnet.ResNet(models.small()), theirs_of("bottleneck")
    with_weights_of(ours, theirs)
    same_as(ours.train(), theirs.train(), images(4, side=48))


def check_dilation(models: Models) -> None:
    """Dilation in place of strides, in some stages and not in others, is torchvision's."""
    dilated = [False, True, True]
    ours = models.resnet.ResNet(models.small(), replace_stride_with_dilation=dilated)
    theirs = theirs_of("bottleneck", replace_stride_with_dilation=dilated)
    with_weights_of(ours, theirs)
    same_as(ours.eval(), theirs.eval(), images())
    assert ours.forward_maps(images()).shape[-2:] == (8, 8)


def check_groups(models: Models) -> None:
    """Groups and their width are torchvision's."""
    ours = models.resnet.ResNet(models.small(groups=4, width_per_group=8))
    theirs = theirs_of("bottleneck", groups=4, width_per_group=8)
    with_weights_of(ours, theirs)
    same_as(ours.eval(), theirs.eval(), images())


def check_any_norm(models: Models) -> None:
    """The norm that was asked for is the only one in the network, which is torchvision's with it."""
    norm = partial(nn.GroupNorm, 4)
    ours = models.resnet.ResNet(models.small(), norm_layer=norm)
    assert not [part for part in ours.modules() if isinstance(part, nn.BatchNorm2d)]
    theirs = theirs_of("bottleneck", norm_layer=norm)
    with_weights_of(ours, theirs)
    same_as(ours, theirs, images())


def check_zero_init(models: Models) -> None:
    """The last norm of every block begins at zero and no other: what enters leaves, negative parts cut off."""
    for kind, last in (("basic", "bn2"), ("bottleneck", "bn3")):
        network = models.resnet.ResNet(models.small(kind), zero_init_residual=True).eval()
        for name, part in network.named_modules():
            if isinstance(part, nn.BatchNorm2d):
                assert (part.weight == float(not (name.endswith(last) and "layer" in name))).all(), name
        maps = network.forward_stages(images())
        for before, stage in zip(maps, network.stages, strict=False):
            first = network.get_submodule(stage)[0]
            shortcut = maps[before] if first.downsample is None else first.downsample(maps[before])
            assert torch.equal(maps[stage], shortcut.relu())
        network(images()).sum().backward()


def check_he_initialisation(models: Models) -> None:
    """Weights of convolutions have a standard deviation of sqrt(2 / (k^2 channels given)); norms begin as identity."""
    network = models.resnet.ResNet(models.small(), generator=torch.Generator().manual_seed(0))
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.weight.numel() > 10_000:
            wanted = (2 / (part.kernel_size[0] ** 2 * part.out_channels)) ** 0.5
            assert abs(float(part.weight.detach().std()) / wanted - 1) < 0.05
        if isinstance(part, nn.BatchNorm2d):
            assert (part.weight == 1).all()
            assert (part.bias == 0).all()


def check_projections(models: Models) -> None:
    """With option C every block has a projection, and every one of them is used: the sum by hand is the block's."""
    network = shake(models.resnet.ResNet(models.small(), shortcut="C")).eval()
    x = network.forward_stages(images())["stem"]
    for stage in network.stages:
        for block in network.get_submodule(stage):
            heard = []
            hook = block.last_norm.register_forward_hook(lambda part, given, made, heard=heard: heard.append(made))
            out = block(x)
            hook.remove()
            torch.testing.assert_close(out, (heard[0] + block.downsample(x)).relu())
            x = out
    network(images()).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


CHECKS = (
    check_basic,
    check_bottlenecks,
    check_dilation,
    check_groups,
    check_any_norm,
    check_zero_init,
    check_he_initialisation,
    check_projections,
)
