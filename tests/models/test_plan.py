"""Plans: arguments of a network have their types, and what is built is made for the size that was asked for."""

import pytest

from boda.errors import Refused
from boda.models.plan import NetworkPlan, build

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("resnet20", {"residual": "no"}),
        ("resnet20", {"residual": "off"}),
        ("resnet20", {"residual": 0}),
        ("resnet20", {"zero_init_residual": "yes"}),
        ("resnet20", {"shortcut": "D"}),
        ("resnet20", {"shortcut": True}),
        ("autoencoder", {"stages": "a-b"}),
        ("autoencoder", {"stages": "4-0"}),
        ("autoencoder", {"features": "big"}),
        ("autoencoder", {"features": True}),
        ("autoencoder", {"depth": 1.5}),
        ("autoencoder", {"batch_norm": "false "}),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_refused(name, arguments):
    """Any word would count as true, or end in a crash."""
    ((argument, _),) = arguments.items()
    with pytest.raises(Refused, match=f"{name} with {argument}="):
        NetworkPlan(name, (32, 32), 3, 2, arguments)


def test_values_of_their_kind_are_taken():
    """As names carry them: `stages=32` reads as a number."""
    NetworkPlan("resnet20", (32, 32), 3, 2, {"residual": False, "zero_init_residual": False})
    NetworkPlan("autoencoder", (32, 32), 3, 0, {"stages": 32, "features": 4, "depth": 1, "batch_norm": True})
    NetworkPlan("autoencoder", (32, 32), 3, 0, {"stages": "32-64"})


def test_a_plan_of_an_older_boda_is_what_it_built():
    """Which took any word for true."""
    record = NetworkPlan("resnet20", (32, 32), 3, 2).as_json()
    assert NetworkPlan.from_json(record | {"arguments": {"residual": "no"}}).arguments == {"residual": True}
    assert NetworkPlan.from_json(record | {"arguments": {"residual": 0}}).arguments == {"residual": False}


@pytest.mark.parametrize("side", [32, 50, 64])
def test_moved_over_an_image_of_its_own_size_a_network_says_what_it_says(side):
    """The classifier fits the last map once, whatever size the network was asked for."""
    torch.manual_seed(0)
    network = build(NetworkPlan("resnet20", (side, side), 3, 4)).eval()
    images = torch.rand(2, 3, side, side)
    assert torch.allclose(network.forward_dense(images), network(images), atol=1e-5)
    larger = torch.rand(1, 3, 2 * side, 2 * side)
    assert network.window == -(-side // 4)
    assert network.forward_dense(larger).shape == (1, 4)
