"""boda train-net says what was learned, what was left out, and how to use it; one line where it cannot."""

import shutil

import numpy as np
import pytest
from PIL import Image

from drawn_classes import write
from spoken import one_line, one_object

pytest.importorskip("torch")

from boda.pipelines.networks import gathering
from decoding_here import decoded

SMALL = ["--net", "autoencoder?features=4&stages=2-2-2", "--size", "32", "--epochs", "1", "--batch", "8"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """16 images of two classes in `images`, in the current folder; decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "images", 16, seed=0)
    return tmp_path


def test_it_says_what_was_learned_and_goes_on_by_its_folder(run):
    """As text and as one JSON object."""
    said = run("train-net", "images", "--target", "class", *SMALL, "--to", "run")
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[0] == "autoencoder: 2 classes, from 14 images; 2 to choose the epoch by"
    assert lines[1].startswith("trained as autoencoder-fast, but epochs 1")
    assert lines[-1] == "encoder: run:run"
    record = one_object(run("train-net", "--resume", "run", "--json"))
    assert (record["encoder"], record["target"], record["kind"], record["head"]) == ("run:run", "class", "class", None)
    assert one_line(run("train-net", "--resume", "run", "--seed", "3")).startswith(
        "boda: seed: --resume without a source"
    )
    assert one_line(run("train-net")).startswith("boda: no source of images: give one")


def test_it_says_what_was_left_out_enlarged_and_taken_over(run, here):
    """Each in a line with its count."""
    run("train-net", "images", *SMALL, "--to", "first")
    files = sorted((here / "images").rglob("*.png"))
    Image.fromarray(np.zeros((20, 16, 3), np.uint8)).save(files[0])
    rows = [f"{file},{file.parent.name if row != 5 else ''}" for row, file in enumerate(files)]
    (here / "table.csv").write_text("file,what\n" + "\n".join(rows))
    said = run("train-net", "table.csv", "--target", "what", "--init", "first", *SMALL, "--to", "run").stdout
    assert "begun with 16 of 20 tensors of the other run" in said
    assert "left out, no target: 1" in said
    assert "1 image is smaller than the 32 pixels that the network sees, and enlarged; the smallest, " in said


def test_images_alone_and_classes_beside_them(run):
    """What is learned is named; the weight of the classes is an option."""
    said = run("train-net", "images", *SMALL, "--to", "seen").stdout
    assert said.startswith("autoencoder: the images themselves, from 14 images")
    both = run("train-net", "images", "--target", "class", "--classes-weight", "0.5", *SMALL, "--to", "both").stdout
    assert "validation loss" in both and "validation error" in both


def test_a_number_is_named_and_has_a_head(run, here):
    """It is no image that is learned."""
    files = sorted((here / "images").rglob("*.png"))
    (here / "table.csv").write_text("file,light\n" + "\n".join(f"{file},{n + 0.5}" for n, file in enumerate(files)))
    said = run("train-net", "table.csv", "--target", "light", "--epochs", "1", "--batch", "8", "--to", "run").stdout
    assert said.startswith("resnet20: light (number), from 14 images")
    assert said.endswith("encoder: run:run\nhead: run/head\n")


def test_a_flip_that_changes_a_class_names_the_options_of_the_command(run, here):
    """Not words of the library alone; and the corrected command finds an empty place."""
    shutil.move(here / "images" / "over", here / "images" / "left")
    asked = ["train-net", "images", "--target", "class", *SMALL, "--augmentation", "flip", "--to", "run"]
    assert "say that it swaps none (--no-swaps)" in one_line(run(*asked))
    assert run(*asked, "--no-swaps").exit_code == 0
