"""Small real networks of timm with random weights, saved as files: what the tests of this room load."""

from collections.abc import Callable
from pathlib import Path

import pytest


def save_random(name: str, place: Path, *, seed: int = 0, **options: object) -> Path:
    """A timm model's state with random weights and lively batch norms, as safetensors."""
    import torch
    from safetensors.torch import save_file

    from boda.torchvision_door import open_door

    open_door()
    import timm

    torch.manual_seed(seed)
    model = timm.create_model(name, **options)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.uniform_(-0.5, 0.5)
    save_file(model.state_dict(), place)
    return place


@pytest.fixture(scope="session")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of timm's `test_resnet` (160 x 160, 1,000 classes)."""
    return save_random("test_resnet", tmp_path_factory.mktemp("weights") / "test_resnet.safetensors")


@pytest.fixture(scope="session")
def vit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of timm's `test_vit` (160 x 160, 1,000 classes)."""
    return save_random("test_vit", tmp_path_factory.mktemp("weights") / "test_vit.safetensors")


@pytest.fixture(scope="session")
def random_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes files of random weights of timm's models, each once: `random_file("resnet18", img_size=64)`."""
    folder = tmp_path_factory.mktemp("random")

    def make(name: str, **options: object) -> Path:
        place = folder / f"{name}{sorted(options.items())}.safetensors"
        return place if place.exists() else save_random(name, place, **options)

    return make
