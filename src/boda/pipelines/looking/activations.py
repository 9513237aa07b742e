"""What the channels of a layer say of one image, held against what they usually say."""

from typing import Any

import numpy as np
from numpy import typing as npt

from boda.errors import Refused
from boda.explanations.activations import Maps, Usual, activations, strongest, usual_activations
from boda.keys import shown, to_json
from boda.pictures.activations import activation_sheet
from boda.pictures.rows import titled
from boda.pictures.wording import number
from boda.pipelines.file_bytes import as_npy, as_png
from boda.pipelines.looking.given import Inside
from boda.pipelines.looking.look import Look, Wanted
from boda.pipelines.looking.top import usual_json, usual_words

CHANNELS = 11
_SIDE = 175


def look_at_activations(inside: Inside, wanted: Wanted) -> Look:
    """Maps of the channels that stand out from the collection; of the largest where there is none to stand out from."""
    layer = wanted.layers[0] if wanted.layers else inside.own_layer
    image = inside.image(wanted.image)
    maps = activations(inside.network, layer, image.pixels[None])[0]
    _refuse_unknown(inside, layer, wanted, len(maps))
    usual = _usual(inside, layer)
    chosen, means = _chosen(maps, usual, wanted), maps.mean(axis=(1, 2), dtype=np.float64)
    words, title = [], f"{inside.name}, layer {layer} ({len(maps):,} channels, {maps.shape[1]} x {maps.shape[2]})"
    if usual is None:
        title += f" of {shown(image.name)}: mean over places; no collection says what is usual"
    else:
        assert inside.collection is not None
        title += f" of {shown(image.name)}: mean over places, and what is usual in {inside.collection.words}"
    chance = None if usual is None else strongest(maps, usual, 1).by_chance
    if chance is not None:
        title += f"; the farthest of so many lies {number(chance, decimals=1)} sd above it by chance"
    captions = []
    for channel in chosen:
        text = number(float(means[channel]))
        if usual is not None:
            away = _excess(maps, usual, channel)
            text += f", usual {usual_words(usual, channel)}"
            words.append(f"channel {channel}: {text}, {number(away, decimals=1)} sd above")
        else:
            words.append(f"channel {channel}: {text}")
        captions.append(f"channel {channel}\n{text}")
    sheet = titled(activation_sheet(maps[chosen], captions, image=image.pixels, side=_SIDE), title)
    record: dict[str, Any] = {
        "layer": layer,
        "image": to_json(image.name),
        "shape": list(maps.shape),
        "by_chance": chance,
        "channels": [
            {
                "channel": channel,
                "mean": float(means[channel]),
                "largest": float(maps[channel].max()),
                "usual": None if usual is None else usual_json(usual, channel),
            }
            for channel in chosen
        ],
    }
    return Look({".png": as_png(sheet), ".npy": as_npy(maps)}, record, (title, *words))


def _refuse_unknown(inside: Inside, layer: str, wanted: Wanted, width: int) -> None:
    for channel in wanted.channels:
        if not 0 <= channel < width:
            raise Refused(f"encoder {inside.name!r}: layer {layer} has channels 0 to {width - 1}, not {channel}")


def _usual(inside: Inside, layer: str) -> Usual | None:
    if inside.collection is None or inside.collection.of < 2:
        return None
    found = usual_activations(inside.network, layer, (pixels for _, pixels in inside.collection.pages()))
    return found if found.images > 1 else None


def _chosen(maps: Maps, usual: Usual | None, wanted: Wanted) -> list[int]:
    """Those that are named; else those that stand out; else those with the largest means."""
    if wanted.channels:
        return list(wanted.channels)
    count = wanted.count or CHANNELS
    if usual is not None:
        return [int(one) for one in strongest(maps, usual, count).channels]
    order: npt.NDArray[np.int64] = np.argsort(-maps.mean(axis=(1, 2)), kind="stable")[:count]
    return [int(one) for one in order]


def _excess(maps: Maps, usual: Usual, channel: int) -> float:
    found = strongest(maps, usual, len(maps))
    return float(found.excess[found.channels == channel][0])
