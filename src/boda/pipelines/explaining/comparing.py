"""Which method's maps the scores of these images follow: all methods on the same images, held against the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.checks.checked import Checks
from boda.explanations.checks.ranking import Ranking, rank
from boda.explanations.heat import Heat
from boda.pipelines.explaining.making import How, checks_of, held_against, maps_by, shared_out
from boda.pipelines.explaining.scoring import Group
from boda.pipelines.explaining.stored import differences
from boda.pipelines.explaining.subjects import Subjects
from boda.pipelines.run.meter import OnProgress, Progress

Floats = npt.NDArray[np.float64]


@dataclass
class _Gathered:
    """Of one method: by group its maps and the checks of each, or why there are none."""

    heats: dict[int, tuple[Heat, ...]] = field(default_factory=dict)
    checks: dict[int, tuple[Checks, ...]] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Compared:
    """All methods that could explain the scores, of attention by heads each head, and their ranking."""

    ranking: Ranking
    faithfulness: Mapping[str, Floats]
    """(n,) by method or head, of each subject."""
    centre: Floats
    """(n,) of a blob in the middle."""
    off_stored: Floats | None
    """(n,) how far scores are from those of stored features, in standard deviations; None where nothing is stored."""
    notes: tuple[str, ...]
    """What to mind of the methods."""

    def rows(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """One a subject, for a table."""
        return [
            {"key": key, "centre blob": float(self.centre[place])}
            | {name: float(values[place]) for name, values in self.faithfulness.items()}
            for place, key in enumerate(keys)
        ]


def compare_methods(
    subjects: Subjects, groups: Sequence[Group], methods: Sequence[str], how: How, progress: OnProgress | None
) -> Compared:
    """Explain all images by all methods, check them, and rank the methods.

    Args:
        subjects: the images.
        groups: their scores.
        methods: names.
        how: layer, seed, images a pass.
        progress: hears how many maps are done.

    Raises:
        Refused: no such method, none of them can explain these scores, or a score is not that of the stored features.
    """
    ways = shared_out(how, methods)
    gathered = {method: _Gathered() for method in methods}
    off_stored: dict[int, Floats | None] = {}
    total, done = 2 * len(methods) * len(subjects.keys), 0

    def tell(group: Group) -> None:
        nonlocal done
        done += len(group.rows)
        if progress is not None:
            progress(Progress("explaining", done, total))

    for number, group in enumerate(groups):
        batch = subjects.network.door(subjects.pixels[list(group.rows)])
        for method, one in gathered.items():
            _explain(subjects.network, group, batch, method, ways[method], number, one)
            tell(group)
        made = {method: one.heats[number] for method, one in gathered.items() if not one.refused}
        if not made:
            raise Refused("no method can explain this score: " + "; ".join(one.refused for one in gathered.values()))
        off_stored[number] = differences(group.score, group.rows, next(iter(made.values()))[0].scores, subjects)
        held = held_against(subjects.network, group, batch, made.values(), how)
        for method, heats in made.items():
            way = ways[method]
            gathered[method].checks[number] = checks_of(subjects.network, group, batch, method, heats, held, way)
            tell(group)
    return _ranked(gathered, groups, len(subjects.keys), how.seed, off_stored)


def _explain(
    network: OpenNetwork, group: Group, batch: torch.Tensor, method: str, how: How, number: int, one: _Gathered
) -> None:
    """Its maps, or why there are none."""
    if one.refused:
        return
    try:
        one.heats[number] = maps_by(method, network, group, batch, how)
    except Refused as error:
        one.refused = str(error)


def _ranked(
    gathered: Mapping[str, _Gathered],
    groups: Sequence[Group],
    count: int,
    seed: int,
    off_stored: Mapping[int, Floats | None],
) -> Compared:
    made = _by_name(gathered)

    def whole(parts: Mapping[int, Floats]) -> Floats:
        found = np.empty(count)
        for number, group in enumerate(groups):
            found[list(group.rows)] = parts[number]
        return found

    faithfulness = {
        name: whole({number: one.faithfulness for number, one in checks.items()}) for name, checks in made.items()
    }
    chance = {
        name: whole({number: one.chance_faithfulness.mean(axis=1) for number, one in checks.items()})
        for name, checks in made.items()
    }
    likeness = {
        name: whole({number: one.similarity for number, one in checks.items()}) for name, checks in made.items()
    }
    gaps = {name: both for name, checks in made.items() if (both := _gaps(checks, whole)) is not None}
    first = next(iter(made.values()))
    centre = whole({number: one.centre_faithfulness for number, one in first.items()})
    span = whole({number: one.span for number, one in first.items()})
    refused = {method: one.refused for method, one in gathered.items() if one.refused}
    rng = np.random.default_rng([seed, count])
    ranking = rank(faithfulness, centre, chance, rng=rng, span=span, likeness=likeness, gaps=gaps, refused=refused)
    known = {number: one for number, one in off_stored.items() if one is not None}
    there = (one for one in gathered.values() if not one.refused)
    notes = dict.fromkeys(
        note for one in there for heats in one.heats.values() for heat in heats for note in heat.notes
    )
    return Compared(ranking, faithfulness, centre, whole(known) if known else None, tuple(notes))


def _gaps(
    checks: Mapping[int, Checks], whole: Callable[[Mapping[int, Floats]], Floats]
) -> tuple[Floats, Floats] | None:
    """By how far the maps of a method are off what they promise to add up to, and what the score moved."""
    off = {number: one.gap for number, one in checks.items() if one.gap is not None}
    moved = {number: one.moved for number, one in checks.items() if one.moved is not None}
    return (whole(off), whole(moved)) if len(off) == len(moved) == len(checks) else None


def _by_name(gathered: Mapping[str, _Gathered]) -> dict[str, dict[int, Checks]]:
    """By method, or by head where a method gives several maps, the checks of each group."""
    found: dict[str, dict[int, Checks]] = {}
    for method, one in gathered.items():
        if one.refused:
            continue
        for number, checks in one.checks.items():
            for check in checks:
                found.setdefault(method if len(checks) == 1 else check.method, {})[number] = check
    return found
