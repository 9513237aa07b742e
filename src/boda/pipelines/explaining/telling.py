"""What the page of an explanation says: of which score, by which method, and how good its maps are."""

from collections.abc import Sequence

import numpy as np

from boda.counted import counted
from boda.explanations.checks.checked import Checks
from boda.explanations.contributions import Contributions
from boda.explanations.methods import method_named
from boda.keys import shown
from boda.pictures.contributions import contributions_picture
from boda.pictures.deletion_curves import Panel, Traced, curves_picture
from boda.pictures.page import Figure, figure
from boda.pictures.wording import number
from boda.pipelines.explaining.asked import Asked
from boda.pipelines.explaining.making import Made
from boda.pipelines.explaining.subjects import Subjects
from boda.recipe import Recipe

HOW_TO_READ = (
    "A map says which places moved this score of this network, not what is in the picture, nor why it is there.",
    "Deletion hides what a map marks first and reads the score on the way; insertion shows it first.",
    "A map that is no better than random ones, or than a blob in the middle of the picture, has shown nothing.",
)


def title_of(asked: Asked, made: Sequence[Made]) -> str:
    """The score, where all images have one."""
    titles = list(dict.fromkeys(one.group.score.title for one in made))
    if len(titles) == 1:
        return titles[0]
    return "The likeliest class of each image" if asked.kind in {"class", "head"} else "The cluster of each image"


def lead_of(subjects: Subjects, made: Sequence[Made]) -> str:
    """How many images, of how many, and what stands beside them."""
    count = len(subjects.keys)
    drawn = f", drawn at random from {subjects.of:,}" if subjects.of > count + len(subjects.unseen) else ""
    trust = _TRUST if any(one.checks for one in made) else _UNCHECKED
    return f"{counted(count, 'image')}{drawn}, as {shown(subjects.network.name)} sees them. {trust}"


_TRUST = "Beside each map stands what hiding and showing the places it marks does to the score."
_UNCHECKED = "These maps were not checked: nothing here says whether they are right."


def facts_of(subjects: Subjects, made: Sequence[Made]) -> list[tuple[str, str]]:
    """Score, method with its paper, layer, encoder."""
    methods = dict.fromkeys(one.method for one in made)
    layers = dict.fromkeys(heat.layer for one in made for heat in one.heats if heat.layer)
    recipe: Recipe = subjects.network.recipe
    return [
        ("score", "; ".join(dict.fromkeys(one.group.score.title for one in made))),
        ("method", "; ".join(f"{method_named(one).title} ({method_named(one).source})" for one in methods)),
        ("layer", ", ".join(layers) or "none: at the pixels"),
        ("encoder", f"{shown(recipe.name)} ({recipe.id})"),
    ]


def figures_of(made: Sequence[Made]) -> list[tuple[str, str, str]]:
    """How many maps of each method, or of each head, are better than chance and than a blob in the middle."""
    by_title: dict[str, list[tuple[bool, bool]]] = {}
    for one in made:
        for title, checks in zip(one.titles, one.checks, strict=False):
            said = [(checks.beats_centre(place), checks.beats_chance(place)) for place in range(len(one.group.rows))]
            by_title.setdefault(title, []).extend(said)
    found = []
    for title, verdicts in by_title.items():
        good, chance = (sum(column) for column in zip(*verdicts, strict=True))
        found.append(
            (
                f"{title}: better than a blob in the middle",
                f"{good} of {len(verdicts)}",
                f"better than chance: {chance} of {len(verdicts)}, of random maps 1 in 10",
            )
        )
    return found


def notices_of(made: Sequence[Made]) -> list[str]:
    """What is to be read first."""
    blind = [
        method_named(one).title for one in dict.fromkeys(one.method for one in made) if not method_named(one).of_score
    ]
    return [f"{name} is the same whichever score is asked for: it explains no class." for name in blind]


def moves_drawn(moved: Sequence[Contributions | None], keys: Sequence[str]) -> list[Figure]:
    """Of heads with several inputs: what the image and each number added."""
    found = []
    for key, one in zip(keys, moved, strict=False):
        if one is not None:
            drawn = contributions_picture(list(one.names), one.values[0], one.base, float(one.scores[0]), one.unit)
            found.append(figure(drawn, f"{shown(key)}: how much each input moved {one.title}"))
    return found


def curves_drawn(made: Sequence[Made]) -> list[Figure]:
    """By method, the mean curves over all images whose score has one unit, beside chance and a blob in the middle.

    Of attention by heads the mean is over the heads too.
    """
    by_method: dict[str, list[Checks]] = {}
    heads: dict[str, int] = {}
    for one in made:
        if one.checks:
            by_method.setdefault(one.method, []).extend(one.checks)
            heads[one.method] = len(one.checks)
    found = []
    for method, checks in by_method.items():
        if len({one.unit for one in checks}) != 1:
            continue
        images = sum(len(one.similarity) for one in checks) // heads[method]
        mean = f"{images:,} images" + (f" and {heads[method]} heads" if heads[method] > 1 else "")
        panels = [
            Panel(
                title,
                [
                    _traced(method_named(method).title, [getattr(one.curves, kind) for one in checks], checks),
                    _traced("a blob in the middle", [getattr(one.centre, kind) for one in checks], checks),
                    _traced("random maps", [getattr(c, kind) for one in checks for c in one.chance], checks),
                ],
                across,
            )
            for kind, title, across in (
                ("deletion", "Deletion: lower is better", "share of the image hidden"),
                ("insertion", "Insertion: higher is better", "share of the image shown"),
            )
        ]
        drawn = curves_picture(panels, unit=checks[0].unit)
        found.append(figure(drawn, f"{method_named(method).title}: the mean score of {mean} on the way"))
    return found


def _traced(name: str, curves: Sequence[np.ndarray], checks: Sequence[Checks]) -> Traced:
    mean, shares = np.concatenate(curves).mean(axis=0), checks[0].curves.shares
    area = float((np.diff(shares) * (mean[1:] + mean[:-1]) / 2).sum())
    return Traced(name, shares, mean, number(area))
