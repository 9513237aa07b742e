"""Agreement: what somebody else's library makes of an exported head, beside what the head itself says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import Pixels
from boda.encoders.base import Encoder
from boda.errors import MissingExtra, Refused
from boda.heads.answers import Answers
from boda.heads.graph import column_values
from boda.heads.head import Head
from boda.heads.inputs import CategoryInput, FeatureInput, Input, Inputs, NumberInput
from boda.heads.parts import CategoryPart, FeaturePart, NumberPart
from boda.keys import shown
from boda.pipelines.heads.one_graph import Graph, Plan

TOLERANCE = 1e-4
"""Of probabilities and shares; of a number as a share of how much predictions differ, of a mean rating of the scale."""
_MADE = 4


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far an export is from the head."""

    largest: float
    """Difference, as `TOLERANCE` measures it."""
    made: int
    """Images that were made for the comparison."""
    real: int
    """Images of the workspace."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"largest_difference": self.largest, "made_images": self.made, "real_images": self.real}


def made_images(shape: tuple[int, int], *, seed: int = 11) -> Pixels:
    """(4, h, w, 3): noise, coarse squares, a ramp, one plain colour; always the same."""
    rng = np.random.default_rng(seed)
    h, w = shape
    noise = rng.integers(0, 256, (1, h, w, 3))
    coarse = rng.integers(0, 256, (1, -(-h // 16), -(-w // 16), 3)).repeat(16, axis=1).repeat(16, axis=2)[:, :h, :w]
    ramp = np.broadcast_to(np.linspace(0, 255, w)[None, None, :, None], (1, h, w, 3))
    plain = np.broadcast_to(rng.integers(0, 256, (1, 1, 1, 3)), (1, h, w, 3))
    return np.concatenate([noise, coarse, ramp, plain]).astype(np.uint8)


def check_graph(graph: Graph, head: Head, encoders: Sequence[Encoder], real: Mapping[str, Pixels]) -> Agreement:
    """Run a graph in ONNX Runtime on images that were made and on real ones, and compare with the head.

    Args:
        graph: of the head.
        head: which says what is right.
        encoders: of its recipes, in their order.
        real: images for each pixel input, equally many, maybe none.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
        Refused: the graph says something else.
    """
    pixels = {one.port.name: _shown_to(one.port.name, one.pixels.shape, real) for one in graph.plan.pixels}
    images = max((len(one) for one in pixels.values()), default=0)
    columns = _columns(head, 1 if graph.plan.rows == 1 else images or 2 * _MADE)
    expected = head.predict(_inputs(head, encoders, graph.plan, pixels, columns))
    parts = {part.name: part for part in head.preparation.kept}
    fed = {name: column_values(parts[name], values) for name, values in columns.items()}
    said = _run(graph, pixels, fed)
    largest = worst(head, expected, said)
    if not largest <= TOLERANCE:
        raise Refused(
            f"head {shown(head.name)!r}: its ONNX graph is off by {largest:.1e} from the head, and {TOLERANCE:g} is "
            "the limit: nothing was written"
        )
    made = min(images, _MADE)
    return Agreement(largest, made, images - made)


def _shown_to(name: str, shape: tuple[int, int], real: Mapping[str, Pixels]) -> Pixels:
    """Other images for each input, so that inputs in a wrong order would be noticed."""
    made = made_images(shape, seed=sum(name.encode()))
    return np.concatenate([made, real[name]]) if name in real else made


def _columns(head: Head, rows: int) -> dict[str, Any]:
    """Values for columns: usual ones, missing ones, and names that nobody had."""
    rng = np.random.default_rng(12)
    found: dict[str, Any] = {}
    for part in head.preparation.kept:
        if isinstance(part, NumberPart):
            values = part.mean + part.scale * rng.normal(size=rows)
            found[part.name] = np.where(np.arange(rows) % 4 == 3, np.nan, values)
        elif isinstance(part, CategoryPart):
            names = [*part.categories, None, "no such name"]
            found[part.name] = np.array([names[place % len(names)] for place in range(rows)], dtype=object)
    return found


def _inputs(
    head: Head, encoders: Sequence[Encoder], plan: Plan, pixels: Mapping[str, Pixels], columns: Mapping[str, Any]
) -> Inputs:
    of_recipe = dict(zip((recipe.id for recipe in head.recipes), encoders, strict=True))
    from_port = {part: port for parts in plan.made_of.values() for part, port in parts}
    blocks: list[Input] = []
    for part in head.preparation.kept:
        if isinstance(part, FeaturePart):
            features = of_recipe[part.recipe](pixels[from_port[part.name]])
            if plan.rows == 1:
                features = features.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
            blocks.append(FeatureInput(part.name, part.recipe, features, scaling=part.scaling))
        elif isinstance(part, NumberPart):
            blocks.append(NumberInput(part.name, columns[part.name]))
        else:
            blocks.append(CategoryInput(part.name, columns[part.name]))
    return Inputs(tuple(blocks))


def _run(graph: Graph, pixels: Mapping[str, Pixels], columns: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("the check of an ONNX graph", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of its own optimisations
    session = onnxruntime.InferenceSession(graph.data, options, providers=["CPUExecutionProvider"])
    of_columns = {graph.plan.columns[name].name: values for name, values in columns.items()}
    names = [port.name for port in graph.outputs]
    return dict(zip(names, session.run(names, {**pixels, **of_columns}), strict=True))


def worst(head: Head, expected: Answers, said: Mapping[str, npt.NDArray[Any]]) -> float:
    """How far the worst of what was said is off, as `TOLERANCE` measures it.

    Args:
        head: whose answers are expected.
        expected: of n rows.
        said: `probabilities` (n, k) but of a number; `prediction` (n,), and `low` and `high` if they were said, of a
            number or a mean rating.
    """
    off = []
    if head.target.kind != "number":
        off.append(_apart(said["probabilities"], expected.points))
    if head.target.kind in {"number", "ratings"}:
        of = {"prediction": np.asarray(expected.values, np.float64), "low": expected.low, "high": expected.high}
        spread = _spread(head, expected)
        off += [
            _apart(said[name], true) / spread
            for name, true in of.items()
            if name in said and true is not None and np.isfinite(true).all()
        ]
    return max(off)


def _spread(head: Head, expected: Answers) -> float:
    """What differences of a number are measured by: its standard deviation in training, where rows are known."""
    if head.target.kind == "ratings":
        return float(np.ptp(head.target.levels)) or 1.0
    known = head.trained.out_of_fold[head.trained.folds >= 0]
    return float(known.std() if len(known) else np.abs(expected.points).max(initial=0)) or 1.0


def _apart(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Largest difference; infinite where shapes differ."""
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other).max(initial=0))
