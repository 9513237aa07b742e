"""Graph of a head: from features and columns to predictions, as nodes of ONNX.

Everything is float32, as the prepared rows of a head are, with two exceptions: a number of a table is standardised in
float64, so that values of 10^10 beside 0.1 lose nothing, and the offset of a number that is predicted is added in
float64, so that a year or a price keeps its last digits. The operators are those of opset 18.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import MissingExtra, Refused
from boda.evaluation.calibration import Platt, Temperature
from boda.heads.head import Head
from boda.heads.parts import CategoryPart, FeaturePart, Part
from boda.heads.votes import _FAINTEST, _HIGHEST, _LOWEST
from boda.keys import shown

OPSET = 18
Element: TypeAlias = Literal["uint8", "bool", "int64", "float32", "float64"]
Axis: TypeAlias = int | str
"""A length, or a word for any length."""

_FROM_WEIGHTS = ("linear", "ridge", "logistic", "labels", "ratings", "votes")
"""Kinds of models whose scores are `x @ weights + offset`."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph."""

    name: str
    element: Element
    shape: tuple[Axis, ...]
    means: str
    """What its numbers are, in words."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"name": self.name, "element": self.element, "shape": list(self.shape), "means": self.means}

    def described(self) -> Any:
        """As ONNX describes it."""
        helper = import_onnx().helper
        element = helper.np_dtype_to_tensor_dtype(np.dtype(self.element))
        return helper.make_tensor_value_info(self.name, element, list(self.shape), doc_string=self.means)


class Nodes:
    """Nodes of a graph that is being written; every value gets a name of its own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: npt.ArrayLike, element: Element = "float32") -> str:
        """The name of an array."""
        name = f"head/constant_{len(self.constants)}"
        self.constants.append(import_onnx().numpy_helper.from_array(np.asarray(values, element, order="C"), name))
        return name

    def add(self, operator: str, *given: str, named: str = "", **attributes: Any) -> str:
        """The name of what an operator makes of the values of these names."""
        name = named or f"head/{operator}_{len(self.nodes)}"
        self.nodes.append(
            import_onnx().helper.make_node(operator, list(given), [name], f"node_of/{name}", **attributes)
        )
        return name

    def cast(self, value: str, element: Element) -> str:
        """The value as numbers of another kind."""
        kind = import_onnx().helper.np_dtype_to_tensor_dtype(np.dtype(element))
        return self.add("Cast", value, to=int(kind))

    def beside(self, values: Sequence[str]) -> str:
        """(n, a), (n, b), ... as one (n, a + b + ...)."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=1)

    def split(self, value: str, count: int) -> list[str]:
        """(c n, d) as `count` values (n, d)."""
        names = [f"head/Split_{len(self.nodes)}_{place}" for place in range(count)]
        self.nodes.append(import_onnx().helper.make_node("Split", [value], names, axis=0, num_outputs=count))
        return names

    def columns(self, value: str, part: slice) -> str:
        """Some columns of (n, d)."""
        start, stop, axis = (self.constant([number], "int64") for number in (part.start, part.stop, 1))
        return self.add("Slice", value, start, stop, axis)


def import_onnx() -> Any:
    """The onnx module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import onnx
        import onnx.compose
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise MissingExtra("a head as an ONNX graph", "onnx") from error
    return onnx


def column_port(part: Part, rows: Axis) -> Port:
    """The input of a graph for a column of a table."""
    if isinstance(part, CategoryPart):
        places = f"place of the name in {list(part.categories)}; -1 for any other name"
        missing = f"; {len(part.categories)} where it is missing" if part.missing else "; -1 where it is missing"
        return Port(f"column.{part.name}", "int64", (rows, 1), places + missing)
    return Port(f"column.{part.name}", "float64", (rows, 1), f"{part.name}; NaN where it is missing")


def column_values(part: Part, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(n,) numbers or names as the input of a graph takes them, (n, 1)."""
    if not isinstance(part, CategoryPart):
        return np.asarray(values, np.float64)[:, None]
    named: list[str | None] = [*part.categories, *([None] if part.missing else [])]
    places = {name: place for place, name in enumerate(named)}
    return np.array([[places.get(value, -1)] for value in values], np.int64).reshape(-1, 1)


def add_head(nodes: Nodes, head: Head, given: Mapping[str, str], rows: Axis) -> tuple[Port, ...]:
    """Add a head to a graph.

    Args:
        nodes: of the graph.
        head: any but one whose model is of a kind that is not known here.
        given: for each part of its preparation the name of a value: features (n, d) float32, a number (n, 1) float64,
            a category (n, 1) int64 as `column_port` says.
        rows: n, or a word for it.

    Returns:
        What it gives: `prediction`, and `low` and `high`, `probabilities` or `concentrations`.

    Raises:
        MissingExtra: onnx is not installed.
        Refused: the model cannot be written as a graph.
    """
    x = nodes.beside([_prepared(nodes, part, given[part.name]) for part in head.preparation.kept])
    scores = _scores(nodes, head, x)
    answer = {"number": _number, "class": _class, "labels": _labels, "ratings": _ratings, "votes": _votes}
    return answer[head.target.kind](nodes, head, scores, rows)


def _prepared(nodes: Nodes, part: Part, value: str) -> str:
    """The columns of the design that one input becomes."""
    if isinstance(part, FeaturePart):
        return _features(nodes, part, value)
    if isinstance(part, CategoryPart):
        places = nodes.constant(np.arange(part.width)[None], "int64")
        return nodes.cast(nodes.add("Equal", value, places), "float32")
    missing = nodes.add("IsNaN", value)
    away = nodes.add("Sub", value, nodes.constant(part.mean, "float64"))
    scaled = nodes.add("Div", away, nodes.constant(part.scale, "float64"))
    known = nodes.cast(nodes.add("Where", missing, nodes.constant(0.0, "float64"), scaled), "float32")
    return nodes.beside([known, nodes.cast(missing, "float32")]) if part.indicator else known


def _features(nodes: Nodes, part: FeaturePart, value: str) -> str:
    if part.scaling == "normalised":
        lengths = nodes.add("ReduceL2", value, nodes.constant([1], "int64"), keepdims=1)
        there = nodes.add("Greater", lengths, nodes.constant(0.0))
        value = nodes.add("Div", value, nodes.add("Where", there, lengths, nodes.constant(1.0)))
    if part.mean.any():
        value = nodes.add("Sub", value, nodes.constant(part.mean))
    return nodes.add("Div", value, nodes.constant(part.scale)) if (part.scale != 1).any() else value


def _scores(nodes: Nodes, head: Head, x: str) -> str:
    """Outputs of the model, (n, o): of votes before its link; float64 of a number, else float32."""
    tensors, kind, number = head.model.tensors(), head.model.kind, head.target.kind == "number"
    if kind == "mlp":
        return _mlp(nodes, tensors, x, number=number)
    if kind not in _FROM_WEIGHTS:
        raise Refused(f"head {shown(head.name)!r}: a model of kind {kind} cannot be written as a graph")
    scores = nodes.add("MatMul", x, nodes.constant(tensors["weights"]))
    if number:
        return nodes.add("Add", nodes.cast(scores, "float64"), nodes.constant(tensors["offset"], "float64"))
    return nodes.add("Add", scores, nodes.constant(tensors["offset"]))


def _mlp(nodes: Nodes, tensors: Mapping[str, npt.NDArray[Any]], x: str, *, number: bool) -> str:
    for layer in ("hidden", "output"):
        x = nodes.add("MatMul", x, nodes.constant(tensors[f"{layer}_weights"].T))
        x = nodes.add("Add", x, nodes.constant(tensors[f"{layer}_offset"]))
        x = nodes.add("Relu", x) if layer == "hidden" else x
    if number:
        x = nodes.add("Mul", nodes.cast(x, "float64"), nodes.constant(tensors["scale"], "float64"))
        return nodes.add("Add", x, nodes.constant(tensors["centre"], "float64"))
    one_logit = len(tensors["output_offset"]) == 1
    return nodes.beside([nodes.add("Sub", x, x), x]) if one_logit else x


def _number(nodes: Nodes, head: Head, scores: str, rows: Axis) -> tuple[Port, ...]:
    nodes.add("Squeeze", scores, nodes.constant([1], "int64"), named="prediction")
    ends = _ends(nodes, head, rows, "float64")
    return (Port("prediction", "float64", (rows,), head.target.name), *ends)


def _class(nodes: Nodes, head: Head, scores: str, rows: Axis) -> tuple[Port, ...]:
    names = list(head.target.names)
    if isinstance(head.calibration, Temperature):
        scores = nodes.add("Div", scores, nodes.constant(head.calibration.value))
    nodes.add("Softmax", scores, axis=1, named="probabilities")
    nodes.add("ArgMax", "probabilities", axis=1, keepdims=0, named="prediction")
    return (
        Port("prediction", "int64", (rows,), f"place of the likeliest class in {names}"),
        Port("probabilities", "float32", (rows, len(names)), f"of {names}"),
    )


def _labels(nodes: Nodes, head: Head, scores: str, rows: Axis) -> tuple[Port, ...]:
    names = list(head.target.names)
    if isinstance(head.calibration, Platt):
        scores = nodes.add("Mul", scores, nodes.constant(head.calibration.slopes))
        scores = nodes.add("Add", scores, nodes.constant(head.calibration.offsets))
    nodes.add("Sigmoid", scores, named="probabilities")
    nodes.add("Greater", "probabilities", nodes.constant(0.5), named="prediction")
    return (
        Port("prediction", "bool", (rows, len(names)), f"whether each of {names} is more likely than not"),
        Port("probabilities", "float32", (rows, len(names)), f"of each of {names}"),
    )


def _ratings(nodes: Nodes, head: Head, scores: str, rows: Axis) -> tuple[Port, ...]:
    target = head.target
    nodes.add("Softmax", scores, axis=1, named="probabilities")
    nodes.add("MatMul", "probabilities", nodes.constant(target.levels), named="prediction")
    return (
        Port("prediction", "float32", (rows,), f"mean rating of {target.name}"),
        *_ends(nodes, head, rows, "float32"),
        Port("probabilities", "float32", (rows, len(target.names)), f"shares of the ratings {list(target.levels)}"),
    )


def _votes(nodes: Nodes, head: Head, scores: str, rows: Axis) -> tuple[Port, ...]:
    """Concentrations as `boda.heads.votes` links them to scores; fractions are their shares of each question."""
    tree = head.target.tree
    assert tree is not None
    each, shares, start = [], [], 0
    for question in tree.questions:
        end = start + len(question.answers)
        logs = nodes.add("LogSoftmax", nodes.columns(scores, slice(start, end)), axis=1)
        where = nodes.add("Sigmoid", nodes.columns(scores, slice(end, end + 1)))
        total = nodes.add("Mul", where, nodes.constant(np.log(_HIGHEST / _LOWEST)))
        total = nodes.add("Add", total, nodes.constant(np.log(_LOWEST)))
        found = nodes.add("Exp", nodes.add("Max", nodes.add("Add", logs, total), nodes.constant(_FAINTEST)))
        summed = nodes.add("ReduceSum", found, nodes.constant([1], "int64"), keepdims=1)
        each.append(found)
        shares.append(nodes.add("Div", found, summed))
        start = end + 1
    nodes.add("Concat", *each, axis=1, named="concentrations")
    nodes.add("Concat", *shares, axis=1, named="probabilities")
    nodes.add("ArgMax", shares[0], axis=1, keepdims=0, named="prediction")
    first, names = tree.questions[0], list(tree.columns)
    return (
        Port("prediction", "int64", (rows,), f"place of the likeliest answer to {first.name} in {list(first.answers)}"),
        Port(
            "probabilities", "float32", (rows, len(names)), f"fractions of {names}; of each question they add up to 1"
        ),
        Port("concentrations", "float32", (rows, len(names)), "of the Dirichlet distributions of these fractions"),
    )


def _ends(nodes: Nodes, head: Head, rows: Axis, element: Element) -> tuple[Port, ...]:
    """Ends of the interval around `prediction`, where the head has one."""
    if head.interval is None:
        return ()
    half = nodes.constant(head.interval.half_width, element)
    nodes.add("Sub", "prediction", half, named="low")
    nodes.add("Add", "prediction", half, named="high")
    share = f"{100 * head.interval.level:.0f} %"
    return tuple(Port(name, element, (rows,), f"{name} end of the {share} interval") for name in ("low", "high"))
