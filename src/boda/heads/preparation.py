"""Preparation: inputs to the columns that a learner sees, with everything fitted on training rows only."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.column_map import ColumnMap
from boda.heads.design import Design
from boda.heads.inputs import FeatureInput, Inputs, Rows
from boda.heads.parts import (
    CategoryPart,
    FeaturePart,
    NumberPart,
    Part,
    Sums,
    fit_part,
    part_from_saved,
    reference_part,
)

MEMORY = 2 * 1024**3
"""Bytes that a design may take to be kept as one array."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """One part for each input, side by side.

    - Features by their `scaling`: standardised columns, rows of length 1 (rows of zeros stay), or as they are.
    - Numbers standardised; missing ones are the training mean, with an indicator column if a training row lacked it.
    - Categories one-hot; a name that no training row had is 0 everywhere; missing has a column if seen in training.

    Standardised means minus the mean, by the population standard deviation (of n, not n - 1; 1 where a column is
    constant). Statistics are computed in float64, in two passes.
    """

    kept: tuple[Part, ...]

    @classmethod
    def fit(cls, inputs: Inputs, rows: Rows) -> "Preparation":
        """Learn means, scales, imputation and categories from these rows of the inputs, and from no others.

        Raises:
            Refused: no rows; a number that is infinite, or features that are not finite (names input and row).
        """
        if not len(rows):
            raise Refused("no rows to learn a preparation from")
        return cls(tuple(fit_part(block, rows) for block in inputs.blocks))

    @classmethod
    def reference(cls, inputs: Inputs) -> "Preparation":
        """Columns only moved, with every indicator and category: what `refit` starts from."""
        return cls(tuple(reference_part(block) for block in inputs.blocks))

    def refit(self, sums: Sums) -> "tuple[Preparation, ColumnMap] | None":
        """Of a reference: the preparation of a training set from the sums of its columns, and the map to it.

        None where sums of squares cannot tell a deviation apart from rounding.
        """
        found = []
        for part, place in zip(self.kept, self.parts.values(), strict=True):
            one = part.refit(Sums(sums.count, sums.sums[place], sums.squares[place]))
            if one is None:
                return None
            found.append(one)
        return Preparation(tuple(part for part, _ in found)), ColumnMap.beside([one for _, one in found])

    def weighed(self, weight: float) -> "Preparation":
        """The same with all columns of features times `weight` (> 0)."""
        return Preparation(
            tuple(
                replace(part, scale=(part.scale / weight).astype(np.float32)) if isinstance(part, FeaturePart) else part
                for part in self.kept
            )
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """One name for each column of the design: "auto[17]", "area_sqft is missing", "zip=92276"."""
        return tuple(name for part in self.kept for name in part.columns)

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Which columns of the design each input became."""
        ends = [0, *itertools.accumulate(part.width for part in self.kept)]
        pairs = zip(self.kept, itertools.pairwise(ends), strict=True)
        return {part.name: slice(start, end) for part, (start, end) in pairs}

    @property
    def width(self) -> int:
        """Columns of the design."""
        return sum(part.width for part in self.kept)

    def design(self, inputs: Inputs, *, memory: int = MEMORY) -> Design:
        """All rows of `inputs`, prepared: kept as one array if it takes at most `memory` bytes, else made in blocks.

        Args:
            inputs: with blocks of the names, widths and recipes that were learned from; others are left out.
            memory: in bytes.

        Raises:
            Refused: an input is missing, or is another than the one that was learned from; an infinite number.
        """
        given = {block.name: block for block in inputs.blocks}
        lacking = [part.name for part in self.kept if part.name not in given]
        if lacking:
            raise Refused(f"input {lacking[0]!r} is missing; given: {', '.join(given)}")
        chosen = inputs.only([part.name for part in self.kept])
        if self._as_it_is(chosen):
            block = chosen.features[0]
            return Design(len(block), self.width, block.block)

        def make(rows: Rows | slice) -> npt.NDArray[np.float32]:
            count = len(range(*rows.indices(len(chosen)))) if isinstance(rows, slice) else len(rows)
            found = np.empty((count, self.width), np.float32)
            self.fill(chosen, rows, found)
            return found

        design = Design(len(inputs), self.width, make)
        self.fill(chosen, slice(0, 0), np.empty((0, self.width), np.float32))
        if 4 * design.rows * design.width > memory:
            return design
        dense = np.empty(design.shape, np.float32)
        for start in range(0, len(dense), 2048):
            place = slice(start, start + 2048)
            self.fill(chosen, place, dense[place])
        return Design.of(dense)

    def fill(self, inputs: Inputs, rows: Rows | slice, out: npt.NDArray[Any]) -> None:
        """Write these rows, prepared, into `out`, (r, width) float32 or float64."""
        given = {block.name: block for block in inputs.blocks}
        for part in self.kept:
            part.fill(given[part.name], rows, out[:, self.parts[part.name]])

    def _as_it_is(self, inputs: Inputs) -> bool:
        """Whether the design is one array that is there already."""
        part, block = self.kept[0], inputs.blocks[0]
        if len(self.kept) > 1 or not isinstance(part, FeaturePart) or not isinstance(block, FeatureInput):
            return False
        part.fill(block, slice(0, 0), np.empty((0, part.width), np.float32))
        return part.scaling == "raw" and not part.mean.any() and block.index is None

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Means and scales of features, by the place of their part."""
        return {f"{place}.{name}": a for place, part in enumerate(self.kept) for name, a in part.tensors().items()}

    def settings(self) -> Mapping[str, Any]:
        """The rest, as plain JSON."""
        return {"parts": [dict(part.settings()) for part in self.kept]}

    @classmethod
    def from_saved(cls, tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> "Preparation":
        """What `tensors` and `settings` describe."""
        return cls(
            tuple(
                part_from_saved(
                    {n: tensors[f"{place}.{n}"] for n in ("mean", "scale") if f"{place}.{n}" in tensors}, one
                )
                for place, one in enumerate(settings["parts"])
            )
        )


__all__ = ["MEMORY", "CategoryPart", "FeaturePart", "NumberPart", "Preparation"]
