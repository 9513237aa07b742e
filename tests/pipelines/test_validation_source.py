"""`boda.train_network(validation=SOURCE)`: other images choose the best epoch, and none of them is learned from."""

import csv

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.networks import gathering
from boda.training.preset import Preset
from decoding_here import decoded

TINY = {
    "net": "autoencoder?features=4&stages=2-2-2",
    "size": 32,
    "preset": Preset("tiny", epochs=2, batch=8, lr=0.02),
    "workers": 1,
}


def write(folder, count, *, seed, classes=("over", "under")):
    """Images by class with a bright upper or lower half."""
    rng = np.random.default_rng(seed)
    for row in range(count):
        place = folder / classes[row % len(classes)] / f"{row:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 90, (32, 32, 3))
        pixels[:16] += 120 * (row % 2)
        pixels[16:] += 120 * (1 - row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
    return folder


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """24 images to learn from, and 10 others whose files are called the same."""
    folder = tmp_path_factory.mktemp("two")
    return write(folder / "train", 24, seed=0), write(folder / "test", 10, seed=1)


def test_all_rows_are_learned_from_and_all_others_choose(two, tmp_path):
    """Counts, the list of rows and the record say so; equal names do not confuse them."""
    train, test = two
    found = boda.train_network(train, target="class", validation=test, to=tmp_path / "run", **TINY)
    assert (found.training, found.validation) == (24, 10)
    assert found.validation_source == str(test)
    assert found.as_json()["validation_source"] == str(test)
    with (tmp_path / "run" / "split.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert parts == ["training"] * 24 + ["validation source"] * 10


@pytest.mark.parametrize("net", [TINY["net"], pytest.param("resnet18", marks=pytest.mark.slow)])
def test_the_score_of_the_best_epoch_is_that_of_the_other_images(two, tmp_path, net):
    """What the kept network says of them errs as often as the history says; files and memory alike."""
    train, test = two
    found = boda.train_network(train, target="class", validation=str(test), to=tmp_path / "run", **TINY | {"net": net})
    pages = boda.predict(test, encoder=found.encoder, topk=1).predictions
    wrong = np.mean([page.topk[0].name != page.key.partition("/")[0] for page in pages])
    assert wrong == pytest.approx(found.best["validation_error"])


def test_what_the_others_show_is_not_learned(two, tmp_path):
    """Other validation images give the same weights after as many epochs, and other scores."""
    train, test = two
    other = write(tmp_path / "noise", 6, seed=7)
    runs = [
        boda.train_network(
            train, target="class", validation=one, to=tmp_path / f"run-{place}", keep_epochs=(2,), **TINY
        )
        for place, one in enumerate((test, other))
    ]
    first, second = ((run.folder / "epoch-0002.safetensors").read_bytes() for run in runs)
    assert first == second
    assert runs[0].history[0]["train_loss"] == runs[1].history[0]["train_loss"]
    assert runs[0].history[0]["validation_loss"] != runs[1].history[0]["validation_loss"]


def test_a_run_with_other_validation_images_is_another_run(two, tmp_path):
    """The folder refuses it; the same again goes on."""
    train, test = two
    first = boda.train_network(train, target="class", validation=test, to=tmp_path / "run", **TINY)
    again = boda.train_network(train, target="class", validation=test, to=tmp_path / "run", **TINY)
    assert again.history == first.history
    with pytest.raises(Refused, match="another"):
        boda.train_network(train, target="class", validation=0.25, to=tmp_path / "run", **TINY)


def test_images_of_an_autoencoder_may_be_validated_elsewhere_too(two, tmp_path):
    """No target is needed on either side; a workspace will do."""
    train, test = two
    workspace = boda.embed(test, encoders="handmade:hog-colour", to=tmp_path / "test.boda")
    found = boda.train_network(train, validation=workspace, to=tmp_path / "run", **TINY)
    assert (found.training, found.validation) == (24, 10)


def test_images_that_cannot_be_read_are_listed_from_both_sides(two, tmp_path):
    """Those of the validation source are marked, so that equal names stay apart."""
    train, test = write(tmp_path / "train", 8, seed=0), write(tmp_path / "test", 4, seed=1)
    for folder in (train, test):
        (folder / "over" / "broken.png").write_bytes(b"no image")
    found = boda.train_network(train, target="class", validation=test, to=tmp_path / "run", **TINY)
    assert (found.training, found.validation, found.unreadable) == (8, 4, 2)
    listed = (tmp_path / "run" / "unreadable.csv").read_text()
    assert "over/broken.png," in listed
    assert "over/broken.png (validation)," in listed


def test_validation_that_makes_no_sense_is_one_line(two, tmp_path):
    """The same images, an unknown class, no such column, groups, a share too large, nothing there."""
    train, test = two
    strange = write(tmp_path / "strange", 4, seed=2, classes=("over", "sideways"))
    table = tmp_path / "table.csv"
    table.write_text("file\n" + "\n".join(str(one) for one in sorted(test.rglob("*.png"))))
    for how, error, said in (
        ({"validation": train}, Refused, "these are the images that are learned from"),
        ({"validation": strange}, Refused, "validation: .*'sideways'"),
        ({"validation": table}, NotFound, "validation: .*class"),
        ({"validation": test, "groups": "class"}, Refused, "leave out one of them"),
        ({"validation": 0.9}, Refused, "validation=0.9"),
        ({"validation": tmp_path / "none"}, NotFound, "nothing is there"),
    ):
        with pytest.raises(error, match=said):
            boda.train_network(train, target="class", to=tmp_path / "run", **TINY, **how)
    assert not (tmp_path / "run").exists()
