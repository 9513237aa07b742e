"""Optimisers and averages: torch's own numbers, and state that is saved and restored as if it had never been."""

import pytest
import torch
from torch import nn

from boda.training.optimising import Average, optimiser_of, plain, restore, set_rate, tensors_of
from boda.training.preset import Preset

SHAPES = {"images": (4, 3, 8, 8)}


def network(seed: int = 0, memory_format: torch.memory_format = torch.contiguous_format) -> nn.Module:
    """A convolution, a norm and a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    return parts.to(memory_format=memory_format)


def preset(**changes) -> Preset:
    return Preset("tested", epochs=1, batch=4, **({"lr": 0.05, "weight_decay": 0.01} | changes))


def learn(module: nn.Module, optimiser: torch.optim.Optimizer, first: int, steps: int) -> None:
    """Steps on random images that depend on the step."""
    for step in range(first, first + steps):
        images = torch.randn(SHAPES["images"], generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        module(images).square().mean().backward()
        optimiser.step()


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    for (name, tensor), own in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(tensor, own), name


HOW = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nesterov": True, "decay_norms": False},
        {"momentum": 0.0},
        {"optimiser": "adam", "lr": 1e-3},
        {"optimiser": "adamw", "lr": 1e-3, "decay_norms": False},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "sgd",
)


@HOW
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
def test_saved_and_restored_is_as_never_saved(changes, memory):
    """After three steps and three more, to the bit, also where weights lie in memory channel by channel."""
    whole = network(memory_format=memory)
    learn(whole, optimiser_of(whole, preset(**changes)), 0, 6)
    first = network(memory_format=memory)
    optimiser = optimiser_of(first, preset(**changes))
    learn(first, optimiser, 0, 3)
    kept = {name: tensor.clone().contiguous() for name, tensor in tensors_of(optimiser).items()}
    again = network(seed=1, memory_format=memory)
    again.load_state_dict(first.state_dict())
    other = optimiser_of(again, preset(**changes))
    restore(other, kept)
    learn(again, other, 3, 3)
    assert_equal(whole, again)


@HOW
def test_what_is_kept_has_names(changes):
    """Of parameters, and of what is remembered of them; before the first step there is nothing."""
    module = network()
    optimiser = optimiser_of(module, preset(**changes))
    assert tensors_of(optimiser) == {}
    learn(module, optimiser, 0, 1)
    names = {name.rpartition("/")[0] for name in tensors_of(optimiser)}
    expected = set() if changes.get("momentum") == 0.0 else {name for name, _ in module.named_parameters()}
    assert names == expected


@pytest.mark.parametrize(
    ("changes", "theirs"),
    [
        ({}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01)),
        ({"nesterov": True}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01, nesterov=True)),
        ({"optimiser": "adam"}, lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01)),
        ({"optimiser": "adamw"}, lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.01)),
    ],
    ids=["sgd", "nesterov", "adam", "adamw"],
)
def test_optimisers_are_torchs(changes, theirs):
    """With the numbers of the preset."""
    one, other = network(), network()
    learn(one, optimiser_of(one, preset(**changes)), 0, 4)
    learn(other, theirs(other.parameters()), 0, 4)
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], msg=name)


def test_weight_decay_spares_norms_and_offsets_where_it_is_asked_to():
    """Everything of one dimension; in the paper nothing is spared."""
    module = network()
    decays = {
        decay_norms: {
            name: group["weight_decay"]
            for group in optimiser_of(module, preset(decay_norms=decay_norms)).param_groups
            for name in group["param_names"]
        }
        for decay_norms in (True, False)
    }
    assert set(decays[True].values()) == {0.01}
    assert {name for name, decay in decays[False].items() if decay} == {"0.weight", "4.weight"}
    assert decays[True].keys() == decays[False].keys() == dict(module.named_parameters()).keys()


def test_parameters_have_their_share_of_the_rate():
    """Those of no name given have all of it; what wants no gradient is left out."""
    module = network()
    module[0].weight.requires_grad_(requires_grad=False)
    optimiser = optimiser_of(module, preset(), scales={"4.weight": 0.1, "4.bias": 0.1})
    set_rate(optimiser, 0.5)
    rates = {name: group["lr"] for group in optimiser.param_groups for name in group["param_names"]}
    assert rates == pytest.approx({"0.bias": 0.5, "1.weight": 0.5, "1.bias": 0.5, "4.weight": 0.05, "4.bias": 0.05})


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.998])
def test_averages_are_torchs(decay):
    """`AveragedModel` with an exponential moving average of all tensors, given the decay of each step."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    module = network()
    optimiser, average = optimiser_of(module, preset()), Average(module, decay)
    theirs = AveragedModel(module, use_buffers=True)
    theirs.n_averaged += 1  # it would copy the first weights, ours begins with those before the first step
    for step in range(1, 12):
        learn(module, optimiser, step, 1)
        average.update(step)
        theirs.multi_avg_fn = get_ema_multi_avg_fn(min(decay, (1 + step) / (10 + step)))
        theirs.update_parameters(module)
    for name, tensor in theirs.module.state_dict().items():
        if tensor.dtype.is_floating_point:
            torch.testing.assert_close(average.tensors[name], tensor, msg=name)
    assert average.tensors["1.num_batches_tracked"] == 11


def test_an_average_follows_the_network_and_not_a_copy_of_it():
    """Weights that are loaded into the network count too; the average itself is its own."""
    module = network()
    average = Average(module, 0.0)
    before = {name: tensor.clone() for name, tensor in average.tensors.items()}
    module.load_state_dict(network(seed=1).state_dict())
    assert all(torch.equal(tensor, average.tensors[name]) for name, tensor in before.items())
    average.update(1)
    assert torch.equal(average.tensors["0.weight"], network(seed=1)[0].weight)
    average.restore(before)
    assert torch.equal(average.tensors["0.weight"], network()[0].weight)


def test_numbers_of_all_kinds_become_plain():
    """In float64, so that counts of many rows stay exact."""
    found = plain({"one": torch.tensor(3.0), "two": torch.tensor(2**53 - 1, dtype=torch.float64)})
    assert found == {"one": 3.0, "two": float(2**53 - 1)}
    assert plain({}) == {}
