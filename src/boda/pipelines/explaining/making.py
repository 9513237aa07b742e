"""Maps of groups of images, each with its checks."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from boda.encoders.opened import OpenNetwork
from boda.errors import Refused
from boda.explanations.baselines import NamedBaseline
from boda.explanations.checks.against import Against, against
from boda.explanations.checks.checked import Checks, checked_against
from boda.explanations.checks.settings import Settings
from boda.explanations.heat import Heat
from boda.explanations.methods import explained_each, method_named
from boda.pipelines.explaining.scoring import Group
from boda.pipelines.explaining.stored import differences
from boda.pipelines.explaining.subjects import Subjects
from boda.pipelines.run.meter import OnProgress, Progress


@dataclass(frozen=True, slots=True)
class How:
    """What is asked of all groups alike."""

    layer: str | None
    baseline: NamedBaseline | None
    check: bool
    seed: int
    at_once: int


def shared_out(how: How, methods: Sequence[str]) -> dict[str, How]:
    """What each of several methods is given: layer and baseline go to those that take one, where any does."""
    known = {name: method_named(name) for name in methods}
    layered, compares = any(one.layered for one in known.values()), any(one.compares for one in known.values())
    return {
        name: replace(
            how,
            layer=how.layer if one.layered or not layered else None,
            baseline=how.baseline if one.compares or not compares else None,
        )
        for name, one in known.items()
    }


@dataclass(frozen=True, eq=False)
class Made:
    """What one method says of one group."""

    method: str
    group: Group
    heats: tuple[Heat, ...]
    """One, or one a head of attention."""
    differences: npt.NDArray[np.float64] | None
    """(n,) how far scores are from those of stored features, in standard deviations; None where nothing is stored."""
    checks: tuple[Checks, ...]
    """One a heat; () where none was asked for."""

    @property
    def titles(self) -> tuple[str, ...]:
        """One a heat: that of the method, or which head it is."""
        alone = len(self.heats) == 1
        return tuple(method_named(self.method).title if alone else heat.method.capitalize() for heat in self.heats)

    def verdict(self, place: int) -> str:
        """In a few words, of one image of the group: what the checks say, of several maps how many are good."""
        if not self.checks:
            return ""
        if len(self.checks) == 1:
            return self.checks[0].verdict(place)
        good = sum(one.beats_chance(place) for one in self.checks)
        best = sum(one.beats_centre(place) for one in self.checks)
        worse = sum(one.below_chance(place) for one in self.checks)
        said = (
            f"{good} better than chance, {best} of them also than a blob in the middle"
            if good
            else "none better than chance"
        )
        return f"{len(self.checks)} maps: {said}" + (f", {worse} worse" if worse else "")


def make(
    subjects: Subjects, groups: Sequence[Group], methods: Sequence[str], how: How, progress: OnProgress | None
) -> tuple[list[Made], dict[str, str]]:
    """Every method of every group, the groups in order.

    Returns:
        The maps; and of several methods those that cannot explain one of the scores, which are left out, with the
        reason.

    Raises:
        Refused: no method can explain the scores, or a score is not that of the stored features.
    """
    refused: dict[str, str] = {}
    ways = shared_out(how, methods)
    heats = [_heats(subjects, group, ways, refused) for group in groups]
    left = [method for method in methods if method not in refused]
    if not left:
        raise Refused("; ".join(refused.values()))
    total = len(left) * len(subjects.keys)
    made: list[Made] = []
    for group, every in zip(groups, heats, strict=True):
        batch = subjects.network.door(subjects.pixels[list(group.rows)])
        found = {method: every[method] for method in left}
        apart = differences(group.score, group.rows, found[left[0]][0].scores, subjects)
        checks = _checks(subjects.network, group, batch, found, ways) if how.check else {}
        made += [Made(method, group, maps, apart, checks.get(method, ())) for method, maps in found.items()]
        if progress is not None:
            progress(Progress("explaining", sum(len(one.group.rows) for one in made), total))
    return made, refused


def _heats(
    subjects: Subjects, group: Group, ways: Mapping[str, How], refused: dict[str, str]
) -> dict[str, tuple[Heat, ...]]:
    """By method, of those that no group before refused; a refusal is put among the others."""
    batch = subjects.network.door(subjects.pixels[list(group.rows)])
    found: dict[str, tuple[Heat, ...]] = {}
    for method, how in ways.items():
        if method not in refused:
            try:
                found[method] = maps_by(method, subjects.network, group, batch, how)
            except Refused as error:
                refused[method] = str(error)
    return found


def maps_by(
    method: str, network: OpenNetwork, group: Group, batch: torch.Tensor, how: How, layer: str | None = None
) -> tuple[Heat, ...]:
    """The maps of one method, of any network; the same noise each time.

    Args:
        method: by its name.
        network: the opened one, or the same with other weights.
        group: of the images.
        batch: (n, 3, h, w), their pixels.
        how: seed, images a pass, and the layer where one is named.
        layer: in its place.

    Raises:
        Refused: the method cannot explain the score.
    """
    drawn = torch.Generator().manual_seed(how.seed)
    return explained_each(
        network, group.score, batch, method,
        layer=layer or how.layer, baseline=how.baseline, at_once=how.at_once, generator=drawn,
    )  # fmt: skip


def checks_of(
    network: OpenNetwork,
    group: Group,
    batch: torch.Tensor,
    method: str,
    heats: tuple[Heat, ...],
    held: Against,
    how: How,
) -> tuple[Checks, ...]:
    """The checks of one method's maps, one a heat: of the map itself, and of that of random weights, same layer."""
    layer = heats[0].layer if method_named(method).layered else None

    @functools.cache
    def of(untaught: OpenNetwork) -> tuple[Heat, ...]:
        return maps_by(method, untaught, group, batch, how, layer)

    def check(place: int) -> Checks:
        rng = np.random.default_rng([how.seed, 1, *group.rows])
        return checked_against(
            network, group.score, batch, heats[place], lambda untaught: of(untaught)[place], held, rng=rng
        )

    return tuple(map(check, range(len(heats))))


def held_against(
    network: OpenNetwork, group: Group, batch: torch.Tensor, heats: Iterable[tuple[Heat, ...]], how: How
) -> Against:
    """What the maps of all methods are held against: random maps as coarse as each, a blob in the middle."""
    places = [(one.maps.shape[1], one.maps.shape[2]) for several in heats for one in several]
    rng = np.random.default_rng([how.seed, *group.rows])
    settings = Settings(at_once=how.at_once)
    return against(network, group.score, batch, places, rng=rng, settings=settings)


def _checks(
    network: OpenNetwork,
    group: Group,
    batch: torch.Tensor,
    heats: Mapping[str, tuple[Heat, ...]],
    ways: Mapping[str, How],
) -> dict[str, tuple[Checks, ...]]:
    """By method."""
    held = held_against(network, group, batch, heats.values(), next(iter(ways.values())))
    return {
        method: checks_of(network, group, batch, method, found, held, ways[method]) for method, found in heats.items()
    }
