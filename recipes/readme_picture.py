"""The picture in the README: real images and their nearest neighbours, as `boda demo` finds them.

Result  docs/images/neighbours.webp, under 60 kB
Run     boda demo --to demo/ && python recipes/readme_picture.py demo/demo.boda
"""

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

import boda
from boda.pictures.sheet import Tile, contact_sheet
from boda.pipelines.demonstration.album import Album
from boda.retrieval.search import similar
from boda.workspace.atomic import write_whole

GALAXIES = 3
NEIGHBOURS = 6
SIDE = 120
HERE = Path(__file__).resolve().parent.parent / "docs" / "images" / "neighbours.webp"


def queries(album: Album, keys: Sequence[str]) -> list[str]:
    """The three largest galaxies that were cut out, and the first digit: a rule, so that nothing is picked."""
    galaxies = [key for key in keys if key.startswith("galaxies/")]
    sizes = {key: Image.open(BytesIO(album.data(key))).width for key in galaxies}
    largest = sorted(galaxies, key=lambda key: (-sizes[key], key))[:GALAXIES]
    return [*largest, next(key for key in keys if key.startswith("digits/"))]


def neighbours_sheet(workspace: Path) -> Image.Image:
    """One row a query: the query, then its nearest neighbours of all images with their likeness."""
    opened = boda.open(workspace)
    features = opened.features()
    album = Album(opened, features.recipe)
    keys = list(features.keys)
    tiles = []
    for query in queries(album, keys):
        row = keys.index(query)
        found = similar(features, features.array[row], NEIGHBOURS, exclude=row)
        framed = ImageOps.expand(album.square(query, SIDE - 8), 4, (163, 74, 28))
        tiles.append(Tile(framed, ("query",)))
        tiles += [
            Tile(album.square(key, SIDE), (f"{likeness:.3f}",))
            for key, likeness in zip(found.keys, found.likeness, strict=True)
        ]
    return contact_sheet(tiles, columns=1 + NEIGHBOURS, side=SIDE)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--to", type=Path, default=HERE)
    asked = parser.parse_args()
    sheet = neighbours_sheet(asked.workspace)
    into = BytesIO()
    sheet.save(into, "WEBP", quality=82, method=6)
    asked.to.parent.mkdir(parents=True, exist_ok=True)
    write_whole(asked.to, lambda file: file.write(into.getvalue()))
    print(f"{asked.to}: {sheet.width} x {sheet.height}, {asked.to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
