"""Pretrained networks: what they see in a photograph, and how many images of CIFAR-10 they get right.

Score   the published ResNets of CIFAR-10: 91.73, 92.63, 93.10 and 93.39 % of the test images
Data    DATA/weights, DATA/imagenet_photos, DATA/cifar10_test
Run     python recipes/pretrained_topk.py DATA cat.jpg dog.jpg
        python recipes/pretrained_topk.py DATA          three photographs of DATA/imagenet_photos
"""

import argparse
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

import boda
from boda.errors import BodaError
from boda.pipelines.predict import Prediction
from resnets.published import CIFAR_RESIDUAL
from runs.receipt import footer, table, write

CLASSIFIERS = {"auto": None, "timm:mobilenetv2_100": "mobilenet_v2-b0353104.pth"}
"""Of ImageNet's classes, with their files among the weights; None: it brings its own."""
CIFAR = {
    20: ("resnet20-12fca82f.th", 91.78),
    32: ("resnet32-d509ac18.th", 92.78),
    44: ("resnet44-014dd654.th", 93.14),
    56: ("resnet56-4bfd9763.th", 93.62),
}
"""By layers: the file of github.com/akamaster/pytorch_resnet_cifar10, and the accuracy in % that its own record has."""
_CHOSEN = ("Egyptian_cat", "Granny_Smith", "zebra")
"""Photographs that are shown where none are given, if they are there."""


def run(data: Path, images: Sequence[Path] = (), *, topk: int = 5, test: Path | None = None) -> str:
    """Name what is in images, and count what the networks of CIFAR-10 get right.

    Args:
        data: the folder of data.
        images: files; none: some of `imagenet_photos`.
        topk: classes an image.
        test: CIFAR-10's test images as a table; None: those of the folder of data.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="boda-topk-") as folder:
        said = named(data, list(images) or photographs(data, Path(folder)), topk=topk)
    counted = accuracies(data, test or data / "cifar10_test" / "test.parquet")
    return "\n".join((said, counted, footer(time.perf_counter() - began, [])))


def named(data: Path, images: Sequence[Path], *, topk: int) -> str:
    """For each image and network the likeliest classes with percentages, as the usual notebook prints them."""
    lines = []
    for encoder, file in CLASSIFIERS.items():
        weights = None if file is None else data / "weights" / file
        for page in boda.predict(list(images), encoder=encoder, weights=weights, topk=topk).predictions:
            lines += [f"**{Path(page.key).name}**, {encoder}\n", *_ranks(page), ""]
    return "\n".join(lines)


def accuracies(data: Path, test: Path) -> str:
    """How many test images each network gets right, beside its own record and the paper.

    Args:
        data: the folder of data: weights/.
        test: a table with `image` and `class`.
    """
    truth = pq.read_table(test, columns=["class"])["class"].to_pylist()
    rows = []
    for depth, (file, record) in CIFAR.items():
        name = f"resnet{depth}"
        pages = boda.predict(test, encoder=f"resnet:{name}", weights=data / "weights" / file, topk=1).predictions
        right = sum(page.topk[0].name == label for page, label in zip(pages, truth, strict=True) if page.topk)
        ours, paper = f"{100 * right / len(truth):.2f}", f"{100 - float(CIFAR_RESIDUAL[depth]):.2f}"
        rows.append([name, f"{right:,} of {len(truth):,}", f"**{ours}**", f"{record:.2f}", paper])
    return table(["network", "right", "%", "its own record", "the paper's training"], rows)


def photographs(data: Path, to: Path) -> list[Path]:
    """A few photographs of ImageNet's classes, unpacked."""
    with tarfile.open(data / "imagenet_photos" / "images.tar") as archive:
        members = archive.getmembers()
        chosen = [one for one in members if any(name in one.name for name in _CHOSEN)] or members[:3]
        for member in chosen:
            archive.extract(member, to, filter="data")
    return [to / member.name for member in chosen]


def _ranks(page: Prediction) -> list[str]:
    if page.unreadable is not None:
        return [f"cannot be used: {page.unreadable}"]
    return [f"{place}. {one.name} {one.percent:.2f} %" for place, one in enumerate(page.topk, 1)]


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: weights/, imagenet_photos/, cifar10_test/")
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--topk", type=int, default=5)
    parser.add_argument("--to", type=Path, metavar="FILE", help="also write what is printed")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.images, topk=asked.topk)
    except BodaError as error:
        raise SystemExit(f"pretrained_topk: {error}") from error
    if asked.to is not None:
        write(asked.to, found.encode())
    print(found)


if __name__ == "__main__":
    main()
