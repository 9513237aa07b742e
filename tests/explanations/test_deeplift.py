"""DeepLIFT: complete and tangent for every operation, Captum's where Captum is right, refused by name elsewhere."""

import copy
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import boda
from boda.encoders.opened import OpenNetwork, opened
from boda.errors import Refused
from boda.explanations.baselines import baseline_of
from boda.explanations.deeplift import deep_lift
from boda.explanations.passes import scored
from boda.explanations.score import Score
from boda.torchvision_door import open_door
from little_networks import WEIGHTS, batch_of, class_score, functional, linear_network, linear_score, open_module

KERNEL = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1)) / 3
MASK = torch.where(torch.eye(6).bool(), -torch.inf, 0.0)


def tokens(z: Tensor) -> Tensor:
    """(n, 6, 12)."""
    return z.flatten(1).unflatten(1, (6, -1))


def attention(z: Tensor) -> Tensor:
    q = tokens(z)
    return (q @ q.transpose(1, 2) / 2).softmax(-1) @ q


def in_eval(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(requires_grad=False)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return in_eval(make())


NORM = in_eval(nn.BatchNorm2d(3))
NORM.running_mean.copy_(torch.tensor([0.5, -1, 0.1]))
NORM.running_var.copy_(torch.tensor([0.5, 2, 0.1]))
HEADS = seeded(lambda: nn.MultiheadAttention(12, 3, batch_first=False))
ENCODER = seeded(lambda: nn.TransformerEncoderLayer(12, 3, 16, activation="gelu", batch_first=True))

OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "prelu": lambda z: F.prelu(z, torch.tensor([0.1, 0.5, -0.2])),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu by tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "silu in place": lambda z: F.silu(z.clone(), inplace=True),
    "mish": F.mish,
    "softplus": F.softplus,
    "hardswish": F.hardswish,
    "hardswish in place": lambda z: F.hardswish(z + 0, inplace=True),
    "hardsigmoid": F.hardsigmoid,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "power": lambda z: z.pow(3),
    "root": lambda z: (z.abs() + 1).sqrt(),
    "reciprocal": lambda z: 1 / (2 + z.square()),
    "clamp": lambda z: z.clamp(-0.5, 0.7),
    "swish in place": lambda z: (z + 0).mul_(z.sigmoid()),
    "quotient": lambda z: z / (1 + z.abs()),
    "quotient of parts": lambda z: z[:, :1] / (1 + z[:, 1:2].square() + z.square()),
    "gate": lambda z: z * z.mean((2, 3), keepdim=True).sigmoid(),
    "attention": attention,
    "fused attention": lambda z: F.scaled_dot_product_attention(*[tokens(z)[:, None]] * 3),
    "masked attention": lambda z: F.scaled_dot_product_attention(*[tokens(z)[:, None]] * 3, attn_mask=MASK),
    "einsum": lambda z: torch.einsum("nij,nkj->nik", tokens(z), tokens(z).tanh()),
    "far softmax": lambda z: (60 * tokens(z)).softmax(-1),
    "masked softmax": lambda z: (tokens(z)[:, :, :6] + MASK).softmax(-1),
    "log softmax": lambda z: tokens(z).log_softmax(1),
    "log sum exp": lambda z: torch.logsumexp(50 * tokens(z), 1),
    "layer norm": lambda z: F.layer_norm(z, (4, 6), torch.linspace(0.5, 2, 24).reshape(4, 6), torch.ones(4, 6)),
    "group norm": lambda z: F.group_norm(z.repeat(1, 2, 1, 1) + z.mean(), 2, torch.linspace(0.5, 2, 6), torch.ones(6)),
    "rms norm": lambda z: F.rms_norm(tokens(z), (12,)),
    "batch norm": NORM,
    "length": lambda z: torch.linalg.vector_norm(tokens(z), dim=2),
    "unit length": lambda z: F.normalize(z.flatten(1)),
    "cosine": lambda z: F.cosine_similarity(tokens(z), torch.linspace(-1, 1, 12), dim=2),
    "variance": lambda z: z.var((2, 3)),
    "largest": lambda z: F.max_pool2d(F.conv2d(z, KERNEL, padding=1), 3, 2, 1),
    "largest of all": lambda z: F.adaptive_max_pool2d(F.conv2d(z, KERNEL, padding=1), 2),
    "largest in other memory": lambda z: F.max_pool2d(z.contiguous(memory_format=torch.channels_last), 2),
    "largest of windows with gaps": lambda z: F.max_pool2d(F.conv2d(z, KERNEL, padding=1), 2, 1, 1, dilation=(3, 2)),
    "largest beyond the edge": lambda z: F.max_pool2d(
        F.conv2d(z, KERNEL, padding=1), (3, 4), (2, 3), 1, ceil_mode=True
    ),
    "largest of uneven windows": lambda z: F.adaptive_max_pool2d(F.conv2d(z, KERNEL, padding=1), (3, 4)),
    "heads by columns": lambda z: HEADS(*[tokens(z).transpose(0, 1)] * 3)[0].transpose(0, 1),
    "heads without weights": lambda z: HEADS(*[tokens(z).transpose(0, 1)] * 3, need_weights=False)[0].transpose(0, 1),
    "encoder layer": lambda z: ENCODER(tokens(z)),
    "resized": lambda z: F.interpolate(z, scale_factor=2, mode="bicubic"),
    "windows": lambda z: F.unfold(z.roll(1, 2), 2).relu(),
}


def weighed(rows: Tensor) -> Tensor:
    """A fixed random mixture of all there is."""
    return rows.flatten(1) @ torch.randn(rows[0].numel(), generator=torch.Generator().manual_seed(2))


MIXED = Score("mixed", "mixed", "point", weighed)


def noise(seed: int, n: int = 3) -> Tensor:
    return torch.randn(n, 3, 4, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_complete(name):
    """What pixels get adds up to the difference, wherever the baseline is; a part of it may be the same in both."""
    network = open_module(functional(OPERATIONS[name]), (4, 6))
    batch, start = noise(0), noise(1)
    start[:, 0] = batch[:, 0]
    found = deep_lift(network, MIXED, batch, baseline=start)
    difference = found.scores - scored(network, MIXED, start).double().numpy()
    np.testing.assert_allclose(found.maps.sum((1, 2)), difference, atol=2e-5 * max(1, np.abs(difference).max()))
    np.testing.assert_allclose(found.gaps["completeness"], 0, atol=2e-5 * max(1, np.abs(difference).max()))


STEEP = {"masked softmax", "far softmax", "log sum exp"}
"""Too steep for a hair in single precision."""


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - STEEP))
def test_near_the_image_each_operation_has_its_gradient(name):
    """With a baseline a hair away, multipliers are the gradient."""
    network = open_module(functional(OPERATIONS[name]), (4, 6))
    batch = noise(0)
    away = 1e-3 * noise(1)
    leaf = batch.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(MIXED.through(network)(leaf.clone()).sum(), leaf)
    expected = (away * slopes).sum(1).numpy()
    found = deep_lift(network, MIXED, batch, baseline=batch - away).maps
    np.testing.assert_allclose(found, expected, atol=2e-2 * np.abs(expected).max())


def test_of_a_linear_score_contributions_are_weights_times_differences():
    """The closed form."""
    network = linear_network()
    batch = batch_of(network, 3)
    found = deep_lift(network, linear_score(), batch, at_once=2)
    away = batch - baseline_of(network, batch, "black")
    np.testing.assert_allclose(found.maps, (WEIGHTS * away).sum(1), atol=1e-4)
    assert found.signed and found.unit == "point"


def test_an_unused_difference_gets_what_a_used_one_does_not():
    """The paper's example: min(1, a + b) has no gradient at (1, 1), and both halves get 0.5."""
    network = open_module(functional(lambda z: 1 - F.relu(1 - z[:, 0, 0, :2].sum(1, keepdim=True))), (4, 6))
    batch = torch.zeros(1, 3, 4, 6)
    batch[0, 0, 0, :2] = 1
    found = deep_lift(network, Score("min", "min", "point", lambda rows: rows[:, 0]), batch, baseline=0 * batch)
    np.testing.assert_allclose(found.maps[0, 0, :2], 0.5)
    assert np.count_nonzero(found.maps) == 2


def activated(relu: Callable[[Tensor], Tensor]) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

        def forward(self, z: Tensor) -> Tensor:
            for conv in self.convs:
                z = relu(conv(z)) + z
            return z.flatten(1)

    return seeded(Net)


SHARED, IN_PLACE = nn.ReLU(), nn.ReLU(inplace=True)
SPELLINGS = {
    "functional": F.relu,
    "torch": torch.relu,
    "method": lambda z: z.relu(),
    "method in place": lambda z: z.relu_(),
    "shared": SHARED,
    "shared in place": IN_PLACE,
    "functional in place": lambda z: F.relu(z, inplace=True),
    "clamp": lambda z: z.clamp(min=0),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_however_an_activation_is_written_it_is_captums_with_modules_of_their_own(name):
    """Shared modules, functions, methods, in place."""
    attr = pytest.importorskip("captum.attr")
    batch, start = noise(0), noise(1)
    found = deep_lift(open_module(activated(SPELLINGS[name]), (4, 6)), MIXED, batch, baseline=start)

    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs, self.relus = activated(F.relu).convs, nn.ModuleList(nn.ReLU() for _ in range(3))

        def forward(self, z: Tensor) -> Tensor:
            for conv, relu in zip(self.convs, self.relus, strict=True):
                z = relu(conv(z)) + z
            return weighed(z)[:, None]

    np.testing.assert_allclose(found.maps, captums(attr, Apart(), batch, start, 0), atol=1e-5)


def captums(attr, module: nn.Module, batch: Tensor, start: Tensor, target: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return attr.DeepLift(module).attribute(batch, start, target=target).sum(1).detach().numpy()


def torchvisions(weights: dict[str, Tensor]) -> nn.Module:
    open_door()
    from torchvision.models import resnet18

    module = resnet18()
    module.load_state_dict(weights)
    return module


def side_by_side(open_network) -> tuple[OpenNetwork, OpenNetwork]:
    """timm's ResNet-18 and torchvision's, of the same weights, at 64 x 64 pixels."""
    theirs = open_network("timm:resnet18").module
    return open_module(theirs, (64, 64)), open_module(torchvisions(theirs.state_dict()), (64, 64))


def test_on_torchvisions_resnet_it_is_what_captum_finds_on_timms(open_network):
    """Captum raises on torchvision's, whose ReLUs are used twice; the same weights, without max-pooling."""
    attr = pytest.importorskip("captum.attr")
    ours, theirs = side_by_side(open_network)
    for network in (ours, theirs):
        network.module.maxpool = nn.Identity()
    batch = batch_of(ours).contiguous()
    start = baseline_of(ours, batch, "black").contiguous()
    with pytest.raises(RuntimeError, match="more than once"):
        captums(attr, copy.deepcopy(theirs.module), batch, start, 3)
    expected = captums(attr, copy.deepcopy(ours.module), batch, start, 3)
    for network in (ours, theirs):
        found = deep_lift(network, class_score(), batch, baseline=start).maps
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_max_pooling_alone_is_captums():
    """Windows side by side and no ReLU: where Captum's adds up."""
    attr = pytest.importorskip("captum.attr")
    parts = seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 2))
    )
    batch, start = noise(0), noise(1)
    score = Score("one", "one", "point", lambda rows: rows[:, 1])
    found = deep_lift(open_module(parts, (4, 6)), score, batch, baseline=start).maps
    np.testing.assert_allclose(found, captums(attr, parts, batch, start, 1), atol=1e-6)


def test_places_that_are_equally_large_share_a_difference():
    """By hand: a fall goes to all that are largest in the baseline, a rise to all that are in the image."""
    network = open_module(functional(lambda z: F.max_pool2d(z[:, 0], 2).flatten(1)), (2, 6))
    batch, start = torch.zeros(2, 1, 3, 2, 6)
    batch[0, 0] = torch.tensor([[0.0, -1, 3, 3, 1, 1], [-2, -3, 0, 2, 1, 0]])
    start[0, 0] = 1
    found = deep_lift(network, Score("sum", "sum", "point", lambda rows: rows.sum(1)), batch, baseline=start).maps
    np.testing.assert_allclose(found, [[[-0.25, -0.25, 1, 1, 0, 0], [-0.25, -0.25, 0, 0, 0, 0]]], atol=1e-6)


POOLINGS = {
    "side by side": (lambda: nn.MaxPool2d(2), 16),
    "overlapping": (lambda: nn.MaxPool2d(3, 2, 1), 17),
    "adaptive": (lambda: nn.AdaptiveMaxPool2d(3), 16),
}


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("activation", [nn.Identity, nn.ReLU])
@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_behind_max_pooling_the_map_of_a_mirrored_image_is_mirrored(name, activation, baseline):
    """With a baseline of one colour, where all of a window are equally large; in networks that know no sides."""
    pooling, side = POOLINGS[name]
    module = seeded(
        lambda: nn.Sequential(
            *(nn.Conv2d(3, 6, 3, padding=1), activation(), pooling(), nn.Conv2d(6, 4, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)),
        )
    )
    for part in module:
        if isinstance(part, nn.Conv2d):
            part.weight.copy_(sum(part.weight.flip(axes) for axes in ((), (2,), (3,), (2, 3))) / 4)
    network = open_module(module, (side, side))
    batch = batch_of(network)
    there = deep_lift(network, class_score(), batch, baseline=baseline).maps
    for axes in ((2,), (3,), (2, 3)):
        back = deep_lift(network, class_score(), batch.flip(axes), baseline=baseline).maps
        back = np.flip(back, [axis - 1 for axis in axes])
        np.testing.assert_allclose(back, there, atol=1e-4 * np.abs(there).max())


def test_behind_max_pooling_with_relus_it_is_complete_and_captum_is_not(open_network):
    """The stem of every ResNet, whose windows overlap."""
    attr = pytest.importorskip("captum.attr")
    ours, theirs = side_by_side(open_network)
    batch = batch_of(ours).contiguous()
    start = baseline_of(ours, batch, "black").contiguous()
    difference = scored(ours, class_score(), batch) - scored(ours, class_score(), start)
    wrong = captums(attr, copy.deepcopy(ours.module), batch, start, 3).sum((1, 2)) - difference.numpy()
    assert np.abs(wrong / difference.numpy()).min() > 0.01
    for network in (ours, theirs):
        gap = deep_lift(network, class_score(), batch, baseline=start).gaps["completeness"]
        assert np.abs(gap / difference.numpy()).max() < 1e-4


FAMILIES = ["resnet:resnet20", "timm:test_efficientnet", "timm:test_convnext", "timm:test_vit", "timm:test_vit_relpos"]


@pytest.mark.parametrize("name", [*FAMILIES, "timm:test_maxvit", "timm:test_nfnet"])
@pytest.mark.parametrize("baseline", ["black", "blurred"])
def test_on_every_family_contributions_add_up(open_network, name, baseline):
    """To 1e-3 of the difference of the scores."""
    network = open_network(name)
    batch = batch_of(network)
    found = deep_lift(network, class_score(), batch, baseline=baseline)
    start = scored(network, class_score(), baseline_of(network, batch, baseline)).double().numpy()
    assert np.all(np.abs(found.gaps["completeness"]) < 1e-3 * np.abs(found.scores - start))


@pytest.mark.parametrize("name", ["auto", "resnet:resnet20", "timm:mobilenetv2_100"])
def test_on_real_weights_contributions_add_up(boda_data, name):
    """To 1e-3 of the difference of the scores."""
    files = {"resnet:resnet20": "resnet20-12fca82f.th", "timm:mobilenetv2_100": "mobilenet_v2-b0353104.pth"}
    weights = boda_data / "weights" / files[name] if name in files else None
    network = opened(boda.load_encoder(name, weights=weights))
    batch = batch_of(network, 1)
    found = deep_lift(network, class_score(), batch)
    start = scored(network, class_score(), baseline_of(network, batch, "black")).double().numpy()
    assert np.abs(found.gaps["completeness"]) < 1e-3 * np.abs(found.scores - start)


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        return z.relu()

    @staticmethod
    def backward(ctx, above: Tensor) -> Tensor:
        return above


Own.__name__ = "Relu"


def half_in_place(z: Tensor) -> Tensor:
    z = z.clone()
    z[:, 0].relu_()
    return z


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "no rule": (lambda z: z.amax(1), "no rule for AmaxBackward0"),
    "sorted": (lambda z: z.flatten(1).sort(1).values, "no rule for SortBackward"),
    "own function": (Own.apply, "no rule for OwnBackward"),
    "on a view": (half_in_place, "in place on a view"),
    "by hand": (lambda z: torch.where(z > 0, z, 0.0), "differs between image and baseline and has no gradient"),
    "masked": (lambda z: z * (z > 0), "differs between image and baseline"),
    "detached": (lambda z: z / z.detach().square().mean(), "differs between image and baseline"),
    "by a number": (lambda z: z * float(z.max().detach()), "differs between image and baseline"),
    "chance": (lambda z: F.dropout(z, 0.5, training=True), "no rule for|differs between"),
    "another way": (lambda z: z.relu() if z[0, 0, 0, 0] == noise(0)[0, 0, 0, 0] else z, "another way|differs between"),
    "batch statistics": (F.instance_norm, "statistics of the batch"),
    "other norm": (lambda z: torch.linalg.vector_norm(z, 3, dim=1), "order 3"),
    "two exponents": (lambda z: (1 + z.square()) ** z, "more than one input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_has_no_rule_for_is_refused_by_name(name):
    """Never treated by its gradient in silence."""
    forward, message = REFUSED[name]
    network = open_module(functional(forward), (4, 6))
    with pytest.raises(Refused, match=rf"test:little.*DeepLIFT.*({message}).*use integrated gradients"):
        deep_lift(network, MIXED, noise(0), baseline=noise(1))


def test_a_bent_score_is_complete_as_well(open_network):
    """A probability, and a likeness to another image."""
    network = open_network("timm:test_vit")
    batch = batch_of(network)
    wanted = network.features(batch_of(network, 1, seed=5))
    scores = [
        Score("p", "p", "probability", lambda rows: rows.softmax(1)[:, 3], "logits"),
        Score("log odds", "log odds", "logit", lambda rows: rows[:, 3] - rows[:, 4:].logsumexp(1), "logits"),
        Score("like", "like", "cosine", lambda rows: torch.cosine_similarity(rows, wanted)),
        Score("near", "near", "distance", lambda rows: (rows - wanted).norm(dim=1)),
    ]
    for score in scores:
        found = deep_lift(network, score, batch)
        start = scored(network, score, baseline_of(network, batch, "black")).double().numpy()
        assert np.all(np.abs(found.gaps["completeness"]) < 1e-3 * np.abs(found.scores - start)), score.name


def test_the_bound_on_images_changes_nothing(open_network):
    """One at a time or all together."""
    network = open_network("resnet:resnet20")
    batch = batch_of(network, 3)
    together, alone = (deep_lift(network, class_score(), batch, at_once=one) for one in (3, 1))
    np.testing.assert_allclose(alone.maps, together.maps, atol=1e-5 * np.abs(together.maps).max())
    np.testing.assert_allclose(alone.scores, together.scores, rtol=1e-5)
