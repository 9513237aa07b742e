"""Saying: tables of what was looked at, from the records that explaining and ranking left."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boda.explanations.checks.checked import BEST
from explained.attending import Sums
from runs.receipt import table

_HEADER = (
    "method", "insertion less deletion", "above the blob", "above chance", "of single maps", "like random weights",
    "completeness gap",
)  # fmt: skip


def part_table(found: Mapping[str, Any]) -> str:
    """One line a method, the best first: ranked on many images, and what the checks of a few say."""
    ranking = found["ranking"]
    if ranking is None:
        return ""
    shown = _checks(found["explained"])
    lines = [
        [
            one["method"],
            _interval(one["faithfulness"]),
            _interval(one["over_centre"], "+"),
            _interval(one["over_chance"], "+"),
            *_of_shown(shown.get(one["method"], [])),
        ]
        for one in ranking["standings"]
    ]
    known = {one["method"] for one in ranking["standings"]}
    lines += [[method, "", "", "", *_of_shown(checks)] for method, checks in shown.items() if method not in known]
    return table(_HEADER, lines)


def part_words(found: Mapping[str, Any]) -> str:
    """What was asked of how many, what the ranking says, and how far scores are from those that are stored."""
    ranking, images = found["ranking"], found["explained"]["images"]
    units = ", ".join(dict.fromkeys(one["unit"] for one in images))
    apart = [one["off_stored"] for one in images if one["off_stored"] is not None]
    if ranking is None:
        lines = [f"{len(images)} images explained ({units}), maps alone, without checks."]
    else:
        words, *rest = ranking["words"]
        centre = _interval(ranking["centre"])
        asked = f"{len(images)} images explained, {ranking['images']} ranked ({units})."
        lines = [f"{asked} The blob's insertion less deletion is {centre}. **{words[0].upper()}{words[1:]}.**"]
        lines += [f"{line[0].upper()}{line[1:]}." for line in rest if line.startswith("not shown")]
    if apart:
        lines.append(f"At most {max(apart):.1e} standard deviations from the stored scores.")
    return " ".join(lines) + "\n"


def refusals(found: Mapping[str, Any]) -> dict[str, str]:
    """Methods that could not explain the score, and why."""
    return {} if found["ranking"] is None else dict(found["ranking"]["refused"])


def moved_table(found: Mapping[str, Any]) -> str:
    """Of a head with several inputs: what each moved the score of each image; "" of others."""
    images = [one for one in found["explained"]["images"] if "moved" in one]
    if not images:
        return ""
    names = list(images[0]["moved"]["inputs"])
    lines = [
        [
            f"`{one['key']}`",
            f"{one['value']:.3f}",
            f"{one['moved']['base']:.3f}",
            *(f"{one['moved']['inputs'][name]:+.3f}" for name in names),
        ]
        for one in images
    ]
    return table(["image", "score", "mean score", *names], lines)


def sums_table(found: Sequence[Sums]) -> str:
    """Shapes of the maps of attention, and what they add up to."""
    lines = [
        [one.method, " x ".join(map(str, one.shape)), one.of, f"{one.least:.7g} to {one.most:.7g}"] for one in found
    ]
    return table(["maps", "shape", "added up", "least to most"], lines)


def _checks(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """By method, those of each image."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for image in record["images"]:
        for one in image["maps"]:
            found.setdefault(one["method"], []).append(one["checks"])
    return found


def _of_shown(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many maps beat chance and blob; the mean likeness to maps of random weights; the gap as a share."""
    if not checks:
        return ["", "", ""]
    good = sum(one["verdict"] == BEST for one in checks)
    alike = [one["similarity_to_random_weights"] for one in checks]
    known = [one for one in alike if one is not None]
    moved = sum(abs(one["completeness_of"] or 0.0) for one in checks)
    gap = sum(abs(one["completeness_gap"] or 0.0) for one in checks)
    return [
        f"{good} of {len(checks)}",
        f"{np.mean(known):.2f}" if known else "",
        f"{100 * gap / moved:.2g} %" if moved else "",
    ]


def _interval(found: Mapping[str, Any], sign: str = "") -> str:
    return f"{found['value']:{sign}.2f} ({found['low']:{sign}.2f} to {found['high']:{sign}.2f})"
