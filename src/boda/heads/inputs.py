"""Inputs: what a head is given for each row, as blocks side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused

Scaling: TypeAlias = Literal["standardised", "normalised", "raw"]
"""Of features: each column to mean 0 and standard deviation 1 over the training rows; each row to length 1 (then
standardised no further); or as they are."""

Rows: TypeAlias = npt.NDArray[np.intp]
"""Places in the blocks; any order."""


@dataclass(frozen=True, eq=False)
class FeatureInput:
    """Features of one recipe, maybe a memory map larger than memory."""

    name: str
    """How it was asked for, and how tables call it."""
    recipe: str
    """Its id; "" for bare arrays, as in the scikit-learn protocol."""
    array: StoredFeatures
    """(m, d), finite. Row i of the input is `array[index[i]]`, or `array[i]` where there is no index."""
    index: Rows | None = None
    scaling: Scaling = "standardised"

    def __len__(self) -> int:
        return len(self.array) if self.index is None else len(self.index)

    def block(self, rows: Rows | slice) -> npt.NDArray[np.float32]:
        """(r, d) float32 copies of these rows."""
        places = rows if self.index is None else self.index[rows]
        return np.asarray(self.array[places], dtype=np.float32)

    def take(self, rows: Rows) -> "FeatureInput":
        """Only these rows; nothing is copied."""
        return replace(self, index=np.arange(len(self.array))[rows] if self.index is None else self.index[rows])


@dataclass(frozen=True, eq=False)
class NumberInput:
    """A numeric column."""

    name: str
    values: npt.NDArray[np.float64]
    """(n,); NaN where it is missing."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> "NumberInput":
        """Only these rows."""
        return NumberInput(self.name, self.values[rows])


@dataclass(frozen=True, eq=False)
class CategoryInput:
    """A column of names."""

    name: str
    values: npt.NDArray[np.object_]
    """(n,) of str; None where it is missing."""

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Rows) -> "CategoryInput":
        """Only these rows."""
        return CategoryInput(self.name, self.values[rows])


Input: TypeAlias = FeatureInput | NumberInput | CategoryInput


@dataclass(frozen=True)
class Inputs:
    """Blocks of equal length, side by side.

    Raises:
        Refused: no block, lengths that differ, or two blocks of one name.
    """

    blocks: tuple[Input, ...]
    _length: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        """Check that rows mean the same in every block."""
        lengths = {block.name: len(block) for block in self.blocks}
        if len(lengths) != len(self.blocks):
            raise Refused("two inputs have one name: each may be given once")
        if not lengths or len(set(lengths.values())) != 1:
            raise Refused(f"inputs must have equally many rows, but have {lengths or 'none'}")
        object.__setattr__(self, "_length", next(iter(lengths.values())))

    def __len__(self) -> int:
        return self._length

    @property
    def features(self) -> tuple[FeatureInput, ...]:
        """The blocks that come from images."""
        return tuple(block for block in self.blocks if isinstance(block, FeatureInput))

    @property
    def columns(self) -> tuple[NumberInput | CategoryInput, ...]:
        """The blocks that come from tables."""
        return tuple(block for block in self.blocks if not isinstance(block, FeatureInput))

    def take(self, rows: Rows) -> "Inputs":
        """Only these rows, in this order."""
        return Inputs(tuple(block.take(rows) for block in self.blocks))

    def only(self, names: Sequence[str]) -> "Inputs":
        """Only the blocks of these names."""
        return Inputs(tuple(block for block in self.blocks if block.name in names))

    @classmethod
    def of(cls, array: Any) -> "Inputs":
        """One bare array (n, d) as it is."""
        return cls((FeatureInput("features", "", np.asarray(array), scaling="raw"),))
