"""What a head is given beside the image that is explained: the row that the image stands in."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.explanations.head_score import Held
from boda.heads.assembling import Assembled, assemble
from boda.heads.design import Design
from boda.heads.head import Head
from boda.heads.inputs import FeatureInput
from boda.heads.parts import FeaturePart, NumberPart, Part
from boda.keys import from_text, shown
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a head in a workspace, and where images stand in them."""

    head: Head
    assembled: Assembled
    design: Design
    """(m, width)"""

    def of(self, recipe: Recipe, key: str, own: StoredFeatures) -> tuple[int, str, Held | None]:
        """The row of an image, the input that it becomes, and what stands beside it there.

        Args:
            recipe: of the features that change with the image.
            key: of the image.
            own: (d,) its stored features.

        Raises:
            Refused: it stands in no row.
        """
        name = _input_of(self.head, recipe)
        if self.assembled.unit is None:
            if key not in self._place:
                raise Refused(f"{shown(key)} is no row of head {shown(self.head.name)!r}: it lacks an input")
            row = self._place[key]
            alone = len(self.head.preparation.kept) == 1
            return row, name, None if alone else Held(self._designed(row))
        row, images, place = self._unit(key)
        if self.assembled.unit.view is not None:
            return row, f"{name}@{self.assembled.unit.views[place]}", Held(self._designed(row))
        others = self._mean(name, row) * len(images) - np.asarray(own, np.float64)
        return row, name, Held(self._designed(row), len(images), others.astype(np.float32))

    @cached_property
    def _place(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.assembled.keys)}

    @cached_property
    def _images(self) -> dict[str, tuple[int, int]]:
        """By key: the row of its unit, and which of the images of that it is."""
        assert self.assembled.images is not None
        keys = [from_text(one) for one in self.assembled.images["key"].to_pylist()]
        return {
            keys[image]: (row, place)
            for row, images in enumerate(self.assembled.members)
            for place, image in enumerate(images)
        }

    def _unit(self, key: str) -> tuple[int, tuple[int, ...], int]:
        assert self.assembled.unit is not None
        if key not in self._images:
            raise Refused(
                f"{shown(key)} is not what head {shown(self.head.name)!r} looks at: it lacks an input, or is not the "
                f"first image of its view of a {shown(self.assembled.unit.column)} with all views"
            )
        row, place = self._images[key]
        return row, self.assembled.members[row], place

    def _designed(self, row: int) -> npt.NDArray[np.float32]:
        return np.array(self.design.make(slice(row, row + 1))[0], np.float32)

    def _mean(self, name: str, row: int) -> npt.NDArray[np.float64]:
        block = next(one for one in self.assembled.inputs.blocks if one.name == name)
        assert isinstance(block, FeatureInput)
        mean: npt.NDArray[np.float64] = block.block(slice(row, row + 1))[0].astype(np.float64)
        return mean


def rows_of_head(workspace: Workspace, head: Head) -> Rows:
    """All rows that a head has in a workspace.

    Raises:
        NotFound: the workspace has no features of its recipes, or lacks a column.
        Refused: no row has all inputs.
    """
    assembled = assemble(workspace, workspace.frame(), head.wanted, head.unit)
    return Rows(head, assembled, head.preparation.design(assembled.inputs))


def held_at_mean(head: Head, recipe: Recipe) -> tuple[str, Held | None]:
    """What stands beside an image of no row: the mean of the head's training rows, as far as the head keeps it.

    It keeps the means of numbers, and of features whose columns are standardised; prepared, these are 0. A number that
    some rows lack counts as known.

    Args:
        head: any.
        recipe: of the features that change with the image.

    Returns:
        The input that the image becomes, and what stands beside it; None where nothing does.

    Raises:
        Refused: an input has no mean that is kept, or the image could be any of several views.
    """
    name = _input_of(head, recipe)
    if head.unit is not None and head.unit.view is not None:
        raise Refused(
            f"head {shown(head.name)!r} looks at {len(head.unit.views)} images of a {shown(head.unit.column)} side by "
            "side: start from one of these, whose place is taken and whose row is held"
        )
    lacking = [one.name for one in head.preparation.kept if one.name != name and not _keeps_mean(one)]
    if lacking:
        raise Refused(
            f"head {shown(head.name)!r} keeps no mean of {', '.join(map(shown, lacking))} to hold beside the image: "
            "start from an image of the workspace, whose row is held"
        )
    alone = len(head.preparation.kept) == 1
    return name, None if alone else Held(np.zeros(head.preparation.width, np.float32))


def recipe_of(head: Head, asked: str | None) -> Recipe:
    """Which features of a head are explained: those that were asked for, or the first.

    Raises:
        Refused: it takes none, or not those.
    """
    if not head.recipes:
        raise Refused(f"head {shown(head.name)!r} takes columns only: there is no image to explain it by")
    if asked is None:
        return head.recipes[0]
    found = [one for one in head.recipes if asked == one.name or one.id.startswith(asked)]
    if len(found) != 1:
        names = ", ".join(f"{shown(one.name)} ({one.id})" for one in head.recipes)
        raise Refused(f"head {shown(head.name)!r} takes {names}; {shown(asked)!r} is {'several' if found else 'none'}")
    return found[0]


def _input_of(head: Head, recipe: Recipe) -> str:
    return next(one.name for one in head.wanted if one.recipe is not None and one.recipe.id == recipe.id)


def _keeps_mean(part: Part) -> bool:
    return isinstance(part, NumberPart) or (isinstance(part, FeaturePart) and part.scaling == "standardised")
