"""The two tours: images that are on every machine, and the galaxies of Galaxy Zoo 2 where they are at hand."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from boda.errors import NotFound
from boda.pictures.page import Banner, Block, Cards, Picture, Section, Words, data_uri
from boda.pipelines.demonstration.accuracy import LeaveOneOut
from boda.pipelines.demonstration.album import Album
from boda.pipelines.demonstration.galaxies import SIGMAS, SMALLEST_AREA
from boda.pipelines.demonstration.images import CUT_SHORT, Written, write_images

_SHOWN = 8
_DIGITS = (
    "Written by hand, 8 × 8 grey values each, from scikit-learn. A margin of 2 on every side, so that no stroke is "
    "cropped away; then enlarged 8 times (bicubic) and written as PNG."
)
_GALAXIES = (
    f"Cut out of the Hubble picture above: patches of at least {SMALLEST_AREA} pixels that stand out of the sky by "
    f"{SIGMAS:.0f} times its noise. Squares may overlap, and a few hold stars of our own galaxy, told by their spikes."
)


@dataclass(frozen=True, slots=True)
class Card:
    """What is said of one kind of images."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Tour:
    """What is embedded, what is known of it, and how the page begins."""

    name: str
    """Of the workspace and the page: `demo` gives demo.boda."""
    title: str
    source: Path
    labels: Path
    """A table to join."""
    kind: str
    """The column whose values each get some queries."""
    scored: str
    """The column that is predicted by the nearest neighbour."""
    images: str
    """What the images are, in the plural."""
    what: str
    """What the scored images are, in the plural."""
    each: int
    """Queries of a kind."""
    about: Mapping[str, Card]
    """Title and text of each kind's card."""
    quarantine: str
    """What is said over the table of the quarantine."""
    written: Written | None = None
    small: Path | None = None
    """A folder of small images that an autoencoder learns."""

    def lead(self, embedded: int, found: LeaveOneOut) -> str:
        """The first sentences of the page."""
        return (
            f"{embedded:,} {self.images} went through one network, and each became a row of numbers. Which images do "
            f"these rows call alike, and how far can that be trusted? Of the {self.what}, {found.accuracy} have a "
            f"nearest neighbour of their own class; always saying the largest class would give {found.baseline}."
        )


def offline_tour(to: Path, digits: int | None) -> Tour:
    """Digits, photographs and galaxies that come with scikit-learn and scikit-image, written under `to`."""
    written = write_images(to, digits=digits)
    return Tour(
        name="demo",
        title="Real images, their features, and what they know",
        source=written.folder,
        labels=written.labels,
        kind="kind",
        scored="digit",
        images="digits, photographs and galaxies",
        what="digits",
        each=3,
        about={
            "digit": Card("Digits", _DIGITS),
            "photograph": Card("Photographs", "The pictures that ship inside scikit-image, byte for byte."),
            "galaxy": Card("Galaxies", _GALAXIES),
        },
        quarantine=(
            f"“{CUT_SHORT.rsplit('/', maxsplit=1)[-1]}” is there on purpose: a good JPEG of which the second half is "
            f"missing, as after a broken download. Many programs show such a picture with its lower part grey. Here it "
            f"is set aside alone, with the reason, and the run goes on."
        ),
        written=written,
        small=written.folder / "digits",
    )


def galaxies_tour() -> Tour:
    """Galaxy Zoo 2, read straight from its archive.

    Raises:
        NotFound: the data is not on this machine.
    """
    folder = data_folder() / "galaxies_gz2"
    archive, catalogue = folder / "images.tar", folder / "catalog.csv"
    for path in (archive, catalogue):
        if not path.is_file():
            raise NotFound(f"no {path.name} in {folder}: set BODA_DATA to the folder that holds galaxies_gz2")
    return Tour(
        name="galaxies",
        title="Galaxies, their features, and what they know",
        source=archive,
        labels=catalogue,
        kind="derived_label",
        scored="derived_label",
        images="galaxies",
        what="galaxies",
        each=2,
        about={
            "edge-on": Card("Edge-on", "Disks seen from the side."),
            "elliptical": Card("Elliptical", "Smooth and round, without arms."),
            "merger": Card("Merger", "Two galaxies that meet. A label by votes, and a noisy one."),
            "spiral": Card("Spiral", "Disks with arms."),
        },
        quarantine="These could not be used, each alone, and the run went on.",
    )


def data_folder() -> Path:
    """Where the real data is: `BODA_DATA`, else `../shared/data` beside the project that the current folder is in.

    Raises:
        NotFound: neither is there.
    """
    named = os.environ.get("BODA_DATA")
    here = Path.cwd()
    project = next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)
    folder = Path(named) if named else project.parent / "shared" / "data"
    if not folder.is_dir():
        raise NotFound(f"no data at {folder}: set BODA_DATA to the folder that holds galaxies_gz2")
    return folder


def banner(tour: Tour, album: Album, keys: Sequence[str]) -> Banner:
    """The picture on top: the sky with a square around each galaxy that was cut out, or a field of images."""
    if tour.written is not None:
        with Image.open(tour.written.sky) as opened:
            picture = opened.convert("RGB")
        squares = [(s.left, s.top, s.side) for s in tour.written.squares]
        credit = (
            f"Hubble’s view of the deep sky; squares around the {len(squares)} sources that were cut out (NASA, ESA)"
        )
        return Banner(data_uri(picture, quality=72), *picture.size, credit, squares)
    columns, rows, side = 16, 6, 72
    field = Image.new("RGB", (columns * side, rows * side))
    for place, key in enumerate(keys[:: max(1, len(keys) // (columns * rows))][: columns * rows]):
        field.paste(album.square(key, side), (place % columns * side, place // columns * side))
    return Banner(
        data_uri(field, quality=72), *field.size, "Galaxy Zoo 2 (Hart et al. 2016, Willett et al. 2013); SDSS"
    )


def images_section(tour: Tour, album: Album, rows: Mapping[str, Sequence[str]]) -> Section:
    """What the images are, kind by kind.

    Args:
        tour: says it in words.
        album: shows them.
        rows: keys of each kind.
    """
    cards = []
    for kind, keys in rows.items():
        card = tour.about.get(kind, Card(kind, ""))
        few = keys[:: max(1, len(keys) // _SHOWN)][:_SHOWN]
        pictures = [Picture(album.picture(key, side=96).uri) for key in few]
        cards.append((f"{card.title}: {len(keys):,}", card.text, pictures))
    blocks: list[Block] = [Cards(cards)]
    if tour.written is None:
        blocks.insert(0, Words("Galaxies of the Sloan Digital Sky Survey, classed by the votes of many people."))
    return Section("What the images are", blocks)
