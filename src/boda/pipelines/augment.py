"""Augment: what a network sees of an image in training, epoch after epoch."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from boda.arrays import Pixels
from boda.cores import cores
from boda.errors import Refused
from boda.keys import shown, to_json
from boda.pictures.sheet import Tile, contact_sheet, write_sheet, written_by
from boda.pipelines.decoded import decoded
from boda.pipelines.places import folder_beside, place_for
from boda.pipelines.together import together
from boda.pixels.augment import Augmentation, augmentation_named
from boda.pixels.augmented import augment_images, mix_batch
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.sources.base import ImageRef, Source, Unlistable
from boda.unreadable import BadImage, Unreadable

if TYPE_CHECKING:
    from boda.pixels.augmented import Augmented
    from boda.pixels.augmenting.mixing import Mixed

_MARK = "boda augment"
_SIDE = 180
_MOST = 1000
_SHORT_SIDE = 448
"""Images that no network's input asks for are shown no larger: in pixels."""
_ROOM = 256 / 224
"""Short side of an image over the side that is cut from its middle, as in the test of He et al. 2015."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image as the network sees it once."""

    pixels: Pixels
    """(h, w, 3)."""
    image: int
    """Which of the images that were given."""
    epoch: int
    flipped: bool
    """Mirrored left to right."""
    upended: bool
    """Mirrored upside down."""
    partner: int | None = None
    """Which image it was mixed with, if any."""
    share: float = 1.0
    """How much of the label is its own."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, without the pixels."""
        return {
            "image": self.image,
            "epoch": self.epoch,
            "size": list(self.pixels.shape[:2]),
            "flipped": self.flipped,
            "upended": self.upended,
            "partner": self.partner,
            "share": round(self.share, 6),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Images, and what a network sees of them."""

    images: tuple[str, ...]
    augmentation: Augmentation
    originals: tuple[Pixels, ...]
    """(h, w, 3) each, as the augmentation gets them."""
    views: tuple[View, ...]
    sheet: Path | None
    """The contact sheet, a PNG; None where none was asked for."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "images": [to_json(image) for image in self.images],
            "augmentation": self.augmentation.as_json(),
            "in_words": str(self.augmentation),
            "views": [view.as_json() for view in self.views],
            "sheet": None if self.sheet is None else to_json(str(self.sheet)),
        }


def augment(
    image: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    preset: str | Augmentation,
    *,
    count: int = 12,
    seed: int = 0,
    size: int | None = None,
    show: bool = False,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Views:
    """See what a network sees of an image in training.

    The first view is what it sees in the first epoch, the next one what it sees in the second, and so on. Several
    images take turns; an augmentation that mixes images needs several.

    Args:
        image: an image file, or several; or anything else that names images.
        preset: a name, as `notebook` or `cifar+cutmix?padding=2` (`boda.pixels.augment`), or an augmentation.
        count: of views; > 0.
        seed: of the training.
        size: side of the network's input, in pixels. None: as the augmentation makes it, or as the images are.
        show: write a contact sheet: the images as they are, then the views.
        to: write it here; without it in NAME-augment/ in the current folder.
        force: write over a file at `to`.

    Raises:
        NotFound: no such file or augmentation.
        BadImage: an image cannot be used.
        Refused: nothing to mix with, views of several sizes that are to be mixed, or a file is in the way.
        MissingExtra: torch is not installed.
    """
    given = [image] if isinstance(image, (str, os.PathLike)) else list(image)
    augmentation = augmentation_named(preset) if isinstance(preset, str) else preset
    if not given:
        raise Refused("no image to augment: give a file")
    if not 0 < count <= _MOST:
        raise Refused(f"count={count} must be from 1 to {_MOST}")
    if size is not None:
        augmentation = augmentation.sized((size, size))
    source = together(given)
    refs = _listed(source)
    if augmentation.of_batches and len(refs) == 1:
        raise Refused(f"{augmentation.of_batches[0].name} mixes images with each other: give several")
    name = preset if isinstance(preset, str) else "augmentation"
    place = _place(refs[0].key, name, to, force=force) if show or to is not None else None
    originals, sizes = _prepared(source, refs, augmentation, size)
    views = _views(augmentation, originals, count, seed)
    if place is not None:
        title = f"{preset}: {augmentation}" if isinstance(preset, str) else str(augmentation)
        write_sheet(_sheet(refs, originals, sizes, views, title), place, mark=_MARK)
    return Views(tuple(ref.key for ref in refs), augmentation, tuple(originals), tuple(views), place)


def _listed(source: Source) -> list[ImageRef]:
    refs = []
    for entry in source.entries():
        if isinstance(entry, Unlistable):
            raise _bad(entry.key, entry.unreadable)
        refs.append(entry)
    if not 0 < len(refs) <= _MOST:
        raise Refused(f"{len(refs)} images to augment: give 1 to {_MOST}")
    return refs


def _prepared(
    source: Source, refs: Sequence[ImageRef], augmentation: Augmentation, size: int | None
) -> tuple[list[Pixels], list[str]]:
    """The pixels of images as training decodes them, and how large they are in their files.

    Each is decoded once in a process that may die, where a file cannot harm this one.
    """
    tried = PixelSpec(resize=(8, 8), crop=None, decoder="exact")
    for page in decoded(source, refs, tried, workers=min(cores(), len(refs))):
        for ref, verdict in zip(page.refs, page.verdicts, strict=True):
            if verdict is not None:
                raise _bad(ref.key, verdict)
    spec = _spec(augmentation, size)
    originals, sizes = [], []
    for ref in refs:
        try:
            data = source.read(ref).data
            pixels, facts = prepare(data, spec)
            if spec.resize is None and min(pixels.shape[:2]) > _SHORT_SIDE:
                pixels, _ = prepare(data, PixelSpec(_SHORT_SIDE, None, "bilinear"))
        except BadImage as bad:
            raise _bad(ref.key, bad.unreadable) from bad
        originals.append(pixels)
        sizes.append(f"{facts.height}x{facts.width}")
    return originals, sizes


def _spec(augmentation: Augmentation, size: int | None) -> PixelSpec:
    """Enough of the image for the crops of an augmentation; without any what the network takes."""
    if augmentation.shape is None:
        return PixelSpec(size, None if size is None else (size, size), "bilinear")
    side = max(augmentation.shape)
    return PixelSpec(max(augmentation.short_side(side), round(side * _ROOM)), None, "bilinear")


def _bad(key: str, why: Unreadable) -> BadImage:
    return BadImage(why.stage, why.code, f"{shown(key)}: {why.reason}")


def _views(augmentation: Augmentation, originals: Sequence[Pixels], count: int, seed: int) -> list[View]:
    """Epoch after epoch every image once, until there are enough."""
    views: list[View] = []
    for epoch in range(-(-count // len(originals))):
        rows = range(len(originals))
        if augmentation.of_batches:
            seen = augment_images(augmentation, originals, seed=seed, epoch=epoch, rows=list(rows))
            mixed = mix_batch(augmentation, seen.pixels, seed=seed, epoch=epoch, batch=0)
            views += [_view(mixed.pixels[row], row, epoch, seen, row, mixed) for row in rows]
        else:
            for row in rows:
                seen = augment_images(augmentation, [originals[row]], seed=seed, epoch=epoch, rows=[row])
                views.append(_view(seen.pixels[0], row, epoch, seen, 0))
    return views[:count]


def _view(pixels: Any, image: int, epoch: int, seen: "Augmented", row: int, mixed: "Mixed | None" = None) -> View:
    view = View(pixels.numpy(), image, epoch, bool(seen.flipped[row]), bool(seen.upended[row]))
    if mixed is None:
        return view
    partner = int(mixed.partners[row])
    return View(view.pixels, image, epoch, view.flipped, view.upended, partner, mixed.share)


def _sheet(
    refs: Sequence[ImageRef], originals: Sequence[Pixels], sizes: Sequence[str], views: Sequence[View], title: str
) -> Image.Image:
    several, tiles = len(refs) > 1, []
    for number, (ref, pixels, size) in enumerate(zip(refs, originals, sizes, strict=True), 1):
        name = Path(ref.key).name
        tiles.append(Tile(_enlarged(pixels), (f"#{number} {name}" if several else name, f"as it is, {size}")))
    for number, view in enumerate(views, 1):
        height, width = view.pixels.shape[:2]
        tiles.append(Tile(_enlarged(view.pixels), (f"{number}   {height}x{width}", _told(view, several=several))))
    return contact_sheet(tiles, side=_SIDE, columns=7 if len(tiles) > 5 else 5, title=title)


def _told(view: View, *, several: bool) -> str:
    flips = [word for word, so in (("flipped", view.flipped), ("upside down", view.upended)) if so]
    words = [f"#{view.image + 1}"] if several else []
    if view.partner is not None and view.partner != view.image:
        words = [f"{view.share:.0%} #{view.image + 1} + {1 - view.share:.0%} #{view.partner + 1}"]
    return ", ".join(words + flips)


def _enlarged(pixels: Pixels) -> Image.Image:
    """Small images in larger dots, so that each of their pixels can be seen."""
    image = Image.fromarray(pixels)
    by = max(1, _SIDE // max(image.size))
    return image.resize((image.width * by, image.height * by), Image.Resampling.NEAREST) if by > 1 else image


def _place(image: str, name: str, to: str | os.PathLike[str] | None, *, force: bool) -> Path:
    if to is not None and Path(to).suffix.lower() != ".png":
        raise Refused(f"{shown(os.fspath(to))}: a contact sheet is a PNG; give a name that ends in .png")
    tame = re.sub(r"[^\w.+=-]+", "_", name)[-100:]
    path = Path(to) if to is not None else folder_beside(Path(Path(image).stem), "augment") / f"{tame}.png"
    return place_for(path, force=force, ours=written_by(path, _MARK))
