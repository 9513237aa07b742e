"""Trying: whether a head that was read fits together, found out on one row that is made up."""

from typing import TYPE_CHECKING, get_args

import numpy as np

from boda.heads.inputs import CategoryInput, FeatureInput, Input, Inputs, NumberInput
from boda.heads.parts import FeaturePart, NumberPart, Part
from boda.heads.target import Kind

if TYPE_CHECKING:
    from boda.heads.head import Head


def try_out(head: "Head") -> None:
    """Let a head say something of a row of usual values: what does not fit together shows here, not at its first use.

    Raises:
        ValueError, TypeError, IndexError, KeyError, AttributeError, ArithmeticError: it does not fit together.
    """
    _check_words(head)
    _check_numbers(head)
    inputs = Inputs(tuple(_usual(part) for part in head.preparation.kept))
    outputs = head.outputs(inputs)
    expected = (1, len(head.target.names) or 1)
    if outputs.shape != expected or head.trained.out_of_fold.shape[1] != expected[1]:
        raise ValueError(f"it says {outputs.shape[1]} numbers of a row, not {expected[1]}")
    head.answers(outputs).columns()


def _check_words(head: "Head") -> None:
    words = [head.name, head.asked.text, head.target.name, *head.asked.names, *head.target.names]
    words += [one.name for one in (*head.wanted, *head.preparation.kept)]
    words += [head.asked.tree or "", head.asked.total or "", head.asked.kind or ""]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a name in it is no text")
    if not {head.target.kind, head.asked.kind or head.target.kind} <= set(get_args(Kind)):
        raise ValueError(f"no target is of kind {head.target.kind!r} or {head.asked.kind!r}")


def _check_numbers(head: "Head") -> None:
    positive: list[object] = [part.scale for part in head.preparation.kept if isinstance(part, NumberPart)]
    positive += [1 + value for value in (head.interval.half_width,) if value != np.inf] if head.interval else []
    for value in positive:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
            raise ValueError(f"{value!r} is no scale and no width")


def _usual(part: Part) -> Input:
    """One row: features of length 1, the mean of a number, a name that nobody had."""
    if isinstance(part, FeaturePart):
        row = np.zeros((1, len(part.mean)), np.float32)
        row[:, :1] = 1
        return FeatureInput(part.name, part.recipe, row, scaling=part.scaling)
    if isinstance(part, NumberPart):
        return NumberInput(part.name, np.array([part.mean], np.float64))
    return CategoryInput(part.name, np.array([None], dtype=object))
