"""What a ResNet learned is a head that says it of new images: a number in its own units, ratings, classes."""

import json

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import Refused
from boda.pipelines.networks import gathering
from boda.training.objective import Objective
from boda.training.preset import Preset
from decoding_here import decoded
from drawn_classes import write

torch = pytest.importorskip("torch")

from boda.pipelines.networks import running  # noqa: E402


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """40 plain images, a number far from 0 that is their brightness, and how many people find them dark or bright."""
    folder = tmp_path_factory.mktemp("numbers")
    rng = np.random.default_rng(2)
    lines = ["file,bright,count_1,count_2"]
    for row in range(40):
        level = int(rng.integers(20, 235))
        pixels = np.clip(level + rng.normal(0, 10, (32, 32, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{row:02}.png")
        lines.append(f"{row:02}.png,{1000 + level},{255 - level},{level}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder / "table.csv"


def test_a_number_is_learned_with_what_is_taken_unasked_and_predicted(table, tmp_path):
    """The rate for classes would end in no number at all; the head says brightness in its own units."""
    found = boda.train_network(
        table, target="bright", target_kind="number", to=tmp_path / "run", settings={"batch": 8, "epochs": 5}
    )
    assert found.preset.name == "cifar-number"
    assert found.best["validation_loss"] < 0.5
    facts = json.loads((found.folder / "network.json").read_bytes())["target"]
    assert (facts["kind"], facts["name"]) == ("number", "bright")
    assert 1000 < facts["middle"] < 1255
    images = sorted(table.parent.glob("*.png"))[:8]
    said = boda.predict(images, head=found.head).answers.points
    truth = [1000 + np.asarray(Image.open(image)).mean() for image in images]
    assert np.corrcoef(np.ravel(said), truth)[0, 1] > 0.8
    assert np.abs(np.ravel(said) - truth).mean() < 60
    with pytest.raises(Refused, match=r"no classifier.*--head with the head of the run"):
        boda.predict(images[0], encoder=found.encoder)


@pytest.mark.parametrize(("target", "kind"), [("count_*", "ratings"), ("class", "class")])
def test_ratings_and_classes_have_a_head_too(table, tmp_path, target, kind):
    """Which says what the network says."""
    tiny = Preset("tiny", epochs=1, batch=8, lr=0.02)
    source = table if kind == "ratings" else write(tmp_path / "images", 16, seed=0)
    found = boda.train_network(source, target=target, to=tmp_path / "run", preset=tiny)
    assert (found.kind, found.as_json()["kind"]) == (kind, kind)
    image = next(iter(source.parent.glob("*.png"))) if kind == "ratings" else next(source.rglob("*.png"))
    said = boda.predict([image], head=found.head)
    assert said.head.target.kind == kind
    assert said.trained_on.all()
    assert said.answers.points is not None
    if kind == "class":
        by_network = boda.predict([image], encoder=found.encoder, topk=1).predictions[0].topk[0].name
        (row,) = said.as_json()["predictions"]
        assert row["prediction"] == by_network


def test_classes_beside_images_teach_the_encoder(tmp_path):
    """Were its features cut off from the classifier, the weight would change nothing of the encoder."""
    source = write(tmp_path / "images", 16, seed=0)
    net = {
        "net": "autoencoder?features=4&stages=2-2-2",
        "size": 32,
        "preset": Preset("tiny", epochs=1, batch=8, lr=0.05),
    }
    from safetensors.torch import load_file

    encoders = []
    for weight in (1e-6, 5.0):
        run = boda.train_network(
            source,
            target="class",
            objective=Objective(classes_weight=weight),
            to=tmp_path / f"{weight}",
            keep_epochs=(1,),
            **net,
        )
        assert run.head is None
        assert {"validation_loss", "validation_error"} <= run.best.keys()
        encoders.append(load_file(run.folder / "epoch-0001.safetensors")["encoder.0.weight"])
    assert not torch.equal(*encoders)


@pytest.mark.parametrize(
    "how", [{"target": "class"}, {}, {"target": "class", "objective": Objective(classes_weight=1)}]
)
def test_what_wants_a_gradient_has_one(tmp_path, monkeypatch, how):
    """Several processes wait for all that do: a decoder whose images nobody asks for is none of these."""
    runs = []
    own = running.train
    monkeypatch.setattr(running, "train", lambda run, *more: runs.append(run) or own(run, *more))
    boda.train_network(
        write(tmp_path / "images", 16, seed=0),
        net="autoencoder?features=4&stages=2-2-2",
        size=32,
        preset=Preset("tiny", epochs=1, batch=8, lr=0.05),
        to=tmp_path / "run",
        **how,
    )
    (run,) = runs
    assert all((one.grad is not None) == one.requires_grad for one in run.network.parameters())
