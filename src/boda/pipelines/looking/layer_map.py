"""t-SNE of what a layer gives for a collection, with what the map keeps of it."""

from typing import Any

import numpy as np
from PIL import Image

from boda.cores import cores
from boda.errors import Refused
from boda.explanations.layer_neighbours import layer_features
from boda.keys import to_text
from boda.maps.faithful import rows_looked_at
from boda.maps.mapping import map_rows, settings_for, steps_of
from boda.pictures.layer_map import pictured_map
from boda.pictures.map_picture import map_picture
from boda.pipelines.file_bytes import as_csv, as_npy, as_png
from boda.pipelines.looking.given import Collection, Inside
from boda.pipelines.looking.look import Look, Wanted
from boda.pipelines.maps.measuring import measure
from boda.pipelines.maps.showing import colouring_of, colours_of, doubts_of, in_one_line
from boda.pipelines.maps.steps import Steps
from boda.pipelines.maps.words import limits
from boda.pipelines.thumbnails import thumbnails
from boda.sources.base import ImageRef

STARTS = 3
"""Maps from other random starts, by which chance is judged."""
_PICTURED = 1500
_SIZE, _SMALLEST, _LARGEST = 1200, 40, 96
"""Of the map with images and of one image on it, in pixels."""


def look_at_map(inside: Inside, wanted: Wanted) -> Look:
    """A point an image: by colour, by how far chance put it there, and as the images themselves."""
    there = inside.images("a map")
    layer = wanted.layers[0] if wanted.layers else inside.own_layer
    inside.network.anatomy.part(layer, None)  # refused before the pass
    if wanted.colour is not None and inside.workspace is None:
        raise Refused("colours are by a column of a workspace: give that, or leave the colour out")
    column = None if inside.workspace is None else colouring_of(inside.workspace, wanted.colour)
    refs: list[ImageRef] = []
    features = layer_features(inside.network, layer, there.passing(refs))
    settings = settings_for(len(features), "tsne", seed=wanted.seed)
    stepped = Steps((1 + STARTS) * steps_of(settings), there.progress)
    layout = map_rows(features, settings, threads=cores(), stepped=stepped)
    measured = measure(features, layout.places, settings, starts=STARTS, threads=cores(), stepped=stepped)
    keys = [ref.key for ref in refs]
    colours, doubts = colours_of(keys, column), doubts_of(measured.points)
    title = f"{inside.name}, layer {layer} ({features.shape[1]:,} wide): t-SNE of {there.words}"
    short = f"{inside.name}, {layer}: {len(keys):,} images, t-SNE"
    told = in_one_line(measured.record)
    mind = limits(settings, layout.space)
    dots = map_picture(
        layout.places, colours, title=short, words=[f"{title}.", told, *mind], doubt=doubts[0] if doubts else None
    )
    side = int(np.clip(0.7 * _SIZE / len(keys) ** 0.5, _SMALLEST, _LARGEST))
    pictures = _pictures(inside, there, refs, side, wanted.seed)
    kept = measured.record["kept"]["value"]
    with_images = pictured_map(
        layout.places,
        pictures,
        colours,
        title=f"{title}; {kept:.2f} of the {measured.record['k']} nearest are kept; distances of groups say nothing",
        size=_SIZE,
        side=side,
    )
    table: dict[str, Any] = {
        "key": [to_text(key) for key in keys],
        "x": layout.places[:, 0].astype(np.float64),
        "y": layout.places[:, 1].astype(np.float64),
    }
    if column is not None:
        table[column.name] = list(colours.texts)
    table |= {name: values.astype(np.float64) for name, values in measured.points.items()}
    record = {
        "layer": layer,
        "width": features.shape[1],
        "points": len(keys),
        "settings": settings.as_json(),
        "colour": wanted.colour,
        "measured": measured.record,
        "limits": list(mind),
    }
    files = {".png": dots, "-images.png": as_png(with_images), ".npy": as_npy(layout.places), ".csv": as_csv(table)}
    return Look(files, record, (title, told, *(f"mind: {one}" for one in mind)))


def _pictures(
    inside: Inside, there: Collection, refs: list[ImageRef], side: int, seed: int
) -> list[Image.Image | None]:
    """(n,) small pictures, of some drawn ones where there are many; None where there is none."""
    rows = rows_looked_at(len(refs), np.random.default_rng([seed, 6]), most=_PICTURED).tolist()
    found: list[Image.Image | None] = [None] * len(refs)
    small = thumbnails(there.chosen.source, [refs[row] for row in rows], side, inside.recipe)
    for row, one in zip(rows, small, strict=True):
        found[row] = one if isinstance(one, Image.Image) else None
    return found
