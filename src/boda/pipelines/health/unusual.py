"""What stands out in a collection: outliers by features, and pictures of poor quality."""

import numpy as np

from boda.errors import Refused
from boda.health.outliers import FAR, REFERENCE, outliers
from boda.health.quality import Faults, faults
from boda.pipelines.health.collection import Collection
from boda.pipelines.health.finding import Finding, Found
from boda.pipelines.health.measuring import Measured


def outlying(collection: Collection, *, seed: int) -> Finding:
    """Images that are like none of the others.

    Raises:
        Refused: too few of them, or no features.
    """
    rows = collection.distinct
    rows = rows[collection.index[rows] >= 0]
    if collection.features is None:
        raise Refused("outliers are told by features, and there are none")
    found = outliers(collection.features, collection.index[rows], rng=np.random.default_rng([seed, 5]))
    images = tuple(
        Found(collection.keys[int(rows[row])], found.reason(row), float(found.distance[row]))
        for row in found.rows.tolist()
    )
    among = f", among {REFERENCE:,} drawn ones" if len(rows) > REFERENCE else ""
    told = (
        f"the {found.k}th nearest neighbour{among} is further than {found.limit:.2f} (1 less the cosine of features): "
        f"{FAR:g} robust deviations above the median of its logarithm"
    )
    return Finding("outliers", "outliers", images, len(rows), told)


def poor(collection: Collection, measured: Measured | None) -> list[Finding]:
    """Pictures that are blurred, dark, bright, without contrast, tiny, or of an odd shape; each a finding.

    Without pixels only the two last, by the sizes that the workspace knows.
    """
    unknown = np.full(len(collection), np.nan)
    values = {"blur": unknown, "low": unknown, "high": unknown}
    if measured is not None:
        values = {name: np.where(measured.known, measured.facts[name], np.nan) for name in values}
    sizes = {name: collection.sizes(name) for name in ("width", "height")}
    notes = measured.notes if measured is not None else ("the pixels were not looked at",)
    found = []
    for one in faults(values | sizes):
        by_pixels = one.fault not in {"tiny", "odd shape"}
        if measured is None and by_pixels:
            continue
        found.append(_finding(collection, one, notes if by_pixels else ()))
    return found


def _finding(collection: Collection, one: Faults, notes: tuple[str, ...]) -> Finding:
    images = tuple(Found(collection.keys[row], one.reason(row), float(one.values[row])) for row in one.rows.tolist())
    notes = (*notes, *((one.note,) if one.note else ()))
    return Finding(one.fault, "quality", images, int(np.isfinite(one.values).sum()), one.told_by, notes)
