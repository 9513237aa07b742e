"""Showing: one small picture of all parts, the first image of each with its maps. Nothing is picked."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from boda.explanations.methods import method_named
from boda.pictures.heat import sized
from boda.pictures.sheet import Tile, contact_sheet
from explained.looking import LOOKED

_SIDE = 112


def gallery_picture(
    parts: Mapping[str, Path], methods: Sequence[str], *, places: Sequence[int] = (1,), columns: int = 2
) -> bytes:
    """WebP: images of each part, and their maps.

    Args:
        parts: by what they are called, folders of `looked`.
        methods: whose maps.
        places: of the images in each part, from 1.
        columns: images beside each other, each with its maps.
    """
    tiles = [
        tile for name, folder in parts.items() for place in places for tile in _tiles(name, folder, methods, place)
    ]
    sheet, data = contact_sheet(tiles, columns=columns * (1 + len(methods)), side=_SIDE), BytesIO()
    sheet.save(data, "WEBP", quality=80, method=6)
    return data.getvalue()


def _tiles(name: str, folder: Path, methods: Sequence[str], place: int) -> list[Tile]:
    """An image, then its maps; a method that was refused is a grey tile that says so."""
    image = json.loads((folder / LOOKED).read_bytes())["explained"]["images"][place - 1]
    made = {one["method"]: one for one in image["maps"]}
    tiles = [Tile(_fitted(folder / "plain" / f"{place:04d}.png"), (name,))]
    for method in methods:
        title = method_named(method).title
        if method not in made:
            tiles.append(Tile(None, (title,), "refused"))
            continue
        tiles.append(Tile(_fitted(folder / "gallery" / made[method]["overlay"]), (title,)))
    return tiles


def _fitted(file: Path) -> Image.Image:
    """Small images enlarged by whole numbers, large ones made smaller."""
    with Image.open(file) as opened:
        return sized(np.asarray(opened.convert("RGB")), _SIDE)
