"""What people write instead: the loops that boda is compared with.

Both are written as one finds them in notebooks and answers, without mistakes: eval mode, no gradients, the model's
own preprocessing, torch's default threads, batches of 32, each batch's features saved as it comes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from boda.torchvision_door import open_door

open_door()

import timm  # noqa: E402  # only after the door is open
import timm.data  # noqa: E402

BATCH = 32


def load_model(name: str, weights: Path) -> tuple[torch.nn.Module, Any]:
    """A timm model that gives pooled features, and the transform that it is evaluated with.

    The model has seen one black image, as boda's have when they are loaded: torch's first call is slow.
    """
    from safetensors.torch import load_file

    model = timm.create_model(name, pretrained=False, num_classes=0).eval()
    model.load_state_dict(load_file(weights), strict=False)  # all but the classifier
    data = timm.data.resolve_model_data_config(model)
    with torch.no_grad():
        model(torch.zeros(1, *data["input_size"]))
    return model, timm.data.create_transform(**data, is_training=False)


def notebook_loop(files: Sequence[Path], model: torch.nn.Module, transform: Any, to: Path) -> None:
    """(a): Pillow, one image after the other."""
    with torch.no_grad():
        for first in range(0, len(files), BATCH):
            images = [transform(Image.open(path).convert("RGB")) for path in files[first : first + BATCH]]
            features = model(torch.stack(images))
            torch.save(features, to / f"{first:07d}.pt")


class ImageFiles(torch.utils.data.Dataset[torch.Tensor]):
    """The files as a dataset."""

    def __init__(self, files: Sequence[Path], transform: Any) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(Image.open(self.files[index]).convert("RGB"))


def loader_loop(files: Sequence[Path], model: torch.nn.Module, transform: Any, to: Path) -> None:
    """(b): the same with a DataLoader of two workers."""
    loader = torch.utils.data.DataLoader(ImageFiles(files, transform), batch_size=BATCH, num_workers=2)
    with torch.no_grad():
        for number, images in enumerate(loader):
            features = model(images)
            torch.save(features, to / f"{number * BATCH:07d}.pt")


def read_features(folder: Path) -> torch.Tensor:
    """(n, d): what either loop saved."""
    return torch.cat([torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))])
