"""The sections of the demonstration's page, from what was really found. Every figure comes from the run."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boda.keys import shown
from boda.pictures.page import (
    Block,
    Commands,
    Facts,
    Gallery,
    Measure,
    Measures,
    Numbers,
    Ranked,
    Section,
    Table,
    Words,
)
from boda.pipelines.demonstration.accuracy import LeaveOneOut, Share
from boda.pipelines.demonstration.album import Album
from boda.retrieval.search import similar

if TYPE_CHECKING:
    from boda.recipe import Recipe
    from boda.workspace.features import FeatureSet
    from boda.workspace.records import Quarantined

NEIGHBOURS = 6
_MISTAKES = 6
_ALL_USED = "Nothing: every image could be used. One that could not would stand here, with the reason."


@dataclass(frozen=True, slots=True)
class Run:
    """What the embed run answered for."""

    listed: int
    embedded: int
    quarantined: int
    skipped: int
    images_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, what it is compared with, and the images it was made on."""

    found: LeaveOneOut
    pixels: Share
    """The same by bare pixels instead of features."""
    keys: Sequence[str]
    labels: Sequence[str]
    what: str
    """Of what, in the plural: "digits"."""


def numbers_section(run: Run) -> Section:
    """What was done, in counts that add up."""
    figures = [
        (f"{run.listed:,}", "images listed"),
        (f"{run.embedded:,}", "embedded"),
        (f"{run.quarantined:,}", "quarantined"),
    ]
    words = (
        f"{run.listed:,} listed = {run.embedded:,} embedded + {run.quarantined:,} quarantined: "
        f"every image is accounted for."
    )
    if run.skipped:
        words += f" {run.skipped:,} had their features from an earlier run and were not computed again."
    if run.embedded > run.skipped:
        figures += [(f"{run.images_per_s:.0f}", "images a second"), (f"{run.seconds:.0f} s", "from files to features")]
    return Section("What was done", [Numbers(figures), Words(words)])


def draw_queries(kinds: Sequence[str | None], each: int, rng: np.random.Generator) -> dict[str, list[int]]:
    """So many rows of each kind, drawn at random.

    Args:
        kinds: of each row; None for rows that are of none.
        each: rows of a kind; fewer where it has not so many.
        rng: draws them.
    """
    rows: dict[str, list[int]] = {}
    for row, kind in enumerate(kinds):
        if kind is not None:
            rows.setdefault(kind, []).append(row)
    return {
        kind: [int(row) for row in rng.choice(rows[kind], min(each, len(rows[kind])), replace=False)]
        for kind in sorted(rows)
    }


def neighbours_section(
    features: "FeatureSet",
    album: Album,
    queries: Mapping[str, Sequence[int]],
    classes: Sequence[str],
    names: Sequence[str],
) -> Section:
    """Each query with its nearest neighbours among all images.

    Args:
        features: what is searched.
        album: shows the images.
        queries: rows of the feature set, by kind.
        classes: (n,) a neighbour of another class than the query's is marked.
        names: (n,) what stands under each image.
    """
    words = (
        f"On the left an image, drawn by lot and not chosen; beside it, of all {len(features.keys) - 1:,} others, the "
        f"{NEIGHBOURS} whose features point most nearly in its direction. The figure is the likeness: the cosine of "
        f"the angle, 1 where the directions are the same. The search is exact. A red line says: another class."
    )
    blocks: list[Block] = [Words(words)]
    for row in (row for rows in queries.values() for row in rows):
        found = similar(features, features.array[row], NEIGHBOURS, exclude=row)
        hits = [
            album.picture(key, names[hit], f"{likeness:.3f}", differs=classes[hit] != classes[row])
            for key, hit, likeness in zip(found.keys, found.rows, found.likeness, strict=True)
        ]
        blocks.append(Ranked(album.picture(features.keys[row], names[row], "query", side=192), hits))
    return Section("Which images are alike", blocks)


def accuracy_section(scored: Scored, album: Album, rng: np.random.Generator) -> Section:
    """The score with its interval, beside what costs nothing, and some of the mistakes."""
    found, total = scored.found, scored.found.accuracy.total
    largest = Counter(scored.labels).most_common(1)[0][0]
    measures = [
        measure("nearest neighbour, features", found.accuracy),
        measure("nearest neighbour, bare pixels", scored.pixels, baseline=True),
        measure(f"always “{largest}”", found.baseline, baseline=True),
    ]
    blocks: list[Block] = [
        Words(
            f"Each of the {total:,} {scored.what} gets the class of its nearest neighbour among the other "
            f"{total - 1:,}. Nothing was trained. A score never stands alone here: in brackets its 95 % interval "
            f"(Wilson), below it what the images’ own 16 × 16 pixels give in the same way, and what always answering "
            f"with a largest class gives."
        ),
        Measures(measures),
        Words(verdict(found.accuracy, scored.pixels, scored.what)),
    ]
    if found.wrong:
        drawn = [int(row) for row in rng.choice(found.wrong, min(_MISTAKES, len(found.wrong)), replace=False)]
        pairs = []
        for row in drawn:
            other = int(found.nearest[row])
            pairs += [
                album.picture(scored.keys[row], scored.labels[row]),
                album.picture(scored.keys[other], scored.labels[other], differs=True),
            ]
        text = (
            f"{len(drawn)} of the {len(found.wrong):,} mistakes, drawn by lot: an image, and the neighbour it fell for."
        )
        blocks += [Words(text), Gallery(pairs, pairs=True)]
    return Section(f"How far to trust it: {scored.what}", blocks)


def measure(name: str, share: Share, *, baseline: bool = False) -> Measure:
    """A share as a bar with its interval."""
    low, high = share.interval
    return Measure(name, share.value, low, high, str(share), baseline)


def verdict(features: Share, pixels: Share, what: str) -> str:
    """Which of the two is better, if the intervals are apart."""
    if features.interval[0] > pixels.interval[1]:
        return f"The network’s features tell these {what} apart better than their pixels do."
    if pixels.interval[0] > features.interval[1]:
        return (
            f"Here bare pixels do better than the network, which has seen photographs and nothing like these {what}. "
            f"A network is not the answer to every question, and boda says so."
        )
    return (
        f"On these {what} the intervals of features and pixels overlap: as they are, with nothing trained on top, the "
        f"features are not shown to be better."
    )


def quarantine_section(quarantined: Sequence["Quarantined"], words: str) -> Section:
    """Every image that could not be used, and why; `words` are said over them."""
    rows = [
        (shown(one.key), f"{one.unreadable.stage}/{one.unreadable.code}", shown(one.unreadable.reason))
        for one in quarantined
    ]
    blocks: list[Block] = [Words(words), Table(("image", "stage/code", "reason"), rows)] if rows else [Words(_ALL_USED)]
    return Section("What could not be used", blocks)


def recipe_section(recipe: "Recipe", width: int) -> Section:
    """What the numbers mean, in words."""
    facts = [
        ("encoder", f"{recipe.name or recipe.architecture} ({recipe.architecture})"),
        ("weights", f"SHA-256 {recipe.weights[:16]}…" if recipe.weights else "none: computed by a fixed rule"),
        ("output", f"layer “{recipe.layer}”: {width:,} numbers an image, stored as {recipe.dtype}"),
        ("precision", recipe.precision),
    ]
    if recipe.pixels is not None:
        pixels = recipe.pixels
        size = "as it is" if pixels.resize is None else _sized(pixels.resize)
        crop = f", then the middle {pixels.crop[1]} × {pixels.crop[0]}" if pixels.crop else ""
        facts.append(("pixels", f"upright, sRGB; {size} ({pixels.filter}){crop}"))
        large = "at a fraction of their size where that is ample" if pixels.decoder == "scaled" else "at full size"
        facts.append(("decoder", f"large JPEGs are decoded {large}"))
    facts += [("licence", recipe.licence)] if recipe.licence else []
    facts.append(("recipe", recipe.id))
    words = "Features carry their recipe: all that changes the numbers. What does not match it is refused, not guessed."
    return Section("What the numbers mean", [Words(words), Facts(facts)])


def _sized(resize: int | tuple[int, int]) -> str:
    return f"short side {resize}" if isinstance(resize, int) else f"{resize[1]} × {resize[0]}"


def next_section(workspace: str, key: str, head: str) -> Section:
    """Commands to go on with.

    Args:
        workspace: as it is written on a command line.
        key: of an image to search with.
        head: that was trained.
    """
    lines = (
        f"boda info {workspace}",
        f"boda search {workspace} --row {shlex.quote(shown(key))} -k 20",
        f"boda evaluate {workspace} --head {shlex.quote(head)}",
        f"boda predict {workspace} --head {shlex.quote(head)} --to predictions.csv",
        f"boda quarantine {workspace} list",
        f"boda export {workspace} --to features.parquet",
        "boda embed your-own-photos/",
    )
    return Section(
        "Go on",
        [Words("All of it can be asked again on the command line, and done with other images."), Commands(lines)],
    )
