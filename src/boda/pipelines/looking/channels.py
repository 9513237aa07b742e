"""Deeper channels, by the images of the collection that excite them most."""

import numpy as np

from boda.errors import Refused
from boda.explanations.channels import channel_score
from boda.explanations.many_scores import above_usual, channel_values
from boda.pictures.rows import Row, rows_sheet
from boda.pictures.wording import number
from boda.pipelines.file_bytes import as_csv, as_png
from boda.pipelines.looking.given import Inside
from boda.pipelines.looking.look import Look, Wanted
from boda.pipelines.looking.top import SIDE, tops_of
from boda.sources.base import ImageRef

IMAGES, CHANNELS = 9, 8
"""Images a channel; channels where none are named."""


def look_at_channels(inside: Inside, wanted: Wanted) -> Look:
    """For each channel the images in which one place of it is largest, with a box around what moves that place."""
    network, there = inside.network, inside.images("what excites channels")
    layer = wanted.layers[0] if wanted.layers else inside.own_layer
    width = network.anatomy.part(layer, None).width
    for channel in wanted.channels or (0,):
        channel_score(network, layer, channel, place=wanted.place)  # refused before the pass
    refs: list[ImageRef] = []
    values = channel_values(network, layer, there.passing(refs), place=wanted.place)
    if len(values) < 2:
        raise Refused(f"{len(values)} image is too few to say what is usual: give at least 2")
    count = wanted.count or IMAGES
    heights = above_usual(values, max(1, min(count, len(values) // 10)))
    chosen = list(wanted.channels) or np.argsort(-heights, kind="stable")[:CHANNELS].tolist()
    scores = [channel_score(network, layer, one, place=wanted.place, over="largest") for one in chosen]
    tops = tops_of(network, scores, values[:, chosen], refs, there, count)
    over = "anywhere" if wanted.place is None else f"at row {wanted.place[0]}, column {wanted.place[1]}"
    sentences = [
        f"channel {one}: {number(float(top.exciting.values[0]))} to {number(float(top.exciting.values[-1]))} in "
        f"the {len(top.keys)} images that excite it most, usual {top.usual}; "
        f"{number(float(heights[one]), decimals=1)} sd"
        for one, top in zip(chosen, tops, strict=True)
    ]
    picked = "named" if wanted.channels else f"those of {width:,} that stand out most"
    middle = f"half of all {width:,} channels stand out by {number(float(np.median(heights)), decimals=1)} sd or less"
    title = f"{inside.name}, layer {layer}: largest activation {over}; channels {picked}; {there.words}; {middle}"
    boxes = "boxes: pixels that hold 90 % of the gradient of the place where the channel is largest"
    rows = [Row(sentence, top.tiles(SIDE)) for sentence, top in zip(sentences, tops, strict=True)]
    record = {
        "layer": layer,
        "channels_there": width,
        "place": wanted.place,
        "median_height": float(np.median(heights)),
        "channels": [
            {"channel": one, "height": float(heights[one]), **top.as_json()}
            for one, top in zip(chosen, tops, strict=True)
        ],
    }
    table = as_csv(
        {
            "channel": np.arange(width),
            "mean": values.mean(axis=0),
            "deviation": values.std(axis=0, ddof=1),
            "largest": values.max(axis=0),
            "height": heights,
        }
    )
    files = {".png": as_png(rows_sheet(rows, side=SIDE, title=f"{title}\n{boxes}")), ".csv": table}
    return Look(files, record, (title, *sentences))
