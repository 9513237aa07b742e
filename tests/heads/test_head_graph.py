"""A head as a graph says what the head says, whatever it predicts and whatever it takes."""

import dataclasses
import json

import numpy as np
import pytest

import boda
from boda.errors import MissingExtra, Refused
from boda.heads.asking import Asked
from boda.heads.graph import OPSET, Nodes, Port, add_head, column_port, column_values
from boda.heads.head import Head
from boda.heads.inputs import CategoryInput, FeatureInput, Inputs, NumberInput
from boda.heads.linear import LinearModel
from boda.heads.mlp import Mlp
from boda.heads.parts import FeaturePart
from boda.pipelines.heads.material import Plan, gather
from synthetic import synthetic_workspace

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
N = 80


def session_of(head: Head):
    """Features and columns to predictions, in ONNX Runtime."""
    nodes, ports, given = Nodes(), [], {}
    for part in head.preparation.kept:
        port = (
            Port(part.name, "float32", ("n", len(part.mean)), "features")
            if isinstance(part, FeaturePart)
            else column_port(part, "n")
        )
        ports.append(port)
        given[part.name] = port.name
    outputs = add_head(nodes, head, given, "n")
    graph = onnx.helper.make_graph(
        nodes.nodes, "head", [p.described() for p in ports], [p.described() for p in outputs], nodes.constants
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def said_by_graph(head: Head, inputs: Inputs) -> dict[str, np.ndarray]:
    session, parts = session_of(head), {part.name: part for part in head.preparation.kept}
    fed = {}
    for block in inputs.blocks:
        if isinstance(block, FeatureInput):
            fed[block.name] = block.block(slice(None))
        else:
            fed[f"column.{block.name}"] = column_values(parts[block.name], block.values)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, fed), strict=True))


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A workspace with one column of each kind of target; and the same features in new rows, some of them odd."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 6)) * [1, 1, 1, 100, 0.01, 1] + [0, 0, 0, 1e4, 0, 0]
    pull = x[:, :3] @ rng.normal(size=(3, 4))
    votes = {
        f"{question}_{answer}": rng.integers(0, 30, N).tolist()
        for question, answers in (("shape", ("smooth", "disk")), ("bar", ("no", "weak", "strong")))
        for answer in answers
    }
    columns = {
        "year": (2000 + 0.01 * pull[:, 0]).tolist(),
        "two": np.where(pull[:, 0] > 0, "merger", "smooth").tolist(),
        "four": [f"class {place}" for place in pull.argmax(axis=1)],
        "tag_a": (pull[:, 1] > 0).astype(float).tolist(),
        "tag_b": (pull[:, 2] > 1).astype(float).tolist(),
        **{f"stars_{stars}": rng.integers(0, 9, N).tolist() for stars in (1, 2, 3, 5)},
        "area": [None if row % 7 == 0 else float(value) * 1e10 for row, value in enumerate(rng.normal(size=N))],
        "zip": [None if row % 5 == 0 else "xyz"[row % 3] for row in range(N)],
        **votes,
    }
    place = tmp_path_factory.mktemp("graph")
    tree = place / "tree.toml"
    tree.write_text(
        'name = "small"\n[[question]]\nname = "shape"\nanswers = ["smooth", "disk"]\n'
        '[[question]]\nname = "bar"\nanswers = ["no", "weak", "strong"]\nafter = ["shape_disk"]\n'
    )
    workspace = synthetic_workspace(place / "w.boda", {"plain": x}, columns)
    fresh = rng.normal(size=(9, 6)) * [1, 1, 1, 100, 0.01, 1] + [0, 0, 0, 1e4, 0, 0]
    fresh[0] = 0
    return workspace, fresh.astype(np.float32), str(tree)


def inputs_for(head: Head, fresh: np.ndarray) -> Inputs:
    values = {
        "area": NumberInput("area", np.array([np.nan, 1e10, -3e10, 0.1, 0, 5, np.nan, 1e9, -1e9])),
        "zip": CategoryInput("zip", np.array(["x", "y", "z", None, "nowhere", "x", "", "z", "y"], dtype=object)),
    }
    return Inputs(
        tuple(
            FeatureInput(part.name, part.recipe, fresh, scaling=part.scaling)
            if isinstance(part, FeaturePart)
            else values[part.name]
            for part in head.preparation.kept
        )
    )


BOTH = {"inputs": ["plain", "area", "zip"]}
ASKED = {
    "number": ("year", {}),
    "number and columns": ("year", BOTH),
    "number of columns alone": ("year", {"inputs": ["area", "zip"]}),
    "number of normalised features": ("year", {"scaling": "normalised"}),
    "number of raw features": ("year", {"scaling": "raw"}),
    "two classes": ("two", {}),
    "four classes": ("four", BOTH),
    "labels": ("tag_*", {}),
    "ratings": ("stars_*", {"target_kind": "ratings"}),
    "votes": ("*", {"target_kind": "votes"}),
}


@pytest.fixture(scope="module")
def heads(material):
    """Heads by what they were asked for, each trained once."""
    workspace, _, tree = material
    made: dict[str, Head] = {}

    def one(name: str) -> Head:
        if name not in made:
            target, options = ASKED[name.removeprefix("mlp, ")]
            options = options | ({"tree": tree} if name == "votes" else {})
            if name.startswith("mlp, "):
                made[name] = with_mlp(one(name.removeprefix("mlp, ")), workspace, target, options)
            else:
                made[name] = boda.train(workspace, target, name="head", folds=2, **options)
        return made[name]

    return one


def with_mlp(head: Head, workspace, target: str, options: dict) -> Head:
    """The same head with a network of one hidden layer, after a few epochs."""
    material = gather(workspace, Plan(Asked(target), tuple(options.get("inputs", ())), folds=2))
    design = head.preparation.design(material.inputs)
    rng = np.random.default_rng(0)
    return dataclasses.replace(head, model=Mlp(epochs=3).fit(design, material.target, groups=np.arange(N), rng=rng))


MLPS = ["mlp, number and columns", "mlp, two classes", "mlp, four classes"]


@pytest.mark.parametrize("name", [*ASKED, *MLPS])
def test_the_graph_says_what_the_head_says(heads, material, name):
    """Of rows of zeros, missing numbers, values of 1e10 and names that nobody had, too."""
    head = heads(name)
    inputs = inputs_for(head, material[1])
    expected, said = head.predict(inputs), said_by_graph(head, inputs)
    names = np.array(head.target.names, dtype=object)
    match head.target.kind:
        case "number":
            spread = head.trained.out_of_fold.std()
            for output, true in (("prediction", expected.points), ("low", expected.low), ("high", expected.high)):
                np.testing.assert_allclose(said[output] / spread, true / spread, atol=1e-4, rtol=0)
        case "class":
            np.testing.assert_allclose(said["probabilities"], expected.points, atol=1e-5)
            assert names[said["prediction"]].tolist() == expected.values.tolist()
        case "labels":
            np.testing.assert_allclose(said["probabilities"], expected.points, atol=1e-5)
            assert ["|".join(names[row]) for row in said["prediction"]] == expected.values.tolist()
        case "ratings":
            np.testing.assert_allclose(said["probabilities"], expected.points, atol=1e-5)
            for output, true in (("prediction", expected.values), ("low", expected.low), ("high", expected.high)):
                np.testing.assert_allclose(said[output], true, atol=1e-5)
        case "votes":
            np.testing.assert_allclose(said["probabilities"], expected.points, atol=1e-5)
            np.testing.assert_allclose(said["concentrations"], head.outputs(inputs), rtol=1e-4)
            assert names[said["prediction"]].tolist() == expected.values.tolist()


def test_a_year_keeps_its_digits(heads, material):
    """Predictions near 2000 that differ by thousandths differ in the graph too: float32 would round them to 1e-4."""
    head = heads("number")
    inputs = inputs_for(head, material[1])
    said = said_by_graph(head, inputs)["prediction"]
    assert said.dtype == np.float64
    np.testing.assert_allclose(said, head.predict(inputs).points, atol=1e-6, rtol=0)


def test_a_layer_that_somebody_else_trained(heads, material):
    """`linear` heads of features as they are."""
    head = heads("number of raw features")
    model = LinearModel(np.arange(6.0)[:, None], np.array([0.5]), unit_length=False)
    head = dataclasses.replace(head, model=model, interval=None)
    said = said_by_graph(head, inputs_for(head, material[1]))
    assert said.keys() == {"prediction"}
    np.testing.assert_allclose(said["prediction"], material[1] @ np.arange(6.0) + 0.5, rtol=1e-5)


def test_ports_say_what_their_numbers_are(heads):
    """Names of categories, of classes, and what stands for a missing one."""
    head = heads("four classes")
    ports = {port.name: port for port in (column_port(part, "n") for part in head.preparation.kept[1:])}
    assert ports["column.area"].means == "area; NaN where it is missing"
    assert ports["column.zip"].means == (
        "place of the name in ['x', 'y', 'z']; -1 for any other name; 3 where it is missing"
    )
    json.dumps([port.as_json() for port in ports.values()])
    outputs = add_head(Nodes(), head, {part.name: part.name for part in head.preparation.kept}, "n")
    assert outputs[0].means == "place of the likeliest class in ['class 0', 'class 1', 'class 2', 'class 3']"


def test_models_that_are_no_graph_and_a_library_that_is_not_there(heads, monkeypatch):
    """Both are said in one line."""
    head = heads("number")

    class Odd(LinearModel):
        kind = "odd"

    odd = dataclasses.replace(head, model=Odd(head.model.weights, head.model.offset, unit_length=False))
    with pytest.raises(Refused, match="a model of kind odd cannot be written as a graph"):
        add_head(Nodes(), odd, {"plain": "plain"}, "n")
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'boda\[onnx\]'"):
        add_head(Nodes(), head, {"plain": "plain"}, "n")
