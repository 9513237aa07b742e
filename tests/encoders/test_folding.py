"""Batch norms folded into convolutions: less work, the same numbers, or left alone."""

import pytest
import torch

from boda.encoders.folding import TOLERANCE, folded
from boda.encoders.timm_models import import_timm


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """In eval mode, with batch norms that do something."""
    torch.manual_seed(1)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.8, 1.2)
            if part.affine:
                part.weight.data.uniform_(0.8, 1.2)
                part.bias.data.uniform_(-0.2, 0.2)
    return model.eval()


def call(model, batch):
    return model(batch).flatten(1)


def norms(model: torch.nn.Module) -> int:
    return sum(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())


BATCH = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "tf_efficientnet_lite0"])
def test_features_stay_within_the_tolerance(name: str):
    """All batch norms of common networks go, and the features do not change."""
    model = lively(import_timm("a test").create_model(name))
    light = folded(model, call, BATCH)
    other = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        before, after = call(model, other), call(light, other)
    assert norms(light) == 0
    assert float(((after - before).norm(dim=1) / before.norm(dim=1)).max()) <= TOLERANCE


def test_without_a_bias_or_a_slope_too():
    """Convolutions with a bias, and norms without their own slope."""
    model = lively(
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, bias=True), torch.nn.BatchNorm2d(4, affine=False), torch.nn.ReLU(),
            torch.nn.Conv2d(4, 4, 3, groups=4, bias=False), torch.nn.BatchNorm2d(4),
        )
    )  # fmt: skip
    light = folded(model, call, BATCH)
    assert norms(light) == 0
    assert norms(model) == 2
    with torch.no_grad():
        torch.testing.assert_close(light(BATCH), model(BATCH), rtol=1e-4, atol=1e-5)


class Twice(torch.nn.Module):
    """What the convolution gives is used by the norm and beside it: it must not change."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)

    def forward(self, batch):
        made = self.conv(batch)
        return self.norm(made) + made


class Shared(torch.nn.Module):
    """One norm for two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)

    def forward(self, batch):
        return self.norm(self.a(batch)) + self.norm(self.b(batch))


class Uncopyable(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm2d(3)

    def __deepcopy__(self, memo):
        raise TypeError("no copies")

    def forward(self, batch):
        return self.norm(batch)


@pytest.mark.parametrize("kind", [Twice, Shared, Uncopyable])
def test_what_cannot_be_folded_is_left_alone(kind: type[torch.nn.Module]):
    """The features are what they were, to the bit."""
    model = lively(kind())
    light = folded(model, call, BATCH)
    assert norms(light) == 1
    with torch.no_grad():
        assert torch.equal(light(BATCH), model(BATCH))


def test_weight_standardised_convolutions_are_not_touched():
    """Their weights are changed on the way, so a factor in them would be lost; only exact types are folded."""
    from timm.layers import StdConv2d

    model = lively(torch.nn.Sequential(StdConv2d(3, 4, 3), torch.nn.BatchNorm2d(4)))
    assert norms(folded(model, call, BATCH)) == 1


def test_networks_without_batch_norm_are_not_even_copied():
    """A vision transformer has nothing to fold."""
    model = torch.nn.Conv2d(3, 4, 3).eval()
    assert folded(model, call, BATCH) is model
