"""Copies in a collection: equal files, pictures that are nearly the same, and those that only look so at first."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.arrays import Pixels
from boda.errors import Refused
from boda.evaluation.groups import join
from boda.health.cuts import BACKED, HASHED, SAME, SIDE, best_correlation
from boda.health.evidence import Copy, Evidence, Group
from boda.health.near_duplicates import ALIKE, NearDuplicates, Rows, near_duplicates
from boda.health.perceptual_hash import FLAT
from boda.health.standing_out import GAP, LEAST, OTHER
from boda.pipelines.health.collection import Collection
from boda.pipelines.health.finding import Finding, Found
from boda.pipelines.health.measuring import Measured, perceived_of
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.sources.base import Source

_PAPER = 255  # what thumbnails have around a picture
_EVIDENCE: dict[Evidence, str] = {"hash": "by hash", "features": "by features", "both": "by hash and features"}


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


def near_copies(collection: Collection, measured: Measured | None, *, seed: int) -> tuple[list[Finding], Rows]:
    """Distinct files that show nearly the same picture; and (n,) groups of all rows, equal files and near copies.

    The first finding is of near duplicates; the second of what looks so by hash or features, and not by its pixels.

    Raises:
        Refused: there are neither pixels nor features, none that could tell copies, or a feature is not finite.
    """
    rows = collection.distinct
    found = search(collection, rows, measured, seed=seed)
    if found.reach is None and found.likeness is None:
        raise Refused(f"near duplicates were not looked for: {'; '.join(found.notes) or 'there are no pixels'}")
    notes = (*(measured.notes if measured is not None else ()), *found.notes)
    told = (
        f"each is near the first of its group: {' or '.join(_told(found))}; and the pixels confirm it: the one, or its "
        f"mirror image, is found inside the other with a correlation of {HASHED:g} where the hash tells, {BACKED:g} "
        f"where features are alike too, and where these alone tell {SAME:g}, clearly more than inside its look-alikes"
    )
    unlike = (
        "each is near the first of its group in one of these ways, and the pixels do not confirm that they are one "
        "picture: no copies"
    )
    return [
        _finding("near duplicates", collection, rows, found.groups, told, notes),
        _finding("look-alikes", collection, rows, found.look_alikes, unlike, ()),
    ], join(collection.same_file, found.numbers(len(rows))[collection.same_file])


def _finding(
    name: str, collection: Collection, rows: Rows, groups: Sequence[Group], told: str, notes: tuple[str, ...]
) -> Finding:
    images = []
    for number, group in enumerate(groups, 1):
        middle = collection.keys[int(rows[group.middle])]
        images.append(Found(middle, f"the first of {len(group.copies) + 1}", group=number))
        for copy in group.copies:
            details = {
                "of": middle,
                "evidence": copy.evidence,
                "distance": copy.distance,
                "mirrored": copy.mirrored,
                "likeness": copy.likeness,
                "correlation": copy.correlation,
            }
            images.append(Found(collection.keys[int(rows[copy.row])], _reason(copy), group=number, details=details))
    return Finding(name, "duplicates", tuple(images), len(rows), told, notes)


def search(collection: Collection, rows: Rows, measured: Measured | None, *, seed: int) -> NearDuplicates:
    """Near duplicates among these rows, which are of distinct files; places in `rows` stand for images."""
    perceived, hashed = None, np.zeros(0, np.int64)
    if measured is not None:
        hashed = np.flatnonzero(measured.known[rows])
        perceived = perceived_of(measured.facts[rows[hashed]])
    rng = np.random.default_rng([seed, 4])
    source = source_of(collection.workspace)
    looking = None if source is None else _Looking(collection, source, rows)
    return near_duplicates(perceived, hashed, collection.features, collection.index[rows], rng=rng, correlated=looking)


class _Looking:
    """Correlates pictures, each of which is decoded once."""

    def __init__(self, collection: Collection, source: Source, rows: Rows) -> None:
        self._collection, self._source, self._rows = collection, source, rows
        self._greys: dict[int, Pixels | None] = {}

    def __call__(self, pairs: Rows) -> npt.NDArray[np.float64]:
        """(p,) best correlation of pairs (p, 2) of places in `rows`; NaN where one cannot be shown."""
        self._read([place for place in np.unique(pairs).tolist() if place not in self._greys])
        greys = [(self._greys[one], self._greys[two]) for one, two in pairs.tolist()]
        found = [np.nan if one is None or two is None else best_correlation(one, two) for one, two in greys]
        return np.array(found, np.float64)

    def _read(self, places: Sequence[int]) -> None:
        """Small grey pictures, without what a thumbnail has around them."""
        keys = [self._collection.keys[int(self._rows[place])] for place in places]
        refs = list(self._collection.workspace.refs(keys).values())
        squares = thumbnails(self._source, refs, SIDE, self._collection.recipe)
        for place, square in zip(places, squares, strict=True):
            self._greys[place] = _inside(square) if isinstance(square, Image.Image) else None


def _inside(square: Image.Image) -> Pixels | None:
    """(h, w) what is no paper; None where nothing is."""
    grey = np.asarray(square.convert("L"))
    inside = [np.flatnonzero((grey != _PAPER).any(axis=axis)) for axis in (1, 0)]
    if not all(len(one) for one in inside):
        return None
    return grey[inside[0][0] : inside[0][-1] + 1, inside[1][0] : inside[1][-1] + 1]


def _told(found: NearDuplicates) -> Iterator[str]:
    reach = found.reach
    if reach is not None and reach.alone >= 0:
        yield (
            f"its perceptual hash, or that of its mirror image, differs in at most {reach.alone} of 64 bits (those of "
            f"any two pictures here in {reach.mean:.1f} ± {reach.spread:.1f}; flat ones, with a deviation below "
            f"{FLAT:g} of 255, have none)"
        )
    if found.likeness is not None:
        near = f", or at least {ALIKE:g} where at most {reach.with_features} bits differ" if reach is not None else ""
        yield (
            f"its likeness, the cosine of features less the mean of all, is at least {found.likeness:g}{near}, or at "
            f"least {LEAST:g} and by {GAP:g} more than that of either to its {OTHER}th nearest"
        )


def _reason(copy: Copy) -> str:
    parts = [_EVIDENCE[copy.evidence]] if copy.evidence is not None else []
    if copy.distance is not None:
        parts.append(f"{copy.distance} of 64 bits differ" + (" from the mirror image" if copy.mirrored else ""))
    if copy.likeness is not None:
        parts.append(f"likeness {copy.likeness:.3f}")
    if copy.correlation is not None:
        parts.append(f"correlation {copy.correlation:.2f}")
    else:
        parts.append("pixels not compared")
    return "; ".join(parts)
