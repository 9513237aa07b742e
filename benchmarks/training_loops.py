"""What people write instead of boda's training: the two loops that it is compared with.

Both are written as one finds them, without mistakes: a DataLoader with two workers, Pillow and torchvision's
transforms, fp32, memory laid out as torch does it by itself.
"""

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from boda.torchvision_door import open_door

open_door()

from torchvision import transforms  # noqa: E402  # only after the door is open
from torchvision.transforms import v2  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WORKERS = 2

Dataset = torch.utils.data.Dataset[tuple[Tensor, int]]


class InArrays(Dataset):
    """Small images that are in memory, as torchvision's CIFAR10 has them."""

    def __init__(self, pixels: np.ndarray, labels: Sequence[int], transform: Any) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[row])), int(self.labels[row])


class InFiles(Dataset):
    """Photographs on the disk, as torchvision's ImageFolder has them."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int], transform: Any) -> None:
        self.files, self.labels, self.transform = files, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.open(self.files[row]).convert("RGB")), int(self.labels[row])


class Stopwatch:
    """Time from the end of the steps that warm up to the end of the last one."""

    def __init__(self, warm: int, steps: int, device: torch.device) -> None:
        self.warm, self.steps, self.device = warm, steps, device
        self.done, self.images, self.seconds = 0, 0, 0.0
        self.losses: list[float] = []
        self._began = 0.0

    @property
    def over(self) -> bool:
        """Whether the last step was taken."""
        return self.done == self.warm + self.steps

    def step(self, images: int) -> None:
        """A step of so many images has ended."""
        self.done += 1
        if self.done > self.warm:
            self.images += images
        if self.done == self.warm or self.over:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            now = time.perf_counter()
            self.seconds, self._began = now - self._began, now


def textbook_transform(side: int) -> Any:
    """Pad and crop, or a crop of random size; flip; tensor; normalise."""
    crop = transforms.RandomCrop(32, padding=4) if side == 32 else transforms.RandomResizedCrop(side)
    return transforms.Compose(
        [crop, transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )


def reference_transform(side: int) -> Any:
    """As torchvision's reference for classification has them, with its v2 transforms on Pillow images."""
    crop = v2.RandomCrop(32, padding=4) if side == 32 else v2.RandomResizedCrop(side, antialias=True)
    return v2.Compose(
        [
            crop,
            v2.RandomHorizontalFlip(0.5),
            v2.PILToTensor(),
            v2.ToDtype(torch.float, scale=True),
            v2.Normalize(MEAN, STD),
            v2.ToPureTensor(),
        ]
    )


def textbook(network: nn.Module, data: Dataset, watch: Stopwatch, *, batch: int, lr: float) -> None:
    """The loop of the tutorials."""
    loader = _loader(data, batch, watch.device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    network.train()
    correct = 0
    while not watch.over:
        for images, labels in loader:
            images, labels = images.to(watch.device), labels.to(watch.device)  # noqa: PLW2901 - as everybody writes it
            optimizer.zero_grad()
            outputs = network(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            watch.losses.append(loss.item())
            correct += (outputs.argmax(1) == labels).sum().item()
            watch.step(len(images))
            if watch.over:
                break


def reference(network: nn.Module, data: Dataset, watch: Stopwatch, *, batch: int, lr: float) -> None:
    """As torchvision's `references/classification/train.py` with its newer recipe.

    Smoothed labels, a linear warm-up before a cosine, an average of the weights every 32 steps, top-1 and top-5.
    """
    loader = _loader(data, batch, watch.device)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    steps = watch.warm + watch.steps
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=warm),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, steps - warm)),
        ],
        milestones=[warm],
    )
    average = torch.optim.swa_utils.AveragedModel(
        copy.deepcopy(network), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99998), use_buffers=True
    )
    network.train()
    meters = {"acc1": 0.0, "acc5": 0.0}
    while not watch.over:
        for number, (images, target) in enumerate(loader):
            images, target = images.to(watch.device), target.to(watch.device)  # noqa: PLW2901
            output = network(images)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if number % 32 == 0:
                average.update_parameters(network)
            top = output.topk(min(5, output.shape[1]), dim=1).indices == target[:, None]
            meters["acc1"] += top[:, 0].float().sum().item()
            meters["acc5"] += top.float().sum().item()
            watch.losses.append(nn.functional.cross_entropy(output.detach(), target).item())
            watch.step(len(images))
            if watch.over:
                break


def _loader(data: Dataset, batch: int, device: torch.device) -> Any:
    return torch.utils.data.DataLoader(
        data,
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(0),
    )


Loop = Callable[..., None]
LOOPS: dict[str, tuple[Loop, Callable[[int], Any]]] = {
    "textbook": (textbook, textbook_transform),
    "reference": (reference, reference_transform),
}
"""By name: the loop and its transforms for images of a side."""
