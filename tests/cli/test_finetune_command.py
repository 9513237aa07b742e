"""boda finetune says what tuning gained with its interval, or that nothing was measured."""

import pytest

from spoken import one_line, one_object
from tunable import make_tunable

pytest.importorskip("torch")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A workspace `w.boda` of 32 images and a network for them, in the current folder."""
    monkeypatch.chdir(tmp_path)
    make_tunable(tmp_path)
    network = ["--encoder", "resnet:resnet20", "--weights", "net.safetensors"]
    return ["finetune", "w.boda", *network, "--target", "class", "--epochs", "1", "--batch", "8", "--to", "run"]


def test_it_says_gain_seconds_encoder_and_head(run, tiny):
    """As text and as one JSON object; the second call finds everything done."""
    said = run(*tiny, "--folds", "2")
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[0] == "class (class) from 32 images, by resnet:resnet20, tuned"
    assert lines[2].split() == ["metric", "baseline", "frozen", "tuned", "gain", "low", "high"]
    assert any(line.startswith("auc: by the 90 % interval of the gain ") for line in lines)
    assert lines[-2:] == ["encoder: run:run", "head: run/head"]
    record = one_object(run(*tiny, "--folds", "2", "--json"))
    assert record["encoder"] == "run:run"
    assert record["comparison"]["metric"] == "auc"


def test_without_a_comparison_it_says_that_nothing_was_measured(run, tiny):
    """No figure stands where nothing was held out."""
    said = run(*tiny, "--no-compare")
    assert "nothing was measured: nobody knows whether this is better than the frozen encoder" in said.stdout
    assert "auc" not in said.stdout


def test_an_encoder_that_learns_nothing_is_one_line(run, tiny):
    """What, and what to give instead."""
    said = run("finetune", "w.boda", "--encoder", "handmade:hog-colour", "--target", "class")
    assert one_line(said) == (
        "boda: encoder 'handmade:hog-colour' has nothing to train: give auto, timm:, resnet:, run: or hf-hub:"
    )
