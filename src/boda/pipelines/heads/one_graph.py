"""One graph: encoders and a head together, from uint8 pixels and columns to predictions, as an ONNX file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boda.encoders.onnx_graph import INPUT, LARGEST, OUTPUT, onnx_graph
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.heads.assembling import Wanted
from boda.heads.graph import OPSET, Axis, Nodes, Port, add_head, column_port, import_onnx
from boda.heads.head import Head
from boda.heads.parts import FeaturePart
from boda.keys import shown
from boda.pixels.spec import PixelSpec

IR_VERSION = 10
"""Of graphs without an encoder; others keep that of their encoders."""


@dataclass(frozen=True, slots=True)
class PixelPort:
    """An input for images, all prepared in one way."""

    port: Port
    pixels: PixelSpec
    view: str | None
    """Which image of a unit."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return self.port.as_json() | {"pixels": self.pixels.as_json(), "view": self.view}


@dataclass(frozen=True)
class Plan:
    """Which inputs a graph has, and which features are made of which."""

    rows: Axis
    pixels: tuple[PixelPort, ...]
    columns: Mapping[str, Port]
    """By the name of their part."""
    made_of: Mapping[str, tuple[tuple[str, str], ...]]
    """For each feature set of a head its parts, each with the name of the input whose pixels it is made of."""

    def ports(self) -> list[Port]:
        """All inputs."""
        return [*(one.port for one in self.pixels), *self.columns.values()]

    def as_json(self) -> list[dict[str, Any]]:
        """All inputs as plain JSON."""
        return [*(one.as_json() for one in self.pixels), *(port.as_json() for port in self.columns.values())]


@dataclass(frozen=True)
class Graph:
    """An ONNX file, and what goes in and out."""

    data: bytes
    plan: Plan
    outputs: tuple[Port, ...]


def plan_of(head: Head) -> Plan:
    """The inputs of a head's graph.

    Encoders that prepare images alike, apart from mean and deviation, share one input. Heads of units with views have
    one for each view. Those of units without take the images of one unit, and average their features.

    Raises:
        Refused: nobody knows what computed its features.
    """
    mean_of_unit = head.unit is not None and head.unit.view is None
    rows: Axis = 1 if mean_of_unit else "n"
    views: tuple[str | None, ...] = head.unit.views if head.unit is not None and head.unit.view is not None else (None,)
    names = _input_names(head, views)
    ports: dict[str, PixelPort] = {}
    made_of: dict[str, tuple[tuple[str, str], ...]] = {}
    for one in _feature_sets(head):
        spec = _pixels(one)
        for view in views:
            shape: tuple[Axis, ...] = ("images" if mean_of_unit else "n", *spec.shape, 3)
            means = "RGB, upright, prepared as `pixels` says" + ("; all images of one unit" if mean_of_unit else "")
            name = names[_alike(spec), view]
            ports.setdefault(name, PixelPort(Port(name, "uint8", shape, means), spec, view))
        made_of[one.name] = tuple(
            (one.name if view is None else f"{one.name}@{view}", names[_alike(spec), view]) for view in views
        )
    columns = {
        part.name: column_port(part, rows) for part in head.preparation.kept if not isinstance(part, FeaturePart)
    }
    return Plan(rows, tuple(ports.values()), columns, made_of)


def one_graph(head: Head, encoders: Sequence[TorchEncoder]) -> Graph:
    """The graph that computes what the encoders and the head compute, in fp32.

    Args:
        head: with features of known encoders, or of columns alone.
        encoders: of its recipes, in their order.

    Raises:
        MissingExtra: what writes ONNX is not installed.
        Refused: an encoder or the head cannot be written as a graph, or all is too large for one file.
    """
    onnx = import_onnx()
    plan, nodes = plan_of(head), Nodes()
    given = {name: port.name for name, port in plan.columns.items()}
    of_recipe = dict(zip((recipe.id for recipe in head.recipes), encoders, strict=True))
    networks: list[Any] = []
    for place, one in enumerate(_feature_sets(head)):
        assert one.recipe is not None
        network = onnx.load_from_string(onnx_graph(of_recipe[one.recipe.id]))
        onnx.compose.add_prefix(network, f"encoder_{place}/", inplace=True)
        networks.append(network)
        given |= _encoded(nodes, network, f"encoder_{place}/", plan.made_of[one.name], average=plan.rows == 1)
    outputs = add_head(nodes, head, given, plan.rows)
    model = _model(onnx, networks, nodes, plan.ports(), outputs)
    onnx.helper.set_model_props(model, _properties(head, plan, outputs))
    if model.ByteSize() > LARGEST:
        raise Refused(f"head {shown(head.name)!r}: its encoders are larger than one ONNX file can hold")
    return Graph(model.SerializeToString(), plan, outputs)


def _feature_sets(head: Head) -> list[Wanted]:
    return [one for one in head.wanted if one.recipe is not None]


def _pixels(one: Wanted) -> PixelSpec:
    assert one.recipe is not None
    if one.recipe.pixels is None or not one.recipe.known:
        raise Refused(f"nobody knows what computed the features {shown(one.name)!r}: a graph cannot begin with pixels")
    return one.recipe.pixels


def _alike(spec: PixelSpec) -> PixelSpec:
    """What two encoders must share to take the same uint8 pixels: mean and deviation are applied behind the door."""
    return replace(spec, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _input_names(head: Head, views: Sequence[str | None]) -> dict[tuple[PixelSpec, str | None], str]:
    """`pixels`; with several ways to prepare images `pixels.FEATURES`, and of each view `....VIEW`."""
    firsts: dict[PixelSpec, str] = {}
    for one in _feature_sets(head):
        firsts.setdefault(_alike(_pixels(one)), one.name)
    return {
        (spec, view): ".".join([INPUT, *([name] if len(firsts) > 1 else []), *([view] if view is not None else [])])
        for spec, name in firsts.items()
        for view in views
    }


def _encoded(
    nodes: Nodes, network: Any, prefix: str, made_of: Sequence[tuple[str, str]], *, average: bool
) -> dict[str, str]:
    """Add an encoder, once for all views: their images pass through it one behind the other."""
    pixels = [port for _, port in made_of]
    joined = nodes.add("Concat", *pixels, axis=0) if len(pixels) > 1 else pixels[0]
    nodes.add("Identity", joined, named=prefix + INPUT)
    nodes.nodes.extend(network.graph.node)
    features = prefix + OUTPUT
    if average:
        features = nodes.add("ReduceMean", features, nodes.constant([0], "int64"), keepdims=1)
    if len(pixels) == 1:
        return {made_of[0][0]: features}
    parts = nodes.split(features, len(pixels))
    return {name: part for (name, _), part in zip(made_of, parts, strict=True)}


def _model(onnx: Any, networks: Sequence[Any], nodes: Nodes, given: Sequence[Port], outputs: Sequence[Port]) -> Any:
    graph = onnx.helper.make_graph(
        nodes.nodes,
        "boda",
        [port.described() for port in given],
        [port.described() for port in outputs],
        [*(one for network in networks for one in network.graph.initializer), *nodes.constants],
    )
    opsets = {"": OPSET} | {one.domain: one.version for network in networks for one in network.opset_import}
    model = onnx.helper.make_model(
        graph,
        producer_name="boda",
        opset_imports=[onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        functions=[function for network in networks for function in network.functions],
    )
    model.ir_version = max((network.ir_version for network in networks), default=IR_VERSION)
    return model


def _properties(head: Head, plan: Plan, outputs: Sequence[Port]) -> dict[str, str]:
    """What a graph says of itself, as text or JSON."""
    record = head.as_json()
    told = {
        "target": record["target"],
        "classes": record["target"]["names"],
        "inputs": plan.as_json(),
        "outputs": [port.as_json() for port in outputs],
        "recipes": [recipe.as_json() for recipe in head.recipes],
        "class_sets": record["class_sets"],
        "metrics": head.evaluation.get("metrics", {}),
        "warnings": list(head.evaluation.get("warnings", ())),
    }
    texts = {name: json.dumps(value, ensure_ascii=False, allow_nan=False) for name, value in told.items()}
    return {"head": head.name, **texts}
