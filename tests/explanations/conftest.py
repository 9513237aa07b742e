"""Networks of every family, with random weights that are the same each time."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import boda
from boda.encoders.opened import OpenNetwork, opened
from boda.encoders.timm_models import import_timm
from boda.models.plan import NetworkPlan, build


@pytest.fixture(scope="session")
def open_network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], OpenNetwork]:
    """By the name of its encoder (`timm:NAME`, `resnet:NAME`), opened; each test gets a copy of its own."""
    folder = tmp_path_factory.mktemp("random-weights")

    def of(name: str) -> OpenNetwork:
        return opened(boda.load_encoder(name, weights=random_weights(name, folder)))

    return of


def random_weights(name: str, folder: Path) -> Path:
    """A file of random weights for this encoder; batch norms have statistics as of a little training."""
    family, _, bare = name.partition(":")
    place = folder / f"{bare}.safetensors"
    if not place.exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            if family == "timm":
                module = import_timm("a test").create_model(bare)
            else:
                side = 32 if bare in {"resnet20", "resnet56"} else 224
                module = build(NetworkPlan(bare, (side, side), 3, 10, {}))
            for one in module.modules():
                if isinstance(one, torch.nn.BatchNorm2d):
                    torch.nn.init.uniform_(one.running_var, 0.5, 1.5)
                    torch.nn.init.normal_(one.running_mean, 0, 0.1)
        save_file({key: one.contiguous() for key, one in module.state_dict().items()}, place)
    return place
