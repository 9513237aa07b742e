"""What a head says of an image, as a function of that image's features that gradients pass through.

A head may take more than one input: numbers, names, features of other networks or of other photographs of the same
unit. Those are held where they are, and the score is a function of the one image that is explained.

Of two classes each is scored by its log odds: what speaks for it less what speaks for the other, before calibration.
Models write the same probabilities in several ways, logistic regression as -z/2 and z/2, a network of one logit as 0
and z. Taken as they are, the first class of such a network could not be explained.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from boda.errors import Refused
from boda.explanations.score import Score
from boda.heads.head import Head
from boda.heads.parts import FeaturePart
from boda.keys import shown

_LINEAR = ("linear", "ridge", "logistic", "labels", "ratings", "votes")
"""Kinds of models whose scores are `x @ weights + offset`."""


@dataclass(frozen=True, eq=False)
class Held:
    """What a head is given beside the image that is explained, for one row."""

    design: npt.NDArray[np.float32]
    """(width,): the prepared row. The columns of the explained image are put in their place."""
    images: int = 1
    """How many images the features are averaged over: those of a unit without a view."""
    others: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(d,) the sum of the features of the other images; empty where there is one."""


def head_score(head: Head, block: str, answer: str | None = None, held: Held | None = None) -> Score:
    """One answer of a head.

    Args:
        head: whose.
        block: the input that the image becomes: the name of a feature set, with `@VIEW` behind it where a unit has
            several.
        answer: a class (one of two by its log odds), a label, or an answer of a vote tree as `QUESTION_ANSWER`; None: a
            number, a mean rating.
        held: the rest of the row; None where a head has no other inputs.

    Raises:
        Refused: no such input or answer, one that must be given or may not, or a model that no gradient passes through.
    """
    part = next((one for one in head.preparation.kept if one.name == block), None)
    if not isinstance(part, FeaturePart):
        sets = [one.name for one in head.preparation.kept if isinstance(one, FeaturePart)]
        raise Refused(
            f"head {shown(head.name)!r} takes no features called {shown(block)!r}; it takes {', '.join(sets) or 'none'}"
        )
    if held is None and len(head.preparation.kept) > 1:
        raise Refused(f"head {shown(head.name)!r} takes more than one image: give the row that it stands in")
    prepared, said = _prepared(part, held, head.preparation.parts[block]), design_score(head, answer)
    return Score(said.name, said.title, said.unit, lambda features: said.of(prepared(features)))


@dataclass(frozen=True, eq=False)
class DesignScore(Score):
    """One answer of a head; `of` takes prepared rows, (n, width) designs in the place of features.

    Every model begins with a product, which is a sum over inputs: what an input adds to it needs no other input.
    """

    weights: Tensor = field(kw_only=True)
    """(width, h) float64."""
    after: Callable[[Tensor], Tensor] = field(kw_only=True)
    """(n, h) products to (n,)."""


def design_score(head: Head, answer: str | None = None) -> DesignScore:
    """One answer of a head, as a function of rows that are prepared.

    Args:
        head: whose.
        answer: as of `head_score`.

    Raises:
        Refused: no such answer, one that must be given or may not, or a model that no gradient passes through.
    """
    weights, outputs = _model(head)
    picked, title, unit = _picked(head, answer)
    name = f"head:{head.name}" + (f":{answer}" if answer is not None else "")

    def after(products: Tensor) -> Tensor:
        return picked(outputs(products))

    def of(design: Tensor) -> Tensor:
        return after(design.double() @ weights.to(design.device))

    return DesignScore(name, title, unit, of, weights=weights, after=after)


def answers_of(head: Head) -> tuple[str, ...]:
    """What can be asked of a head: its classes, its labels, or the answers of its vote tree; () of one number."""
    if head.target.kind in {"number", "ratings"}:
        return ()
    if head.target.kind == "votes":
        assert head.target.tree is not None
        return tuple(head.target.tree.columns)
    return tuple(head.target.names)


def _prepared(part: FeaturePart, held: Held | None, columns: slice) -> Callable[[Tensor], Tensor]:
    """(n, d) features of the image to the (n, width) design."""
    mean, scale = torch.from_numpy(np.array(part.mean)), torch.from_numpy(np.array(part.scale))

    def prepare(features: Tensor) -> Tensor:
        found = features.float()
        if held is not None and held.images > 1:
            found = (found + torch.tensor(held.others).to(found.device)) / held.images
        if part.scaling == "normalised":
            found = torch.nn.functional.normalize(found, dim=1, eps=1e-30)
        found = (found - mean.to(found.device)) / scale.to(found.device)
        if held is None:
            return found
        row = torch.tensor(held.design).to(found.device).expand(len(found), -1)
        return torch.cat([row[:, : columns.start], found, row[:, columns.stop :]], dim=1)

    return prepare


def _model(head: Head) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The weights of its first layer, (width, h), and from products with these to what it gives, before any link.

    In float64; votes before their totals.
    """
    tensors, kind = head.model.tensors(), head.model.kind
    if kind not in {*_LINEAR, "mlp"}:
        raise Refused(f"head {shown(head.name)!r}: a model of kind {kind} passes no gradients, so no map can be made")
    exact = {name: torch.from_numpy(np.array(array, np.float64)) for name, array in tensors.items()}

    def linear(products: Tensor) -> Tensor:
        return products + exact["offset"].to(products.device)

    def mlp(products: Tensor) -> Tensor:
        of = {name: one.to(products.device) for name, one in exact.items()}
        hidden = torch.relu(products + of["hidden_offset"])
        found = hidden @ of["output_weights"].T + of["output_offset"]
        if head.target.kind == "number":
            return found * of["scale"] + of["centre"]
        return torch.cat([torch.zeros_like(found), found], dim=1) if found.shape[1] == 1 else found

    return (exact["hidden_weights"].T, mlp) if kind == "mlp" else (exact["weights"], linear)


def _picked(head: Head, answer: str | None) -> tuple[Callable[[Tensor], Tensor], str, str]:
    """From outputs to the one number that is asked for, what it is called, and its unit."""
    target, names = head.target, answers_of(head)
    if not names and answer is not None:
        raise Refused(f"head {shown(head.name)!r} says one number of {shown(target.name)}: leave out {shown(answer)!r}")
    if names and answer not in names:
        asked = f"no answer {shown(answer)!r}" if answer is not None else "several answers"
        raise Refused(
            f"head {shown(head.name)!r} has {asked}; one of {', '.join(map(shown, names[:12]))}"
            f"{', ...' if len(names) > 12 else ''}"
        )
    match target.kind:
        case "number":
            return (lambda outputs: outputs[:, 0]), target.name, target.name
        case "ratings":
            levels = torch.tensor(target.levels, dtype=torch.float64)
            title = f"mean rating of {target.name}"
            return (lambda outputs: outputs.softmax(dim=1) @ levels.to(outputs.device)), title, "mean rating"
        case "votes":
            assert answer is not None
            place, within = _question(head, answer)
            return (lambda outputs: outputs[:, place].softmax(dim=1)[:, within]), answer, "fraction of the votes"
        case "class" if len(names) == 2:
            assert answer is not None
            own = names.index(answer)
            title = f"{target.name}: {answer}, log odds"
            return (lambda outputs: outputs[:, own] - outputs[:, 1 - own]), title, "log odds"
        case _:
            assert answer is not None
            place_of = target.names.index(answer)
            unit = "score before the softmax" if target.kind == "class" else "log odds"
            return (lambda outputs: outputs[:, place_of]), f"{target.name}: {answer}", unit


def _question(head: Head, answer: str) -> tuple[slice, int]:
    """The scores of an answer's question among all, without its total, and the place of the answer among them."""
    assert head.target.tree is not None
    start = 0
    columns = iter(head.target.tree.columns)
    for question in head.target.tree.questions:
        end = start + len(question.answers)
        names = [next(columns) for _ in question.answers]
        if answer in names:
            return slice(start, end), names.index(answer)
        start = end + 1
    raise Refused(f"head {shown(head.name)!r} has no answer {shown(answer)!r}")
