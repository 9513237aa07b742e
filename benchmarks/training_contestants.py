"""One contestant of `train.py`, alone in its process: boda's own loop, or what people write instead.

python benchmarks/training_contestants.py job.json answer.json
"""

import csv
import io
import json
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import nn
from training_loops import LOOPS, MEAN, STD, InArrays, InFiles, Stopwatch

from boda.cores import cores
from boda.heads.asking import Asked
from boda.models.architectures import Architecture, Form, architecture
from boda.models.resnet import ResNet
from boda.pipelines.networks.gathering import in_memory, known_targets, listing_of
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import label_swaps
from boda.pixels.prepare import prepare, prepare_at_most
from boda.pixels.spec import PixelSpec
from boda.sources.opening import open_source
from boda.training.data import HeldRows, TrainingRows
from boda.training.images import FromFiles, Images, InMemory
from boda.training.loop import Run, Watch, train, validate
from boda.training.preset import Preset, preset_named
from boda.training.state import State
from boda.training.tasks import Classes

Who = Literal["textbook", "reference", "ours", "limit"]

CIFAR_CLASSES = 10
_HELD = {"cifar": 1_000, "photographs": 100}
_ROOM = 256 / 224
WIDE = Architecture(Form(32, 10, (64, 128, 256), 3, 1, pool=False, shortcut="B"), "basic", (2, 2, 2))
"""For the time to 94 %: 14 layers of four times the width; ResNet-20 does not get there."""


@dataclass(frozen=True)
class Job:
    """What to measure."""

    who: Who
    network: str
    """`resnet20`, `resnet18`."""
    data: str
    """The folder of data."""
    files: str
    """Where photographs are unpacked."""
    batch: int
    steps: int
    warm: int
    """Steps that are not timed."""
    lr: float
    precision: str = "fp32"
    device: str = "cpu"
    seed: int = 0
    count: int | None = None
    """Images to learn from at most; None: all."""

    @property
    def side(self) -> int:
        """Height and width of what the network sees."""
        return architecture(self.network).form.side


@dataclass(frozen=True, eq=False)
class Material:
    """Images to learn from, and others to be tested on."""

    pixels: np.ndarray | None
    """(n, h, w, 3) uint8 of small images, else None."""
    files: list[Path]
    """Of photographs."""
    labels: np.ndarray
    classes: int
    learned: np.ndarray
    held: np.ndarray


def do(job: Job) -> dict[str, Any]:
    """Train, and say how fast it was and what came out."""
    device = torch.device(job.device)
    material = cifar(job) if job.side == 32 else photographs(job)
    torch.manual_seed(job.seed)
    network = made(job, material.classes)
    watch = Stopwatch(job.warm, job.steps, device)
    more: dict[str, Any] = {}
    if job.who == "ours":
        more = {"loader": _ours(job, material, network, watch)}
    elif job.who == "limit":
        _limit(job, material, network, watch)
    else:
        loop, transform = LOOPS[job.who]
        rows = _repeated(material.learned, job)
        labels = material.labels[rows].tolist()
        if material.pixels is not None:
            data: Any = InArrays(material.pixels[rows], labels, transform(job.side))
        else:
            data = InFiles([material.files[row] for row in rows], labels, transform(job.side))
        loop(network.to(device), data, watch, batch=job.batch, lr=job.lr)
    last = watch.losses[-max(1, len(watch.losses) // 4) :]
    return {
        "images": watch.images,
        "seconds": watch.seconds,
        "losses": watch.losses,
        "loss": float(np.mean(last)) if last else None,
        "test": {} if job.who == "limit" else tested(job, network, material),
        **more,
    }


def cifar(job: Job) -> Material:
    """The 10,000 test images of CIFAR-10, of which 9,000 are learned from: only speed is measured."""
    import pyarrow.parquet as pq

    table = pq.read_table(Path(job.data) / "cifar10_test" / "test.parquet", columns=["image", "label"])
    count = len(table) if job.count is None else min(len(table), job.count + _HELD["cifar"])
    table = table.slice(0, count)
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in table["image"].to_pylist()])
    return _divided(pixels, [], np.array(table["label"].to_pylist()), _HELD["cifar"])


def photographs(job: Job) -> Material:
    """The photographs of OASIS with their category: animal, object, person, scenery."""
    with (Path(job.data) / "oasis_ratings" / "ratings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    rows = rows if job.count is None else rows[: job.count + _HELD["photographs"]]
    labels = np.unique([row["Category"] for row in rows], return_inverse=True)[1]
    return _divided(None, [Path(job.files) / row["file"] for row in rows], labels, _HELD["photographs"])


def unpacked(data: Path, to: Path) -> Path:
    """The photographs as files."""
    with tarfile.open(data / "oasis_ratings" / "images.tar") as archive:
        archive.extractall(to, filter="data")
    return to


def made(job: Job, classes: int) -> nn.Module:
    """The network, with the same random weights for everybody; torchvision's own where people would take that."""
    ours = ResNet(architecture(job.network), classes=classes)
    if job.side == 32 or job.who in {"ours", "limit"}:
        return ours
    import torchvision

    theirs = getattr(torchvision.models, job.network)(weights=None, num_classes=classes)
    theirs.load_state_dict(ours.state_dict())
    return theirs


def tested(job: Job, network: nn.Module, material: Material) -> dict[str, float]:
    """Loss and error on images that were not learned from, in fp32, by the same function for everybody."""
    with ThreadPoolExecutor(cores()) as pool:
        held = _held(job, material, _images(job, material, pool), material.held)
        return validate(_run(job, network, material, held, held, preset_of(job).changed(precision="fp32")))


def time_to(
    folder: Path, data: Path, device: str, *, epochs: int, error: float = 0.06, seed: int = 0
) -> dict[str, Any]:
    """Seconds of training until so few of CIFAR-10's test images are wrong, and what the last epoch gets.

    Args:
        folder: of training images, a folder a class.
        data: the folder of data.
        device: `cuda`.
        epochs: of the preset `cifar-fast`, with smoothed labels: this network is wide enough to fit them.
        error: share of the test images.
        seed: of weights, order and augmentation.
    """
    seen = PixelSpec(32, (32, 32), "bilinear", mean=MEAN, std=STD)
    parts = []
    for place in (folder, data / "cifar10_test" / "test.parquet"):
        listing, target = known_targets(listing_of(open_source(place)), Asked("class", "class"))
        assert target is not None
        images, rows, _ = in_memory(listing, seen)
        parts.append((images, torch.from_numpy(target.take(rows).values.astype(np.int64)), np.arange(len(rows))))
    preset = preset_named("cifar-fast").changed(epochs=epochs, label_smoothing=0.1)
    torch.manual_seed(seed)
    network = ResNet(WIDE, classes=CIFAR_CLASSES).to(device)
    if preset.channels_last:
        network = network.to(memory_format=torch.channels_last)
    augmentation = augmentation_named(preset.augmentation).sized((32, 32))
    (images, targets, rows), (tested, truth, all_of_them) = parts
    run = Run(
        network=network,
        task=Classes(tuple(map(str, range(CIFAR_CLASSES)))),
        preset=preset,
        training=TrainingRows(
            images, targets, rows, (32, 32), 3, augmentation, label_swaps(augmentation, names=()), seed, CIFAR_CLASSES
        ),
        validation=HeldRows(tested, truth, all_of_them, (32, 32)),
        device=torch.device(device),
        door=_door(torch.device(device)),
    )
    spent, began, last = [0.0], [time.perf_counter()], [0.0]
    reached: list[float] = []

    def stepped(state: State, steps: int) -> None:
        if state.batch == run.training.batches_an_epoch(preset.batch) or state.step == steps:
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            last[0] = time.perf_counter()

    def ended(state: State) -> None:
        spent[0] += last[0] - began[0]
        if not reached and state.history[-1]["validation_error"] <= error:
            reached.append(spent[0])
        began[0] = time.perf_counter()  # the test does not count

    state = train(run, State.fresh(network, preset), Watch(step=stepped, epoch=ended))
    return {
        "seconds": reached[0] if reached else None,
        "all_seconds": spent[0],
        "epochs": epochs,
        "error": state.history[-1]["validation_error"],
        "seed": seed,
    }


def _divided(pixels: np.ndarray | None, files: list[Path], labels: np.ndarray, held: int) -> Material:
    every = np.arange(len(labels))
    return Material(pixels, files, labels, int(labels.max()) + 1, every[:-held], every[-held:])


def _repeated(rows: np.ndarray, job: Job) -> np.ndarray:
    """Rows as often as one epoch needs, so that nobody starts workers anew while time is taken."""
    return np.tile(rows, -(-(job.warm + job.steps + 1) * job.batch // len(rows)))


def _images(job: Job, material: Material, pool: ThreadPoolExecutor, *, whole: bool = False) -> Images:
    """In memory, or read from files: whole, to be cropped at random, or their middle."""
    if material.pixels is not None:
        return InMemory(torch.from_numpy(material.pixels), [str(row) for row in range(len(material.labels))])
    names = [file.name for file in material.files]
    if whole:
        short = augmentation_named("inception").sized((job.side, job.side)).short_side(round(job.side * _ROOM))
        spec = PixelSpec(short, None, "bilinear", mean=MEAN, std=STD)
        return FromFiles(lambda row: prepare_at_most(material.files[row].read_bytes(), spec), names, pool)
    spec = PixelSpec(round(job.side * _ROOM), (job.side, job.side), "bilinear", mean=MEAN, std=STD)
    return FromFiles(lambda row: prepare(material.files[row].read_bytes(), spec)[0], names, pool)


def _held(job: Job, material: Material, images: Images, rows: np.ndarray) -> HeldRows:
    return HeldRows(images, torch.from_numpy(material.labels[rows].astype(np.int64)), rows, (job.side, job.side))


def _run(job: Job, network: nn.Module, material: Material, training: Any, held: HeldRows, preset: Preset) -> Run:
    device = torch.device(job.device)
    return Run(
        network=network.to(device),
        task=Classes(tuple(map(str, range(material.classes)))),
        preset=preset,
        training=training,
        validation=held,
        device=device,
        door=_door(device),
    )


def preset_of(job: Job) -> Preset:
    """The paper's, at one rate, for so many steps."""
    paper = preset_named("cifar-paper" if job.side == 32 else "imagenet-paper")
    return paper.changed(
        epochs=1, iterations=job.warm + job.steps, batch=job.batch, lr=job.lr, curve="constant", drops=(),
        augmentation="cifar" if job.side == 32 else "inception", precision=job.precision, channels_last=True,
    )  # fmt: skip


def _door(device: torch.device) -> Any:
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return lambda images: (images - mean) / std


def _ours(job: Job, material: Material, network: nn.Module, watch: Stopwatch) -> float:
    """Train by boda's loop; then the images/s that its batches alone come at."""
    preset, rows = preset_of(job), _repeated(material.learned, job)
    size = (job.side, job.side)
    augmentation = augmentation_named(preset.augmentation).sized(size)
    with ThreadPoolExecutor(cores()) as pool:
        images = _images(job, material, pool, whole=True)
        targets = torch.from_numpy(material.labels[rows].astype(np.int64))
        swaps = label_swaps(augmentation, names=())
        training = TrainingRows(images, targets, rows, size, 3, augmentation, swaps, job.seed, material.classes)
        network.to(memory_format=torch.channels_last)
        held = _held(job, material, _images(job, material, pool), material.held[:2])
        run = _run(job, network, material, training, held, preset)
        sums: list[torch.Tensor] = []

        def stepped(state: State, _steps: int) -> None:
            sums.append(state.sums["loss"])  # looked at when all is over: each look waits for the device
            watch.step(job.batch)

        train(run, State.fresh(network, preset), Watch(step=stepped))
        losses = np.diff([0.0, *map(float, sums)]) / job.batch
        watch.losses += losses.tolist()
        return _rate(training.batches(job.batch, 1), job)


def _rate(batches: Iterator[Any], job: Job) -> float:
    """Images/s of batches that nobody uses."""
    next(batches)
    began, count = time.perf_counter(), 0
    for number, batch in enumerate(batches, 1):
        count += len(batch.rows)
        if number == job.steps:
            break
    return count / (time.perf_counter() - began)


def _limit(job: Job, material: Material, network: nn.Module, watch: Stopwatch) -> None:
    """The network alone: the same batch again and again, no images to prepare and nothing told."""
    preset, device = preset_of(job), torch.device(job.device)
    network = network.to(device).to(memory_format=torch.channels_last).train()
    images = torch.randn(job.batch, 3, job.side, job.side, device=device).to(memory_format=torch.channels_last)
    targets = torch.randint(material.classes, (job.batch,), device=device)
    optimiser = State.fresh(network, preset).optimiser
    while not watch.over:
        with torch.autocast(device.type, torch.bfloat16, enabled=preset.precision == "bf16"):
            loss = nn.functional.cross_entropy(network(images), targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        watch.step(job.batch)


def as_json(job: Job) -> str:
    """For the file."""
    return json.dumps(asdict(job))


def main() -> None:
    """Read the job, do it, write the answer."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(do(job)), encoding="utf-8")


if __name__ == "__main__":
    main()
