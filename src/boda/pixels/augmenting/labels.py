"""Labels that a flip changes: a galaxy that winds clockwise winds anticlockwise in the mirror.

A horizontal flip swaps left with right and clockwise with anticlockwise, a vertical one up with down and clockwise
with anticlockwise; a turn of more than 45 degrees swaps left with up. So what a target calls its classes decides
whether their labels are swapped together with the image, or the augmentation is refused: `label_swaps`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.keys import shown

if TYPE_CHECKING:
    from boda.pixels.augment import Augmentation

Axis: TypeAlias = Literal["horizontal", "vertical"]
Pairs: TypeAlias = Sequence[tuple[str, str]]

_HANDS = {"clockwise": "anticlockwise", "cw": "acw"}
_SIDEWAYS = {"left": "right", "leftward": "rightward", "leftwards": "rightwards", "leftmost": "rightmost"}
_UPRIGHT = {
    "up": "down",
    "upward": "downward",
    "upwards": "downwards",
    "top": "bottom",
    "topmost": "bottommost",
    "upper": "lower",
    "above": "below",
}
_SAME = {"counterclockwise": "anticlockwise", "ccw": "acw"}
_ACROSS, _DOWN = (
    table | {other: one for one, other in table.items()} for table in (_HANDS | _SIDEWAYS, _HANDS | _UPRIGHT)
)
_WORDS: dict[Axis, dict[str, str]] = {"horizontal": _ACROSS, "vertical": _DOWN}
_UNTURNED = {*_SIDEWAYS, *_SIDEWAYS.values(), *_UPRIGHT, *_UPRIGHT.values()}
_ANGLES = {
    *("angle", "azimuth", "bearing", "chirality", "direction", "handedness", "heading", "orientation", "pa", "parity"),
    *("pose", "roll", "rotation", "spin", "steering", "theta", "winding", "yaw"),
}
_LARGEST_TURN = 45
_WAY_OUT = "leave it out, say that it swaps none (--no-swaps), or name the pairs of classes (flip_pairs, in Python)"


@dataclass(frozen=True, slots=True)
class LabelSwaps:
    """What the flips of an augmentation do to a target."""

    horizontal: tuple[int, ...] = ()
    """For each class or column the one that it becomes in a horizontal flip; () where all stay."""
    vertical: tuple[int, ...] = ()

    def classes(self, labels: npt.NDArray[Any], flipped: Any, upended: Any) -> npt.NDArray[Any]:
        """The classes of images after their flips.

        Args:
            labels: (n,) whole numbers.
            flipped: (n,) whether each image was flipped horizontally, as `Augmented` says.
            upended: (n,) the same, vertically.
        """
        for partners, which in ((self.horizontal, flipped), (self.vertical, upended)):
            if partners:
                labels = np.where(which, np.asarray(partners)[labels], labels)
        return labels

    def columns(self, values: npt.NDArray[Any], flipped: Any, upended: Any) -> npt.NDArray[Any]:
        """The same for targets of one column a class or answer, (n, k): votes, several labels, one-hot."""
        for partners, which in ((self.horizontal, flipped), (self.vertical, upended)):
            if partners:
                values = np.where(np.asarray(which)[:, None], values[:, list(partners)], values)
        return values


def label_swaps(
    augmentation: "Augmentation", *, names: Sequence[str] = (), columns: Sequence[str] = (), pairs: Pairs | None = None
) -> LabelSwaps:
    """What an augmentation does to a target; called before any training with it.

    Args:
        augmentation: what the training images get.
        names: of the classes, or of the answers of votes and several labels.
        columns: of the target's numbers, or the one that holds the classes.
        pairs: classes that a flip swaps, by name, both ways; () says that flips change nothing. None: by their names.

    Raises:
        Refused: a flip or a large turn would make labels wrong, and nobody has said what to do.
    """
    axes: list[Axis] = [axis for axis in ("horizontal", "vertical") if augmentation.flips(axis)]
    swaps = {axis: _unless_identity(flip_partners(names, axis=axis, pairs=pairs)) for axis in axes}
    if pairs is None:
        for axis in axes:
            if not swaps[axis]:
                _refuse_directed(columns, {*_WORDS[axis], *_ANGLES} if not names else _ANGLES, f"a {axis} flip")
        if augmentation.turn > _LARGEST_TURN:
            turn = f"a turn of up to {augmentation.turn:.0f} degrees"
            _refuse_directed(names, _UNTURNED, turn)
            _refuse_directed(columns, _UNTURNED | _ANGLES, turn)
    return LabelSwaps(**swaps)


def flip_partners(names: Sequence[str], *, axis: Axis = "horizontal", pairs: Pairs | None = None) -> tuple[int, ...]:
    """For each class the one that it becomes when the image is flipped; itself where a flip changes nothing.

    Args:
        names: of the classes, each once. Words are found in `turns_left`, `turns-left`, `TurnsLeft` and `turns left`.
        axis: of the flip.
        pairs: the classes that it swaps, by name; () says that it swaps none. None: by their names.

    Raises:
        Refused: a name holds such a word and no other class is its partner; a pair names no class.

    >>> flip_partners(["clockwise", "none", "counter_clockwise"])
    (2, 1, 0)
    """
    if pairs is not None:
        return _given(names, pairs)
    places: dict[tuple[str, ...], int] = {}
    for place, name in enumerate(names):
        words = _words(name)
        if words in places and not _WORDS[axis].keys().isdisjoint(words):
            raise Refused(f"classes {shown(names[places[words]])!r} and {shown(name)!r} read alike: name the pairs")
        places.setdefault(words, place)
    return tuple(_partner(names, place, places, axis) for place in range(len(names)))


def _partner(names: Sequence[str], place: int, places: dict[tuple[str, ...], int], axis: Axis) -> int:
    table, words = _WORDS[axis], _words(names[place])
    if table.keys().isdisjoint(words):
        return place
    wanted = tuple(table.get(word, word) for word in words)
    if wanted not in places:
        raise Refused(
            f"a {axis} flip would make {shown(names[place])!r} {shown(' '.join(wanted))!r}, which is no class: "
            f"{_WAY_OUT}"
        )
    return places[wanted]


def _given(names: Sequence[str], pairs: Pairs) -> tuple[int, ...]:
    partners = list(range(len(names)))
    where = {name: place for place, name in enumerate(names)}
    for pair in pairs:
        for name in pair:
            if name not in where:
                raise Refused(f"no class {shown(name)!r} to swap; there are {shown(', '.join(names[:20]))}")
        one, other = (where[name] for name in pair)
        if one == other or partners[one] != one or partners[other] != other:
            raise Refused(f"{shown(pair[0])!r} and {shown(pair[1])!r} cannot be swapped: each class is in one pair")
        partners[one], partners[other] = other, one
    return tuple(partners)


def _words(name: str) -> tuple[str, ...]:
    """The words and numbers of a name in small letters: `CounterClockwise_2` is anticlockwise, 2."""
    parts = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    text = re.sub(r"\b(anti|counter) (?=clockwise\b)", r"\1", " ".join(parts).lower())
    return tuple(_SAME.get(word, word) for word in text.split())


def _refuse_directed(names: Sequence[str], words: set[str], what: str) -> None:
    for name in names:
        if found := next((word for word in _words(name) if word in words), None):
            raise Refused(f"{what} would change what {shown(name)!r} means ({found}): {_WAY_OUT}")


def _unless_identity(partners: tuple[int, ...]) -> tuple[int, ...]:
    return () if partners == tuple(range(len(partners))) else partners
