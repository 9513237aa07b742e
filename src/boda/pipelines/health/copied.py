"""Copies in a collection: equal files, and pictures that are nearly the same."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.arrays import Pixels
from boda.errors import Refused
from boda.evaluation.groups import join
from boda.health.cuts import SAME, SIDE, is_cut_out
from boda.health.near_duplicates import ALIKE, Copy, NearDuplicates, Rows, near_duplicates
from boda.health.perceptual_hash import FLAT
from boda.health.standing_out import GAP, LEAST, OTHER
from boda.pipelines.health.collection import Collection
from boda.pipelines.health.finding import Finding, Found
from boda.pipelines.health.measuring import Measured, perceived_of
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.sources.base import Source

_PAPER = 255  # what thumbnails have around a picture
_EVIDENCE = {"hash": "by hash", "features": "by features", "both": "by hash and features"}


def exact_duplicates(collection: Collection) -> Finding:
    """Files with the same bytes, by the digests that the workspace has."""
    same = collection.same_file
    sizes = np.bincount(same)
    images = []
    for group, number in enumerate(np.flatnonzero(sizes > 1), 1):
        first, *others = np.flatnonzero(same == number).tolist()
        key = collection.keys[first]
        images.append(Found(key, f"the first of {len(others) + 1} equal files", group=group))
        images += [
            Found(collection.keys[row], "the same bytes as the first", group=group, details={"of": key})
            for row in others
        ]
    return Finding(
        "exact duplicates", "duplicates", tuple(images), len(collection), "files with the same bytes, by SHA-256"
    )


def near_copies(collection: Collection, measured: Measured | None, *, seed: int) -> tuple[Finding, Rows]:
    """Distinct files that show nearly the same picture; and (n,) groups of all rows, equal files and near copies.

    Raises:
        Refused: there are neither pixels nor features, none that could tell copies, or a feature is not finite.
    """
    found = search(collection, collection.distinct, measured, seed=seed)
    if found.reach is None and found.likeness is None:
        raise Refused(f"near duplicates were not looked for: {'; '.join(found.notes) or 'there are no pixels'}")
    rows = collection.distinct
    images = []
    for number, group in enumerate(found.groups, 1):
        middle = collection.keys[int(rows[group.middle])]
        images.append(Found(middle, f"the first of {len(group.copies) + 1}", group=number))
        for copy in group.copies:
            details = {
                "of": middle,
                "evidence": copy.evidence,
                "distance": copy.distance,
                "mirrored": copy.mirrored,
                "likeness": copy.likeness,
            }
            images.append(Found(collection.keys[int(rows[copy.row])], _reason(copy), group=number, details=details))
    told = "each is near the first of its group: " + " or ".join(_told(found))
    notes = (*(measured.notes if measured is not None else ()), *found.notes)
    finding = Finding("near duplicates", "duplicates", tuple(images), len(rows), told, notes)
    return finding, join(collection.same_file, found.numbers(len(rows))[collection.same_file])


def search(collection: Collection, rows: Rows, measured: Measured | None, *, seed: int) -> NearDuplicates:
    """Near duplicates among these rows, which are of distinct files; places in `rows` stand for images."""
    perceived, hashed = None, np.zeros(0, np.int64)
    if measured is not None:
        hashed = np.flatnonzero(measured.known[rows])
        perceived = perceived_of(measured.facts[rows[hashed]])
    rng = np.random.default_rng([seed, 4])
    source = source_of(collection.workspace)

    def is_cut(pairs: Rows) -> npt.NDArray[np.bool_]:
        assert source is not None
        greys = _greys(collection, source, rows[np.unique(pairs)])
        looked = [(greys.get(int(rows[one])), greys.get(int(rows[two]))) for one, two in pairs.tolist()]
        return np.array([one is not None and two is not None and is_cut_out(one, two) for one, two in looked], bool)

    looking = is_cut if source is not None else None
    return near_duplicates(perceived, hashed, collection.features, collection.index[rows], rng=rng, is_cut=looking)


def _greys(collection: Collection, source: Source, rows: Rows) -> dict[int, Pixels]:
    """(h, w) small grey pictures of the images that can be shown, by their rows."""
    refs = list(collection.workspace.refs([collection.keys[row] for row in rows]).values())
    found = {}
    for row, square in zip(rows.tolist(), thumbnails(source, refs, SIDE, collection.recipe), strict=True):
        if isinstance(square, Image.Image):
            grey = np.asarray(square.convert("L"))
            inside = [np.flatnonzero((grey != _PAPER).any(axis=axis)) for axis in (1, 0)]
            if all(len(one) for one in inside):
                found[row] = grey[inside[0][0] : inside[0][-1] + 1, inside[1][0] : inside[1][-1] + 1]
    return found


def _told(found: NearDuplicates) -> Iterator[str]:
    reach = found.reach
    if reach is not None and reach.alone >= 0:
        yield (
            f"its perceptual hash, or that of its mirror image, differs in at most {reach.alone} of 64 bits (those of "
            f"any two pictures here: {reach.mean:.1f} ± {reach.spread:.1f}; flat ones, with a deviation below {FLAT:g} "
            "of 255, have none)"
        )
    if found.likeness is not None:
        yield (
            f"its likeness, the cosine of features less the mean of all, is at least {found.likeness:g}, or at least "
            f"{LEAST:g} and by {GAP:g} more than that of either to its {OTHER}th nearest, and the one is found inside "
            f"the other with a correlation of {SAME:g}"
        )
    if reach is not None and found.likeness is not None:
        yield f"both are near: at most {reach.with_features} bits, and at least {ALIKE:g}"


def _reason(copy: Copy) -> str:
    parts = [_EVIDENCE[copy.evidence]]
    if copy.distance is not None:
        parts.append(f"{copy.distance} of 64 bits differ" + (" from the mirror image" if copy.mirrored else ""))
    if copy.likeness is not None:
        parts.append(f"likeness {copy.likeness:.3f}")
    return "; ".join(parts)
