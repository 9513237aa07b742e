"""The recipe as a command: published tables with ours beside, and a run that goes on after a stop."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch

import ava_aesthetics
from ava.features import AvaFeatures, of_cache
from ava.published_figures import EPOCHS, SPEARMAN
from ava.published_training import Settings
from ava.study import Effort
from ava.table import AvaTable, read_table

RECIPE = Path(ava_aesthetics.__file__)
LITTLE = Effort(Settings(), epochs=7, rounds=20)


@pytest.fixture
def table(tmp_path) -> Path:
    """2,000 images that 100 people rated."""
    rng = np.random.default_rng(2)
    shares = np.exp(-np.square(np.arange(1, 11) - rng.normal(5.4, 0.8, (2000, 1))) / 4)
    counts = rng.multinomial(100, shares / shares.sum(axis=1, keepdims=True))
    lines = [f"{row + 1} {row + 500} {' '.join(map(str, one))} 0 0 0" for row, one in enumerate(counts)]
    (tmp_path / "AVA.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "AVA.txt"


def small(table: AvaTable) -> np.ndarray:
    """16 wide, of which each tells a little."""
    noise = np.random.default_rng(0).normal(size=(len(table), 16))
    return (noise + 0.3 * table.means[:, None]).astype(np.float32)


def test_published_figures_are_five_epochs_of_two_encoders_and_scales():
    """Of either encoder and scale, each epoch better than the one before."""
    assert {name: set(scales) for name, scales in SPEARMAN.items()} == {
        "ViT-B/16": {"raw", "divided by ten"},
        "ViT-B/32": {"raw", "divided by ten"},
    }
    for values in (values for scales in SPEARMAN.values() for values in scales.values()):
        assert len(values) == EPOCHS
        assert list(values) == sorted(values)
    assert SPEARMAN["ViT-B/16"]["divided by ten"][-1] == 0.6844


def test_features_give_tables_a_picture_and_json(table, tmp_path):
    """Published beside ours; the second run takes the published training from its checkpoints."""
    read = read_table(table)
    features = AvaFeatures("generated", read.ids, small(read))
    text = ava_aesthetics.run(read, (features,), tmp_path, LITTLE)
    assert (tmp_path / "report.md").read_text() == text
    assert "| 5 | 0.5678 | 0.6844 | 0.5250 | 0.6753 |" in text
    assert "the best epoch was chosen on the test rows" in text
    assert "Noise ceiling" in text
    found = json.loads((tmp_path / "report.json").read_text())
    assert [one["scaling"] for one in found["studies"]] == ["raw", "normalised"]
    one = found["studies"][0]
    assert abs(one["differences"]["closed form, divided by ten less closed form, raw"]["value"]) < 1e-9
    of = one["published"]
    np.testing.assert_allclose(of["raw, ten times the rate"], of["divided by ten"], atol=1e-3)
    np.testing.assert_allclose(one["curves"]["raw"][:5], of["raw"], atol=1e-3)
    svg = (tmp_path / "curves-generated.svg").read_bytes()
    assert ET.fromstring(svg).tag.endswith("svg")
    assert len(svg) < 100_000
    ava_aesthetics.run(read, (features,), tmp_path, LITTLE)
    second = json.loads((tmp_path / "report.json").read_text())["studies"][0]
    assert second["published"] == of
    assert "raw, 5 epochs" in one["seconds"]
    assert "raw, 5 epochs" not in second["seconds"], "nothing was trained"


def test_caches_of_both_encoders_are_told_apart(table, tmp_path):
    """Two caches, two parts of one report; an encoder with published figures has only its own beside it."""
    read = read_table(table)
    for folder in ("b16", "b32"):
        (tmp_path / folder).mkdir()
        for start in range(0, 1990, 640):
            rows = slice(start, min(start + 640, 1990))
            record = {
                "image_names": [f"{one}.jpg" for one in read.ids[rows].tolist()],
                "image_features": torch.from_numpy(small(read)[rows]),
            }
            torch.save(record, tmp_path / folder / f"{start}.pt")
    both = tuple(of_cache(f"ViT-B/{name[1:]}", f"{tmp_path / name}/*.pt") for name in ("b16", "b32"))
    text = ava_aesthetics.run(read, both, tmp_path / "out", LITTLE)
    assert text.count("| epoch | ViT-B/16 raw, published | ViT-B/16 divided by ten, published | raw, here |") == 2
    assert text.count("| epoch | ViT-B/32 raw, published | ViT-B/32 divided by ten, published | raw, here |") == 2
    assert "1,990 of them have features" in text
    assert {one.name for one in (tmp_path / "out").glob("*.svg")} == {"curves-ViT-B16.svg", "curves-ViT-B32.svg"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.txt", "--generated"], "nowhere.txt: no such file"),
        (["TABLE", "--cache", "ava_embeddings"], "write it as NAME=PATTERN"),
        (["TABLE", "--cache", "ViT-B/16=nowhere/*.pt"], "no file fits this pattern"),
    ],
)
def test_what_cannot_be_is_one_line(table, words, message, tmp_path, monkeypatch):
    """No traceback."""
    given = [str(table) if word == "TABLE" else word for word in words]
    monkeypatch.setattr(sys, "argv", ["ava_aesthetics.py", *given, "--to", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=message) as stopped:
        ava_aesthetics.main()
    assert str(stopped.value).startswith("ava_aesthetics: ")
    assert "\n" not in str(stopped.value)


@pytest.mark.slow
def test_the_command_runs_quickly_on_a_sample(table, tmp_path):
    """As its page says, from a fresh process."""
    words = [sys.executable, RECIPE, table, "--generated", "--quick", "--to", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.md").read_text().strip() in done.stdout
