"""A head leaves with its encoder: what other libraries make of the files is what the head says."""

import csv
import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import boda
from boda.encoders.onnx_graph import onnx_graph
from boda.encoders.registry import encoder_for
from boda.errors import Damaged, MissingExtra, NotFound, Refused
from boda.heads.head import Head
from boda.pipelines.heads import agreement, one_graph
from boda.pixels.prepare import prepare
from hub_cache import lay, offline
from making import COLOURS, make_photos, make_workspace
from synthetic import synthetic_workspace

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module", autouse=True)
def _each_graph_once():
    """Writing a graph takes seconds: here each encoder's is written once."""
    graphs: dict[str, bytes] = {}

    def remembered(encoder):
        if encoder.recipe.id not in graphs:
            graphs[encoder.recipe.id] = onnx_graph(encoder)
        return graphs[encoder.recipe.id]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_graph, "onnx_graph", remembered)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random weights of timm's `test_resnet`."""
    from safetensors.torch import save_file

    from boda.torchvision_door import open_door

    open_door()
    import timm

    torch.manual_seed(0)
    model = timm.create_model("test_resnet")
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.uniform_(-0.5, 0.5)
    file = tmp_path_factory.mktemp("weights") / "test_resnet.safetensors"
    save_file(model.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def tiny(weights):
    """The encoder of these weights, for 64 x 64 pixels."""
    return boda.load_encoder("timm:test_resnet", weights=weights, pixels="size=64", device="cpu")


def make_patterns(folder: Path, each: int) -> Path:
    """Coarse random patterns in three colours, so different that none is taken for a copy, and a broken file."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name, colour in COLOURS.items():
        for number in range(each):
            pattern = rng.integers(0, 256, (5, 5, 3)).repeat(32, axis=0).repeat(32, axis=1)
            mixed = 0.85 * pattern + 0.15 * np.array(colour)
            Image.fromarray(mixed.astype(np.uint8)).save(folder / f"{name} {number}.png")
    (folder / "broken.jpg").write_bytes(b"no image at all")
    return folder


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, tiny, weights):
    """36 images in three colours and a broken file, embedded as a whole, by a layer, and smaller; with columns."""
    place = tmp_path_factory.mktemp("export")
    photos = make_patterns(place / "photos", each=12)
    smaller = boda.load_encoder("timm:test_resnet", weights=weights, pixels="size=32", device="cpu")
    encoders = [tiny, tiny.take("layer2", "mean"), smaller]
    made = boda.embed(photos, encoders=encoders, to=place / "w.boda", workers=1)
    rng = np.random.default_rng(0)
    with (place / "columns.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "colour", "score", "area", "zip", "house", "room", "good", "sharp"])
        for row, key in enumerate(sorted(path.name for path in photos.glob("*.png"))):
            colour = key.split()[0]
            score = 20 + {"red": 0, "green": 1, "blue": 3}[colour] + 0.3 * rng.normal()
            house, room = row // 2, ("bath", "kitchen")[row % 2]
            area = "" if row % 14 < 2 else 1e10 * (1 + row // 2)
            yes, no = int(colour == "red"), int(rng.random() < 0.5)
            writer.writerow([key, colour, score, area, "xyz"[row // 2 % 3], house, room, yes, no])
    boda.label(made, place / "columns.csv")
    return made


@pytest.fixture(scope="module")
def recipes(workspace) -> tuple[str, str, str]:
    """Of the network's own features, of the layer's, and of those of smaller pixels."""
    own, smaller, layer = sorted(workspace.recipes(), key=lambda one: (one.layer != "pooled", -one.pixels.shape[0]))
    return own.id, layer.id, smaller.id


@pytest.fixture(scope="module")
def trained(workspace, recipes):
    """Heads by name, each trained once."""
    own, layer, smaller = recipes
    asked = {
        "score": {"inputs": [own]},
        "colour": {"inputs": [own]},
        "good,sharp": {"inputs": [own]},
        "many": {"target": "score", "inputs": [own, layer, "area", "zip"]},
        "sizes": {"target": "score", "inputs": [own, smaller]},
        "layer": {"target": "colour", "inputs": [layer]},
        "normalised": {"target": "colour", "inputs": [own], "scaling": "normalised"},
        "views": {"target": "area", "target_kind": "number", "inputs": [own], "unit": "house", "view": "room"},
        "averaged": {"target": "area", "target_kind": "number", "inputs": [own], "unit": "house"},
    }
    made: dict[str, Head] = {}

    def one(name: str) -> Head:
        if name not in made:
            options = {"target": name, "name": name.replace(",", "-"), "folds": 2} | asked[name]
            made[name] = boda.train(workspace, **options)
        return made[name]

    return one


def session_of(path: Path):
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def pixels_of(workspace, head: Head, keys: list[str]) -> np.ndarray:
    root = Path(workspace.source["root"])
    return np.stack([prepare((root / key).read_bytes(), head.recipes[0].pixels)[0] for key in keys])


def predictions(workspace, head: Head) -> dict[str, dict]:
    table = boda.predict(workspace.path, head=head).table().to_pylist()
    return {row["key"]: row for row in table if row["reason"] is None}


def test_one_graph_from_pixels_to_probabilities(workspace, trained, weights, tmp_path):
    """ONNX Runtime on the photographs says what `boda predict` says, and the file explains itself."""
    head = trained("colour")
    written = boda.export_head(workspace, "colour", to=tmp_path / "m.onnx", weights=weights)
    assert written.agreement.largest <= 1e-5
    assert (written.agreement.made, written.agreement.real) == (4, 8)
    session = session_of(tmp_path / "m.onnx")
    expected = predictions(workspace, head)
    keys = sorted(expected)[:20]
    index, shares = session.run(["prediction", "probabilities"], {"pixels": pixels_of(workspace, head, keys)})
    for key, place, row in zip(keys, index, shares, strict=True):
        assert head.target.names[place] == expected[key]["prediction"]
        np.testing.assert_allclose(row, [expected[key][f"p_{name}"] for name in head.target.names], atol=1e-4)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == ["blue", "green", "red"]
    assert json.loads(told["recipes"])[0]["id"] == head.recipes[0].id
    assert json.loads(told["inputs"])[0]["pixels"] == head.recipes[0].pixels.as_json()
    assert json.loads(told["target"])["name"] == "colour"
    assert json.loads(told["metrics"])["accuracy"]["baseline"] is not None


def test_encoders_layers_and_columns_in_one_graph(workspace, trained, weights, tmp_path):
    """Two feature sets that see the same pixels share one input; numbers and categories have one each."""
    head = trained("many")
    boda.export_head(workspace, "many", to=tmp_path / "m.onnx", weights=weights)
    session = session_of(tmp_path / "m.onnx")
    assert [one.name for one in session.get_inputs()] == ["pixels", "column.area", "column.zip"]
    expected = predictions(workspace, head)
    rows = {row["key"]: row for row in workspace.frame().to_pylist()}
    keys = [key for key in sorted(expected) if rows[key]["zip"] is not None]
    areas = np.array([[np.nan if rows[key]["area"] is None else rows[key]["area"]] for key in keys])
    zips = np.array([["xyz".index(rows[key]["zip"])] for key in keys])
    given = {"pixels": pixels_of(workspace, head, keys), "column.area": areas, "column.zip": zips}
    prediction, low, high = session.run(["prediction", "low", "high"], given)
    for name, values in (("prediction", prediction), ("low", low), ("high", high)):
        np.testing.assert_allclose(values, [expected[key][name] for key in keys], atol=1e-4)


def test_encoders_that_prepare_images_in_their_own_way(workspace, trained, recipes, weights, tmp_path):
    """Each has an input of its own, named after its features; in a folder they go as a graph."""
    head = trained("sizes")
    own, _, smaller = recipes
    written = boda.export_head(workspace, "sizes", to=tmp_path / "sizes", weights=weights)
    assert (written.form, written.agreement.real) == ("onnx", 8)
    session = session_of(tmp_path / "sizes" / "model.onnx")
    assert {one.name: one.shape[1:] for one in session.get_inputs()} == {
        f"pixels.{own}": [64, 64, 3],
        f"pixels.{smaller}": [32, 32, 3],
    }
    root = Path(workspace.source["root"])
    expected = predictions(workspace, head)
    for key in ("red 1.png", "blue 3.png"):
        pixels = {
            f"pixels.{one.name}": prepare((root / key).read_bytes(), one.recipe.pixels)[0][None] for one in head.wanted
        }
        said = session.run(["prediction"], pixels)[0]
        np.testing.assert_allclose(said, [expected[key]["prediction"]], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"precision": "bf16"}, "computed in bf16; the graph computes in fp32"),
        ({"arguments": {"adapter": 1, "backend": "onnx"}}, ""),
    ],
)
def test_features_of_another_precision_or_backend(workspace, trained, weights, tmp_path, change, note):
    """The network is written as torch computes it in fp32; where that was not how features were made, it is said."""
    head = trained("colour")
    recipe = dataclasses.replace(head.recipes[0], **change)
    part = dataclasses.replace(head.preparation.kept[0], recipe=recipe.id)
    head = dataclasses.replace(
        head,
        wanted=(dataclasses.replace(head.wanted[0], recipe=recipe),),
        preparation=dataclasses.replace(head.preparation, kept=(part,)),
    )
    written = boda.export_head(None, head, to=tmp_path / "m.onnx", weights=weights)
    assert written.agreement.largest <= 1e-4
    assert note in "".join(written.notes)
    folder = boda.export_head(None, head, to=tmp_path / "m", weights=weights)
    assert folder.form == "timm"
    assert len(folder.notes) == len(written.notes) == bool(note)


@pytest.mark.parametrize("name", ["views", "averaged"])
def test_units_of_several_images(workspace, trained, weights, tmp_path, name):
    """One input for each view; or all images of one unit, whose features are averaged."""
    head = trained(name)
    boda.export_head(workspace, name, to=tmp_path / "m.onnx", weights=weights)
    session = session_of(tmp_path / "m.onnx")
    rows = [row for row in workspace.frame().to_pylist() if row["house"] == 3]
    of_room = {row["room"]: pixels_of(workspace, head, [row["key"]]) for row in rows}
    views = {"pixels.bath": of_room["bath"], "pixels.kitchen": of_room["kitchen"]}
    together = {"pixels": np.concatenate([of_room["bath"], of_room["kitchen"]])}
    prediction = session.run(["prediction"], views if name == "views" else together)[0]
    expected = predictions(workspace, head)["3"]["prediction"]
    np.testing.assert_allclose(prediction, [expected], rtol=1e-4)


def test_timm_loads_the_folder_and_gives_the_heads_answers(workspace, trained, weights, tmp_path):
    """Scaling and temperature are folded into the classifier; boda finds the encoder's own recipe in it."""
    import timm

    head = trained("colour")
    written = boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights)
    assert written.form == "timm"
    model = timm.create_model(f"local-dir:{tmp_path / 'colour'}", pretrained=True).eval()
    assert model.pretrained_cfg["label_names"] == ["blue", "green", "red"]
    data = timm.data.resolve_model_data_config(model)
    expected = predictions(workspace, head)
    keys = sorted(expected)[:10]
    pixels = torch.from_numpy(pixels_of(workspace, head, keys)).permute(0, 3, 1, 2).float() / 255
    batch = (pixels - torch.tensor(data["mean"])[:, None, None]) / torch.tensor(data["std"])[:, None, None]
    with torch.inference_mode():
        shares = model(batch).softmax(1).numpy()
    ours = np.array([[expected[key][f"p_{name}"] for name in head.target.names] for key in keys])
    np.testing.assert_allclose(shares, ours, atol=1e-4)


@pytest.mark.parametrize(("name", "link"), [("score", lambda s: s[:, 0]), ("good,sharp", lambda s: s.sigmoid())])
def test_numbers_and_labels_as_scores_of_timm(workspace, trained, weights, tmp_path, name, link):
    """A number is its score; labels are sigmoids of theirs, with their slopes and offsets folded in."""
    import timm

    head = trained(name)
    written = boda.export_head(workspace, head, to=tmp_path / "f", weights=weights)
    assert written.form == "timm"
    model = timm.create_model(f"local-dir:{tmp_path / 'f'}", pretrained=True).eval()
    expected = predictions(workspace, head)
    keys = sorted(expected)[:10]
    spec = head.recipes[0].pixels
    pixels = torch.from_numpy(pixels_of(workspace, head, keys)).permute(0, 3, 1, 2).float() / 255
    batch = (pixels - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]
    with torch.inference_mode():
        said = link(model(batch)).numpy()
    names = ["prediction"] if name == "score" else [f"p_{one}" for one in head.target.names]
    ours = np.array([[expected[key][one] for one in names] for key in keys])
    np.testing.assert_allclose(said.reshape(ours.shape), ours, atol=1e-3 if name == "score" else 1e-4)


def test_from_the_hub_it_is_the_same_recipe(workspace, trained, weights, tmp_path, monkeypatch):
    """`hf-hub:` of the folder gives the features the head was trained on, and new images their predictions."""
    head = trained("colour")
    boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights)
    lay(
        offline(monkeypatch, tmp_path / "hub"),
        "me/colours",
        {file.name: file for file in (tmp_path / "colour").iterdir()},
    )
    loaded = encoder_for(head.recipes[0], "hf-hub:me/colours", device="cpu")
    assert loaded.recipe == head.recipes[0]
    assert loaded.class_names == ("blue", "green", "red")
    image = Path(workspace.source["root"]) / "red 1.png"
    said = boda.predict(image, head=tmp_path / "colour", encoder="hf-hub:me/colours", workers=1)
    ours = predictions(workspace, head)["red 1.png"]
    assert said.table()["p_red"].to_pylist() == pytest.approx([ours["p_red"]], abs=1e-4)


def test_a_published_head_keeps_the_keys_of_its_images_to_itself(workspace, trained, weights, tmp_path):
    """No file of the folder names an image; whether it was trained on one it then does not know, and says so."""
    head = trained("score")
    boda.export_head(workspace, head, to=tmp_path / "score", weights=weights)
    for file in (tmp_path / "score").iterdir():
        assert b"red 0" not in file.read_bytes()
    assert not (tmp_path / "score" / "rows.parquet").exists()
    new = boda.predict(
        Path(workspace.source["root"]) / "red 0.png",
        head=tmp_path / "score",
        weights=tmp_path / "score" / "model.safetensors",
        workers=1,
    )
    row = new.table().to_pylist()[0]
    ours = predictions(workspace, head)["red 0.png"]
    assert row["prediction"] == pytest.approx(ours["prediction"], abs=1e-4)
    assert (row["trained_on"], ours["trained_on"]) == (None, True)
    found = boda.evaluate(workspace, tmp_path / "score")
    assert found.trained_on is None
    assert found.unknown["rows"] == 36
    boda.export_head(workspace, head, to=tmp_path / "whole", weights=weights, rows=True)
    kept = boda.predict(workspace.path, head=tmp_path / "whole").table()
    assert kept.equals(boda.predict(workspace.path, head=head).table())
    (tmp_path / "whole" / "rows.parquet").unlink()
    with pytest.raises(Damaged, match=r"no rows\.parquet"):
        boda.predict(workspace.path, head=tmp_path / "whole")


def test_heads_that_are_no_classifier_lie_beside_the_network(workspace, trained, weights, tmp_path):
    """Layers, normalised features and columns: timm gives features, and `--head FOLDER` all the rest."""
    import timm

    for name in ("layer", "normalised", "many"):
        written = boda.export_head(workspace, name if trained(name) else "", to=tmp_path / name, weights=weights)
        assert written.form == "timm encoder"
        model = timm.create_model(f"local-dir:{tmp_path / name}", pretrained=True)
        assert model.num_classes == 0
        folder = predictions(workspace, tmp_path / name)
        assert {key: row["prediction"] for key, row in folder.items()} == {
            key: row["prediction"] for key, row in predictions(workspace, trained(name)).items()
        }


def test_the_card_can_be_read_by_hubs_and_says_what_went_into_it(workspace, trained, weights, tmp_path):
    """Quarantined files with their reason, folds, metrics with intervals and baseline; parsed without a network."""
    from huggingface_hub import ModelCard

    trained("colour")
    boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights)
    found = ModelCard.load(tmp_path / "colour" / "README.md")
    assert (found.data.library_name, found.data.pipeline_tag) == ("timm", "image-classification")
    assert {one.metric_type for one in found.data.eval_results} >= {"accuracy", "log_loss"}
    assert "36 rows. 37 images listed, 1 of these could not be used." in found.text
    assert "| identify/not\\_an\\_image | 1 |" in found.text
    assert re.search(r"\| accuracy \| [\d.]+ \| [\d.]+ to [\d.]+ \| 0\.3", found.text)
    assert "2 folds" in found.text


def test_transformers_prepares_images_as_the_recipe_says(workspace, trained, weights, tmp_path):
    """`preprocessor_config.json` is read back as the pixels of the recipe."""
    pytest.importorskip("transformers")
    from transformers import CLIPImageProcessor

    from boda.encoders.image_processor import pixel_spec

    head = trained("colour")
    boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights)
    processor = CLIPImageProcessor.from_pretrained(tmp_path / "colour", local_files_only=True)
    assert pixel_spec(processor, "here") == head.recipes[0].pixels


def test_a_graph_that_says_something_else_is_not_written(workspace, trained, weights, tmp_path, monkeypatch):
    """The check runs on the finished graph: a wrong weight in it is found, and nothing is left behind."""
    head = trained("colour")
    wrong = dataclasses.replace(head.preparation.kept[0], mean=head.preparation.kept[0].mean + 0.1)
    changed = dataclasses.replace(head, preparation=dataclasses.replace(head.preparation, kept=(wrong,)))
    honest = one_graph.add_head
    monkeypatch.setattr(one_graph, "add_head", lambda nodes, _, given, rows: honest(nodes, changed, given, rows))
    with pytest.raises(Refused, match=r"its ONNX graph is off by .* nothing was written"):
        boda.export_head(workspace, "colour", to=tmp_path / "m.onnx", weights=weights)
    assert not list(tmp_path.iterdir())


def test_a_classifier_that_float32_cannot_hold_stays_beside_the_network(workspace, trained, weights, tmp_path):
    """A head whose offset drowns its scores in float32 is written as it is, and the note says why."""
    head = trained("score")
    far = dataclasses.replace(head, model=dataclasses.replace(head.model, offset=head.model.offset + 1e7))
    written = boda.export_head(workspace, far, to=tmp_path / "far", weights=weights)
    assert written.form == "timm encoder"
    assert "as its classifier in float32 it would be off by" in written.notes[0]


def test_a_network_that_timm_cannot_say_goes_as_a_graph(workspace, trained, weights, tmp_path, monkeypatch):
    """The folder then holds `model.onnx`, which is the head too."""
    trained("colour")

    def no(*_):
        raise Refused("encoder 'x' is no network of timm")

    monkeypatch.setattr("boda.encoders.timm_layout.timm_layout", no)
    written = boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights)
    assert written.form == "onnx"
    assert "model.onnx" in written.files
    assert written.notes == ("the network is an ONNX graph: encoder 'x' is no network of timm",)
    assert "onnxruntime" in (tmp_path / "colour" / "README.md").read_text()


def test_encoders_without_a_network_stay_behind(tmp_path):
    """Handmade features are no graph; imported ones come from nobody knows where. The head goes alone, and says so."""
    colours = make_workspace(tmp_path / "c.boda", make_photos(tmp_path / "photos", each=6))
    keys = [row["key"] for row in colours.frame().to_pylist() if row["key"].split()[0] in COLOURS]
    (tmp_path / "c.csv").write_text("file,colour\n" + "\n".join(f"{key},{key.split()[0]}" for key in keys))
    boda.label(colours, tmp_path / "c.csv")
    boda.train(colours, "colour", folds=2)
    with pytest.raises(Refused, match="not computed by torch: it cannot be written as an ONNX graph"):
        boda.export_head(colours, "colour", to=tmp_path / "m.onnx")
    written = boda.export_head(colours, "colour", to=tmp_path / "colour")
    assert (written.form, written.agreement) == ("head", None)
    assert "its encoder is not here" in written.notes[0]
    rng = np.random.default_rng(0)
    strange = synthetic_workspace(tmp_path / "s.boda", {"f": rng.normal(size=(40, 4))}, {"y": rng.normal(size=40)})
    boda.train(strange, "y", folds=2)
    assert boda.export_head(strange, "y", to=tmp_path / "y").form == "head"
    with pytest.raises(Refused, match="nobody knows what computed the features"):
        boda.export_head(strange, "y", to=tmp_path / "y.onnx")


def test_columns_alone_are_a_graph(workspace, tmp_path):
    """A head without images has no pixels, and no encoder to load."""
    boda.train(workspace, "score", inputs=["area", "zip"], name="columns", folds=2)
    boda.export_head(workspace, "columns", to=tmp_path / "m.onnx")
    assert [one.name for one in session_of(tmp_path / "m.onnx").get_inputs()] == ["column.area", "column.zip"]
    assert boda.export_head(workspace, "columns", to=tmp_path / "c").form == "head"


def test_nothing_is_written_over(workspace, trained, weights, tmp_path):
    """Without --force; with it what an older export left there goes, and other files stay."""
    trained("colour")
    export = {"weights": weights, "rows": True}
    boda.export_head(workspace, "colour", to=tmp_path / "f", **export)
    (tmp_path / "f" / "mine.txt").write_text("mine")
    (tmp_path / "f" / "model.onnx").write_text("old")
    with pytest.raises(Refused, match="is there already; give --force"):
        boda.export_head(workspace, "colour", to=tmp_path / "f", **export)
    boda.export_head(workspace, "colour", to=tmp_path / "f", weights=weights, force=True)
    left = {file.name for file in (tmp_path / "f").iterdir()}
    assert left == {
        "README.md", "config.json", "head.json", "mine.txt", "model.safetensors", "preprocessor_config.json",
        "weights.safetensors",
    }  # fmt: skip
    (tmp_path / "m.onnx").write_text("old")
    with pytest.raises(Refused, match="is there already"):
        boda.export_head(workspace, "colour", to=tmp_path / "m.onnx", weights=weights)
    with pytest.raises(NotFound, match="no such folder to write into"):
        boda.export_head(workspace, "colour", to=tmp_path / "nowhere" / "m.onnx", weights=weights)
    with pytest.raises(Refused, match=r"give NAME\.onnx for one graph, or .*/m\.pt/ for a folder"):
        boda.export_head(workspace, "colour", to=tmp_path / "m.pt", weights=weights)


def test_without_onnx_it_is_said_what_to_install(workspace, trained, weights, tmp_path, monkeypatch):
    """Before anything is written; timm's layout needs none of it."""
    trained("colour")
    for package in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtra, match=r"boda\[onnx\]"):
                boda.export_head(workspace, "colour", to=tmp_path / "m.onnx", weights=weights)
    assert not (tmp_path / "m.onnx").exists()
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert boda.export_head(workspace, "colour", to=tmp_path / "colour", weights=weights).form == "timm"


def test_from_the_command_line(workspace, trained, weights, tmp_path):
    """With a workspace or with the folder of a head alone; then it is compared on made images."""
    from boda.cli.main import cli

    trained("colour")
    run = CliRunner().invoke
    options = ["--weights", str(weights), "--json"]
    said = run(cli, ["export-head", str(workspace.path), "--head", "colour", "--to", f"{tmp_path}/a/", *options])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["agreement"]["real_images"] == 8
    said = run(cli, ["export-head", "--head", f"{tmp_path}/a", "--to", f"{tmp_path}/b.onnx", *options[:2]])
    assert said.exit_code == 0, said.output
    assert "on 4 made images and 0 of the workspace" in said.stdout
    said = run(cli, ["export-head", str(workspace.path), "--head", "none", "--to", f"{tmp_path}/c", *options])
    assert said.exit_code == 1
    assert "no head of this name" in said.stderr


def test_tolerances_are_of_the_size_of_predictions(trained):
    """A number is measured by how much predictions differ, so that a price and a redshift are held to the same."""
    head = trained("score")
    points = np.array([20.0, 21.0])
    from boda.heads.answers import Answers

    spread = head.trained.out_of_fold.std()
    off = agreement.worst(head, Answers(head.target, points), {"prediction": points + 1e-3})
    assert off == pytest.approx(1e-3 / spread, rel=1e-3)
    assert agreement.worst(head, Answers(head.target, points), {"prediction": points[:1]}) == np.inf


@pytest.mark.slow
def test_auto_on_real_photographs(boda_data, tmp_path):
    """The default encoder on 24 photographs: one graph, and timm's own loading of the folder, say what boda says."""
    import timm

    from hub_cache import real_photographs

    photos = tmp_path / "photos"
    photos.mkdir()
    for row, content in enumerate(real_photographs(boda_data, 24)):
        (photos / f"{row:02}.jpg").write_bytes(content)
    made = boda.embed(photos, encoders=["auto"], precision="fp32", to=tmp_path / "w.boda", workers=1)
    lines = [f"{row:02}.jpg,{'ab'[row % 2]}" for row in range(24)]
    (tmp_path / "k.csv").write_text("file,kind\n" + "\n".join(lines))
    boda.label(made, tmp_path / "k.csv")
    head = boda.train(made, "kind", folds=2)
    expected = predictions(made, head)
    keys = sorted(expected)
    pixels = pixels_of(made, head, keys)
    ours = np.array([[expected[key]["p_a"], expected[key]["p_b"]] for key in keys])
    assert boda.export_head(made, "kind", to=tmp_path / "kind.onnx").agreement.real == 8
    shares = session_of(tmp_path / "kind.onnx").run(["probabilities"], {"pixels": pixels})[0]
    np.testing.assert_allclose(shares, ours, atol=1e-4)
    assert boda.export_head(made, "kind", to=tmp_path / "kind").form == "timm"
    model = timm.create_model(f"local-dir:{tmp_path / 'kind'}", pretrained=True).eval()
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        np.testing.assert_allclose(model((batch - 0.5) / 0.5).softmax(1).numpy(), ours, atol=1e-4)
