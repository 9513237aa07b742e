"""The filters of the first layer."""

import numpy as np

from boda.explanations.filters import first_filters
from boda.pictures.filters import filter_sheet
from boda.pictures.rows import titled
from boda.pictures.wording import number
from boda.pipelines.file_bytes import as_npy, as_png
from boda.pipelines.looking.given import Inside
from boda.pipelines.looking.look import Look, Wanted

_SIDE = 72
_NOTHING = 0.01
"""A filter whose largest weight is below this share of the largest of all does nothing."""


def look_at_filters(inside: Inside, wanted: Wanted) -> Look:
    """Each filter as a picture, on a scale of its own."""
    layer = wanted.layers[0] if wanted.layers else None
    if layer is not None and layer not in dict(inside.network.module.named_modules()):
        inside.network.anatomy.part(layer, None)  # says which layers are near
    found = first_filters(inside.network, layer)
    count, h, w = found.weights.shape[:3]
    largest = np.abs(found.weights).max(axis=(1, 2, 3))
    silent = largest < _NOTHING * largest.max()
    title = f"{inside.name}, layer {found.layer}: {count} filters of {h} x {w} pixels"
    captions = [
        f"{channel}  nothing" if none else f"{channel}  ±{number(float(one), decimals=2)}"
        for channel, (one, none) in enumerate(zip(largest, silent, strict=True))
    ]
    sheet = titled(
        filter_sheet(found.pictures, captions=captions, side=_SIDE),
        f"{title}; grey is 0, and under each its largest weight, to which its colours are scaled",
    )
    words = f"{title}; {silent.sum()} of them do nothing (no weight above {100 * _NOTHING:.0f} % of the largest)"
    record = {
        "layer": found.layer,
        "filters": count,
        "height": h,
        "width": w,
        "silent": np.flatnonzero(silent).tolist(),
        "largest_weight": [float(one) for one in largest],
    }
    return Look({".png": as_png(sheet), ".npy": as_npy(found.weights)}, record, (words,))
