"""Real images that come with scikit-learn and scikit-image, written as files. Nothing is downloaded.

Each file is compared with what is there before it is written: a second call touches nothing, and a file that an
interrupted call left half is made whole.
"""

import csv
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
from PIL import Image

from boda.errors import NotFound
from boda.pipelines.demonstration.galaxies import Square, cut, find_sources

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
HUBBLE = "hubble_deep_field.jpg"
CUT_SHORT = "photographs/rocket, cut in half.jpg"
_MARGIN, _ENLARGED = 2, 8


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: a folder of images, a table of what they are, and where the galaxies were found."""

    folder: Path
    labels: Path
    """CSV: `key`, `kind` (digit, photograph, galaxy), `digit` (0 to 9, empty for the others)."""
    sky: Path
    """The picture of the sky that the galaxies were cut from."""
    squares: tuple[Square, ...]


def write_images(to: Path, *, digits: int | None = None) -> Written:
    """Write digits by class, photographs and galaxies under `to/images`, and the table `to/labels.csv`.

    One photograph is there twice, once cut in half: the demonstration shows what becomes of such a file.

    Args:
        to: a folder; made where it is not there.
        digits: how many of the 1,797 digits, from the first; None: all.

    Raises:
        NotFound: this scikit-image does not ship the pictures.
    """
    folder = to / "images"
    rows: list[tuple[str, str, str]] = []
    for number, (image, label) in enumerate(_digits(digits)):
        key = f"digits/{label}/{number:04d}.png"
        _write(folder / key, _png(_digit_picture(image)))
        rows.append((key, "digit", str(label)))
    for name in PHOTOGRAPHS:
        _write(folder / "photographs" / name, shipped(name).read_bytes())
        rows.append((f"photographs/{name}", "photograph", ""))
    whole = shipped("rocket.jpg").read_bytes()
    _write(folder / CUT_SHORT, whole[: len(whole) // 2])
    with Image.open(shipped(HUBBLE)) as opened:
        sky = np.asarray(opened.convert("RGB"))
    squares = find_sources(sky)
    for square in squares:
        key = f"galaxies/x{square.left:03d}-y{square.top:03d}.png"
        _write(folder / key, _png(Image.fromarray(cut(sky, square))))
        rows.append((key, "galaxy", ""))
    _write(to / "labels.csv", _table(rows))
    return Written(folder, to / "labels.csv", shipped(HUBBLE), tuple(squares))


def shipped(name: str) -> Path:
    """A picture inside the installed scikit-image; never its downloads.

    Raises:
        NotFound: it is not there.
    """
    import skimage

    path = Path(skimage.__file__).parent / "data" / name
    if not path.is_file():
        raise NotFound(f"the installed scikit-image does not ship {name}: install scikit-image 0.22 or newer")
    return path


def _digits(most: int | None) -> list[tuple[np.ndarray, int]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return list(zip(found.images[:most], (int(label) for label in found.target[:most]), strict=True))


def _digit_picture(digit: np.ndarray) -> Image.Image:
    """8 x 8 values of 0..16 to 96 x 96 grey: a margin of 2, so that a centre crop keeps every stroke, then 8 times."""
    grey = np.pad(np.rint(digit * (255 / 16)).astype(np.uint8), _MARGIN)
    side = len(grey) * _ENLARGED
    return Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)


def _png(image: Image.Image) -> bytes:
    into = BytesIO()
    image.save(into, "PNG")
    return into.getvalue()


def _table(rows: list[tuple[str, str, str]]) -> bytes:
    into = StringIO()
    csv.writer(into, lineterminator="\n").writerows([("key", "kind", "digit"), *rows])
    return into.getvalue().encode()


def _write(path: Path, data: bytes) -> None:
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
