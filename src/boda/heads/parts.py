"""Parts: how one input becomes columns of the design, as learned from training rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.heads.column_map import ColumnMap, Vector
from boda.heads.inputs import CategoryInput, FeatureInput, Input, NumberInput, Rows, Scaling

BLOCK = 4096
"""Rows whose statistics are computed at once: 16 MB of float64 at a width of 512."""
SAMPLE = 1025
"""Rows whose median is the origin that `reference` measures from."""
CANCELLED = 1e-2
"""A variance below this share of the squared distance of mean and median has lost digits in sums of squares."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Of the columns of one training set, measured from the origin of a reference part."""

    count: float
    sums: Vector
    squares: Vector

    def spread(self, count: Vector | float) -> tuple[Vector, Vector] | None:
        """Means and population standard deviations (1 where constant); None where too many digits would be lost."""
        mean = self.sums / np.maximum(count, 1)
        variance = self.squares / np.maximum(count, 1) - mean**2
        if not np.isfinite(variance).all() or ((variance < CANCELLED * mean**2) & (mean != 0)).any():
            return None
        scale = np.sqrt(np.maximum(variance, 0))
        return mean, np.where(scale > 0, scale, 1.0)


LEAST = 0.1
"""Of the median deviation of a network's columns: the least that a column is divided by."""


@dataclass(frozen=True, eq=False)
class FeaturePart:
    """Features: `(x - mean) / scale`, after rows were normalised where that was asked for."""

    name: str
    recipe: str
    scaling: Scaling
    mean: npt.NDArray[np.float32]
    """(d,) float32, so that what is subtracted is exactly what is stored; 0 unless standardised."""
    scale: npt.NDArray[np.float32]
    """(d,) population standard deviations, of a network at least `LEAST` of their median; 1 where a column is
    constant, and unless standardised."""

    @classmethod
    def fit(cls, block: FeatureInput, rows: Rows) -> "FeaturePart":
        """Two passes in float64, so that a mean far from 0 costs no digits."""
        width = block.array.shape[1]
        part = cls(block.name, block.recipe, block.scaling, np.zeros(width, np.float32), np.ones(width, np.float32))
        if block.scaling != "standardised":
            return part
        sums = np.zeros(width)
        for start in range(0, len(rows), BLOCK):
            sums += block.block(rows[start : start + BLOCK]).sum(axis=0, dtype=np.float64)
        if not np.isfinite(sums).all():
            raise _not_finite(block, rows)
        part = replace(part, mean=(sums / len(rows)).astype(np.float32))
        sums, squares = np.zeros(width), np.zeros(width)
        for start in range(0, len(rows), BLOCK):
            found = block.block(rows[start : start + BLOCK]) - part.mean.astype(np.float64)
            sums += found.sum(axis=0)
            squares += np.einsum("ij,ij->j", found, found)
        variance = squares / len(rows) - (sums / len(rows)) ** 2
        return replace(part, scale=_scale(np.sqrt(np.maximum(variance, 0)), block.recipe))

    @classmethod
    def reference(cls, block: FeatureInput) -> "FeaturePart":
        """Only moved, by the median of a sample: the same for all training sets."""
        rows = np.unique(np.linspace(0, len(block) - 1, min(SAMPLE, len(block))).astype(np.intp))
        width = block.array.shape[1]
        part = cls(block.name, block.recipe, block.scaling, np.zeros(width, np.float32), np.ones(width, np.float32))
        sample = np.empty((len(rows), width), np.float32)
        part.fill(block, rows, sample)
        middle = len(rows) // 2
        return replace(part, mean=np.partition(sample, middle, axis=0)[middle])

    def refit(self, sums: Sums) -> "tuple[FeaturePart, ColumnMap] | None":
        """The part of a training set, and how its columns follow from the reference's; None: not from these sums."""
        width = len(self.mean)
        if self.scaling == "standardised":
            found = sums.spread(sums.count)
            if found is None:
                return None
            mean, scale = (self.mean + found[0]).astype(np.float32), _scale(found[1], self.recipe)
        else:
            mean, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
        by = 1.0 / scale.astype(np.float64)
        away = (self.mean.astype(np.float64) - mean) * by
        none = np.zeros(width)
        return replace(self, mean=mean, scale=scale), ColumnMap(
            width, np.arange(width), by, np.zeros(width, np.intp), none, away
        )

    def fill(self, block: Input, rows: Rows | slice, out: npt.NDArray[Any]) -> None:
        """Write the columns of these rows, (r, d)."""
        if not isinstance(block, FeatureInput) or block.array.shape[1] != len(self.mean):
            raise Refused(f"input {self.name!r}: features of width {len(self.mean)} were learned from, not this")
        if block.recipe != self.recipe:
            raise Refused(
                f"input {self.name!r}: features of recipe {self.recipe or 'unknown'} were learned from, but these "
                f"are of recipe {block.recipe or 'unknown'}: embed the images with the first"
            )
        found = block.block(rows)
        if self.scaling == "normalised":
            lengths = np.sqrt(np.einsum("ij,ij->i", found, found, dtype=np.float64))
            found = found / np.where(lengths > 0, lengths, 1.0).astype(np.float32)[:, None]
        np.subtract(found, self.mean, out=out)
        if (self.scale != 1).any():
            out /= self.scale

    @property
    def columns(self) -> tuple[str, ...]:
        """One name a column: "auto[17]"."""
        return tuple(f"{self.name}[{place}]" for place in range(len(self.mean)))

    @property
    def width(self) -> int:
        """Of the features."""
        return len(self.mean)

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Means and scales."""
        return {"mean": self.mean, "scale": self.scale}

    def settings(self) -> Mapping[str, Any]:
        """The rest, as plain JSON."""
        return {"input": "features", "name": self.name, "recipe": self.recipe, "scaling": self.scaling}


@dataclass(frozen=True, eq=False)
class NumberPart:
    """A number: `(x - mean) / scale`, 0 where it is missing; then 1 where it is missing, if a training row lacked it.

    A number that is first missing at prediction is taken as the training mean, and nothing marks it.
    """

    name: str
    mean: float
    scale: float
    """Population standard deviation; 1 where it is constant."""
    indicator: bool

    @classmethod
    def fit(cls, block: NumberInput, rows: Rows) -> "NumberPart":
        """Means and deviations of what is there; mean 0 and scale 1 where nothing is."""
        refuse_infinite(block, rows)
        found = block.values[rows]
        known = found[~np.isnan(found)]
        largest = np.abs(known).max(initial=0.0)
        if largest == 0:
            return cls(block.name, 0.0, 1.0, len(known) < len(found))
        mean = float((known / largest).mean() * largest)
        away = (known - mean) / largest
        scale = float(np.sqrt(np.mean((away - away.mean()) ** 2)) * largest)
        constant = (known == known[0]).all()
        return cls(
            block.name, float(known[0]) if constant else mean, 1.0 if constant else scale, len(known) < len(found)
        )

    @classmethod
    def reference(cls, block: NumberInput) -> "NumberPart":
        """Less the median, by the median of what that leaves; its indicator is there where any row lacks it."""
        known = block.values[~np.isnan(block.values)]
        origin = _middle(known) if len(known) else 0.0
        away = np.abs(known - origin)
        scale = _middle(away[away > 0]) if away.any() else 1.0
        return cls(block.name, origin, scale, len(known) < len(block))

    def refit(self, sums: Sums) -> "tuple[NumberPart, ColumnMap] | None":
        """The part of a training set, and how its columns follow from the reference's; None: not from these sums."""
        missing = float(sums.sums[1]) if self.indicator else 0.0
        found = Sums(sums.count, sums.sums[:1], sums.squares[:1]).spread(sums.count - missing)
        if found is None:
            return None
        away, deviation = float(found[0][0]), float(found[1][0])
        scale = self.scale * deviation if sums.squares[0] else 1.0
        part = NumberPart(self.name, self.mean + self.scale * away, scale, missing > 0)
        by = self.scale / scale
        value = ColumnMap(
            self.width,
            np.array([0]),
            np.array([by]),
            np.array([1 if self.indicator else 0]),
            np.array([away * by if self.indicator else 0.0]),
            np.array([-away * by]),
        )
        if not part.indicator:
            return part, value
        zero = np.zeros(1)
        marker = ColumnMap(0, np.array([1]), np.ones(1), np.array([0]), zero, zero)
        both = [np.concatenate(pair) for pair in zip(_arrays(value), _arrays(marker), strict=True)]
        return part, ColumnMap(self.width, *both)

    def fill(self, block: Input, rows: Rows | slice, out: npt.NDArray[Any]) -> None:
        """Write the columns of these rows: the number, and whether it is missing."""
        if not isinstance(block, NumberInput):
            raise Refused(f"input {self.name!r}: numbers were learned from, not names")
        found = block.values[rows]
        missing = np.isnan(found)
        away = (found - self.mean) / self.scale
        bad = np.abs(away) > np.finfo(out.dtype).max
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            row = int(np.arange(len(block))[rows][place])
            raise Refused(f"input {self.name!r}: row {row} is {found[place]}, which is too far from all known numbers")
        out[:, 0] = np.where(missing, 0.0, away)
        if self.indicator:
            out[:, 1] = missing

    @property
    def columns(self) -> tuple[str, ...]:
        """One name a column: "area_sqft", "area_sqft is missing"."""
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)

    @property
    def width(self) -> int:
        """1 or 2."""
        return 1 + self.indicator

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """None."""
        return {}

    def settings(self) -> Mapping[str, Any]:
        """All of it, as plain JSON."""
        named = {"name": self.name, "mean": self.mean, "scale": self.scale, "indicator": self.indicator}
        return {"input": "number", **named}


@dataclass(frozen=True, eq=False)
class CategoryPart:
    """A name: one column of 0 and 1 for each name that a training row had, and one for none if a row had none.

    A name that no training row had is 0 in all of them.
    """

    name: str
    categories: tuple[str, ...]
    missing: bool

    @classmethod
    def fit(cls, block: CategoryInput, rows: Rows) -> "CategoryPart":
        """The names of these rows, sorted."""
        found = set(block.values[rows].tolist())
        return cls(block.name, tuple(sorted(found - {None})), None in found)

    @classmethod
    def reference(cls, block: CategoryInput) -> "CategoryPart":
        """All names of all rows."""
        return cls.fit(block, np.arange(len(block)))

    def refit(self, sums: Sums) -> "tuple[CategoryPart, ColumnMap]":
        """The part of a training set, and which of the reference's columns it has."""
        there = np.flatnonzero(sums.sums > 0)
        width, last = len(there), len(self.categories)
        part = CategoryPart(
            self.name,
            tuple(self.categories[place] for place in there if place < last),
            bool(self.missing and last in there),
        )
        zeros = np.zeros(width)
        return part, ColumnMap(self.width, there, np.ones(width), np.zeros(width, np.intp), zeros, zeros)

    def fill(self, block: Input, rows: Rows | slice, out: npt.NDArray[Any]) -> None:
        """Write the columns of these rows."""
        if not isinstance(block, CategoryInput):
            raise Refused(f"input {self.name!r}: names were learned from, not numbers")
        found = [self._places.get(value, -1) for value in block.values[rows].tolist()]
        places = np.array(found, np.intp)
        out[:] = 0
        known = np.flatnonzero(places >= 0)
        out[known, places[known]] = 1

    @cached_property
    def _places(self) -> dict[str | None, int]:
        named: list[str | None] = [*self.categories, *([None] if self.missing else [])]
        return {value: place for place, value in enumerate(named)}

    @property
    def columns(self) -> tuple[str, ...]:
        """One name a column: "zip=92276", "zip is missing"."""
        named = tuple(f"{self.name}={value}" for value in self.categories)
        return (*named, f"{self.name} is missing") if self.missing else named

    @property
    def width(self) -> int:
        """One a category, and one for none."""
        return len(self.categories) + self.missing

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """None."""
        return {}

    def settings(self) -> Mapping[str, Any]:
        """All of it, as plain JSON."""
        return {"input": "category", "name": self.name, "categories": list(self.categories), "missing": self.missing}


Part: TypeAlias = FeaturePart | NumberPart | CategoryPart


def fit_part(block: Input, rows: Rows) -> Part:
    """What these rows of the block teach."""
    if isinstance(block, FeatureInput):
        return FeaturePart.fit(block, rows)
    return NumberPart.fit(block, rows) if isinstance(block, NumberInput) else CategoryPart.fit(block, rows)


def reference_part(block: Input) -> Part:
    """Columns from which those of every training set follow by a `ColumnMap`."""
    if isinstance(block, FeatureInput):
        return FeaturePart.reference(block)
    return NumberPart.reference(block) if isinstance(block, NumberInput) else CategoryPart.reference(block)


def part_from_saved(tensors: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Part:
    """The part that `tensors` and `settings` describe."""
    name = settings["name"]
    if settings["input"] == "features":
        return FeaturePart(name, settings["recipe"], settings["scaling"], tensors["mean"], tensors["scale"])
    if settings["input"] == "number":
        return NumberPart(name, settings["mean"], settings["scale"], settings["indicator"])
    return CategoryPart(name, tuple(settings["categories"]), settings["missing"])


def refuse_infinite(block: NumberInput, rows: Rows | None = None) -> None:
    """Refuse infinity in these rows, or in any; missing is fine.

    Raises:
        Refused: names the input and the row.
    """
    bad = np.flatnonzero(np.isinf(block.values if rows is None else block.values[rows]))
    if len(bad):
        row = int(bad[0] if rows is None else rows[bad[0]])
        raise Refused(f"input {block.name!r}: row {row} is {block.values[row]}; leave it empty or give a number")


def _arrays(of: ColumnMap) -> tuple[npt.NDArray[Any], ...]:
    return of.source, of.scale, of.other, of.share, of.constant


def _middle(values: Vector) -> float:
    """Their median, or the larger of two: a value that is there."""
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def _scale(deviations: Vector, recipe: str) -> npt.NDArray[np.float32]:
    """(d,) what columns are divided by: their deviations; 1 where a column is constant.

    Columns of a network's features are alike, so one that hardly moves in the training rows is a feature that is rarely
    on: divided by its own deviation, the first row that has it lies thousands of deviations away and ruins whatever is
    said of it. So no scale is less than `LEAST` of the middle one of its network.
    """
    moving = deviations[deviations > 0]
    if recipe and len(moving):
        deviations = np.where(deviations > 0, np.maximum(deviations, LEAST * np.median(moving)), 0.0)
    return np.where(deviations > 0, deviations, 1.0).astype(np.float32)


def _not_finite(block: FeatureInput, rows: Rows) -> Refused:
    """Name the first row of features that are not numbers."""
    for start in range(0, len(rows), BLOCK):
        bad = ~np.isfinite(block.block(rows[start : start + BLOCK])).all(axis=1)
        if bad.any():
            row = int(rows[start + int(np.flatnonzero(bad)[0])])
            return Refused(f"input {block.name!r}: the features of row {row} are not finite; embed that image again")
    return Refused(f"input {block.name!r}: features are too large to be added")
