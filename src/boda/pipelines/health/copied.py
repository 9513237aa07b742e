"""Copies in a collection: equal files, and pictures that are nearly the same."""

from collections.abc import Iterator

import numpy as np

from boda.evaluation.groups import join
from boda.health.near_duplicates import Copy, NearDuplicates, Rows, near_duplicates
from boda.health.perceptual_hash import FLAT
from boda.pipelines.health.collection import Collection
from boda.pipelines.health.finding import Finding, Found
from boda.pipelines.health.measuring import Measured, perceived_of

_EVIDENCE = {"hash": "by hash", "features": "by features", "both": "by hash and features"}


def exact_duplicates(collection: Collection) -> Finding:
    """Files with the same bytes, by the digests that the workspace has."""
    same = collection.same_file
    sizes = np.bincount(same)
    images = []
    for group, number in enumerate(np.flatnonzero(sizes > 1), 1):
        first, *others = np.flatnonzero(same == number).tolist()
        key = collection.keys[first]
        images.append(Found(key, f"{len(others) + 1} files with the same bytes", group=group))
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
        Refused: there are neither pixels nor features, or a feature is not finite.
    """
    found = search(collection, collection.distinct, measured, seed=seed)
    rows = collection.distinct
    images = []
    for number, group in enumerate(found.groups, 1):
        middle = collection.keys[int(rows[group.middle])]
        images.append(Found(middle, f"{len(group.copies) + 1} pictures that are nearly the same", group=number))
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
    return near_duplicates(perceived, hashed, collection.features, collection.index[rows], rng=rng)


def _told(found: NearDuplicates) -> Iterator[str]:
    if found.radius is not None and found.strangers is not None:
        mean, spread = found.strangers
        yield (
            f"its perceptual hash, or that of its mirror image, differs in at most {found.radius} of 64 bits (those of "
            f"any two pictures here: {mean:.1f} ± {spread:.1f}; flat ones, with a deviation below {FLAT:g} of 255, "
            "have none)"
        )
    if found.likeness is not None:
        yield f"the cosine of its features, less the mean of all, is at least {found.likeness:g}"
    if found.radius is None and found.likeness is None:
        yield "nothing that could be used here"


def _reason(copy: Copy) -> str:
    parts = [_EVIDENCE[copy.evidence]]
    if copy.distance is not None:
        parts.append(f"{copy.distance} of 64 bits differ" + (" from the mirror image" if copy.mirrored else ""))
    if copy.likeness is not None:
        parts.append(f"likeness {copy.likeness:.3f}")
    return "; ".join(parts)
