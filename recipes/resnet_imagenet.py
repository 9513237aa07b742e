"""ImageNet: a residual network from pixels, tested as in the paper.

Score   see the receipt that it writes; never trained to the end where this was written
Data    FOLDER/train/CLASS/*.JPEG and FOLDER/val/CLASS/*.JPEG, in the layout of ImageNet 2012
After   He et al., arXiv:1512.03385, sections 3.4 and 4.1, tables 2 to 4
Run     python recipes/resnet_imagenet.py FOLDER --net resnet50 --preset imagenet-paper --to r50/
        python recipes/resnet_imagenet.py --smoke DATA --to smoke/     a few photographs: does everything work?

A fiftieth of the training images chooses the epoch, and says where the paper's rate is divided by ten; the validation
images of ImageNet are the test, as in the paper, and are looked at once: centre crop, ten crops, several scales.
"""

import argparse
import sys
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

import boda
from boda.errors import BodaError, NotFound
from boda.pipelines.predict import Prediction
from boda.pipelines.run.meter import Progress
from boda.pipelines.train_network import TrainedNetwork
from resnets.published import IMAGENET_SCALES, IMAGENET_TEN_CROPS
from runs.receipt import footer, table, write

SCALES = (224, 256, 384, 480, 640)
"""Of the paper, of networks for images of 224 x 224."""
_EVERY = 60.0
"""Seconds between two lines that say where the run is."""
_SMOKE = {"net": "resnet18", "size": 64, "preset": "imagenet-fast", "share": 0.25}
_SMOKE_SETTINGS: Mapping[str, Any] = {"epochs": 2, "batch": 8, "lr": 0.05}


def run(
    folder: Path,
    to: Path,
    *,
    net: str = "resnet50",
    preset: str = "imagenet-fast",
    settings: Mapping[str, Any] | None = None,
    size: int | None = None,
    share: float = 0.02,
    device: str = "auto",
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> str:
    """Train, or go on, and test in three ways.

    Args:
        folder: with `train` and `val`, a folder a class in each.
        to: the run and the receipt.
        net: as of `boda.train_network`.
        preset: `imagenet-paper`, `imagenet-fast`.
        settings: fields of it to change.
        size: side of the images; None: 224.
        share: of the training images, to choose the epoch by.
        device: as of `boda.train_network`.
        seed: of weights, order, augmentation.
        tell: hears how far it is.

    Returns:
        The receipt.

    Raises:
        NotFound: the layout is another one.
    """
    began = time.perf_counter()
    for part in ("train", "val"):
        if not (folder / part).is_dir():
            raise NotFound(f"{folder / part}: no such folder; ImageNet's layout has train/CLASS and val/CLASS")
    to.mkdir(parents=True, exist_ok=True)
    found = boda.train_network(
        folder / "train",
        net=net,
        target="class",
        preset=preset,
        settings=settings,
        size=size,
        validation=share,
        flip_pairs=(),
        device=device,
        seed=seed,
        to=to / "run",
        progress=_progress(tell),
    )
    side = found.plan.size[0]
    looks: dict[str, dict[str, Any]] = {
        "centre crop": {},
        "10 crops": {"crops": 10},
        "scales": {"scales": [round(scale * side / SCALES[0]) for scale in SCALES]},
    }
    published = {"10 crops": IMAGENET_TEN_CROPS, "scales": IMAGENET_SCALES}
    rows = []
    for name, how in looks.items():
        tell(f"testing: {name}")
        pages = boda.predict(folder / "val", encoder=found.encoder, topk=5, device=device, **how).predictions
        top1, top5, tested = errors_of(pages)
        paper = published.get(name, {}).get(net, ("", ""))
        rows.append([name, f"{tested:,}", f"{top1:.2f}", paper[0], f"{top5:.2f}", paper[1]])
    header = ["test", "images", "top-1 error, %", "the paper's", "top-5 error, %", "the paper's "]
    return "\n".join(
        (
            f"{net}, {found.preset.name}: {_learned(found)}\n",
            table(header, rows),
            footer(time.perf_counter() - began, [seed], of="weights, order and augmentation"),
        )
    )


def errors_of(pages: Sequence[Prediction]) -> tuple[float, float, int]:
    """Top-1 and top-5 error in %, of images whose folder is their class; what could not be read is left out."""
    seen = [page for page in pages if page.unreadable is None]
    if not seen:
        raise NotFound("none of the validation images can be read")
    places = []
    for page in seen:
        names, truth = [one.name for one in page.topk], page.key.partition("/")[0]
        places.append(names.index(truth) if truth in names else len(names))
    top1, top5 = (100 * sum(place >= most for place in places) / len(seen) for most in (1, 5))
    return top1, top5, len(seen)


def little_imagenet(data: Path, to: Path, *, classes: int = 4) -> Path:
    """A folder in ImageNet's layout: parts of a few photographs to learn from, the photographs themselves to test on.

    Args:
        data: the folder of data: imagenet_photos/.
        to: where it goes; what is there stays.
        classes: how many; one photograph each.
    """
    with tarfile.open(data / "imagenet_photos" / "images.tar") as photographs:
        for member in photographs.getmembers()[:classes]:
            file = photographs.extractfile(member)
            assert file is not None
            photograph = Image.open(BytesIO(file.read())).convert("RGB")
            name = Path(member.name).stem
            width, height = photograph.size
            boxes = [(x, y, x + width * 3 // 4, y + height * 3 // 4) for x in (0, width // 4) for y in (0, height // 4)]
            _keep(photograph, to / "val" / name / "whole.JPEG")
            for place, box in enumerate(boxes):
                _keep(photograph.crop(box), to / "train" / name / f"part{place}.JPEG")
    return to


def _keep(image: Image.Image, place: Path) -> None:
    made = BytesIO()
    image.save(made, "JPEG", quality=90)
    write(place, made.getvalue())


def _learned(found: TrainedNetwork) -> str:
    best = found.best
    return (
        f"{found.training:,} images in {found.history[-1]['step']:,} steps; best epoch {best['epoch']} of "
        f"{len(found.history)}, {100 * best['validation_error']:.2f} % error on {found.validation:,} images kept apart"
    )


def _progress(tell: Callable[[str], None]) -> Callable[[Progress], None]:
    heard = [time.monotonic()]

    def told(progress: Progress) -> None:
        if time.monotonic() - heard[0] > _EVERY:
            heard[0] = time.monotonic()
            tell(f"step {progress.done:,} of {progress.total:,}, {(progress.seconds_left or 0) / 3600:.1f} h left")

    return told


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="with train/CLASS and val/CLASS")
    parser.add_argument(
        "--smoke", type=Path, metavar="DATA", help="make such a folder of imagenet_photos/ and learn it"
    )
    parser.add_argument("--net", default="resnet50")
    parser.add_argument("--preset", default="imagenet-fast", help="or imagenet-paper")
    parser.add_argument("--to", type=Path, default=Path("imagenet"), metavar="FOLDER", help="of the run and receipt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if (asked.folder is None) == (asked.smoke is None):
        parser.error("give a folder in ImageNet's layout, or --smoke DATA")
    how: dict[str, Any] = {"net": asked.net, "preset": asked.preset}
    try:
        if asked.smoke is not None:
            folder, how = little_imagenet(asked.smoke, asked.to / "little"), {**_SMOKE, "settings": _SMOKE_SETTINGS}
        else:
            folder = asked.folder
        found = run(folder, asked.to, device=asked.device, seed=asked.seed, tell=_tell, **how)
    except BodaError as error:
        raise SystemExit(f"resnet_imagenet: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
