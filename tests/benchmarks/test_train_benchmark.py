"""The benchmark of training runs, tiny, and judges made-up figures rightly."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the benchmarks folder by its name, as the scripts themselves import it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_ratios_are_medians_within_rounds(script, tmp_path, capsys, monkeypatch):
    """By answers made up so that a drifting machine changes the rates but not the ratios."""
    benchmark = script("train")
    monkeypatch.setattr(benchmark, "noise_probe", lambda: {"seconds": 1.0, "load": 2.0})
    monkeypatch.setattr(benchmark, "unpacked", lambda data, to: to)
    monkeypatch.setattr(benchmark, "bf16_is_fast", lambda device: True)
    seen: list[str] = []

    def pretend(job: Any) -> dict[str, Any]:
        name = f"{job.who} {job.precision}"
        seen.append(name)
        speed = 0.5 ** (seen.count(name) - 1)  # half as fast in the second round
        rate = {"ours fp32": 26, "ours bf16": 39, "textbook fp32": 20, "reference fp32": 13}[name] * speed
        more = {"loader": 5_000.0} if job.who == "ours" else {}
        return {"images": 4, "seconds": 4 / rate, "losses": [2.0], "loss": 2.0, "test": {"error": 0.5}, **more}

    words = ["data", "--networks", "resnet20", "--rounds", "2", "--out", str(tmp_path / "o.json")]
    benchmark.main(words, run=pretend)
    lines = capsys.readouterr().out.splitlines()
    fp32, bf16 = (next(line for line in lines if f"| ours {one} |" in line) for one in ("fp32", "bf16"))
    assert "| 19.5 (13.0-26.0) | 1.30, met (>= 1.25) | 2.00 |  | 5,000 | 2.000 | 0.500 |" in fp32
    assert "1.95, missed (>= 2)" in bf16
    assert "noise: 3 probes, from slowest to fastest 0.0% of the median; load at most 2.0" in lines
    assert sorted(seen[:4]) == sorted(seen[4:])
    assert seen[:4] != seen[4:]
    told = json.loads((tmp_path / "o.json").read_text())
    assert {"date", "machine", "versions", "commit", "device", "seed"} <= set(told)
    assert len(told["results"][0]["rounds"]) == 2


@pytest.mark.parametrize("network", ["resnet20", "resnet18"])
def test_everybody_begins_with_the_same_weights(script, network):
    """Torchvision's network too, so that losses can be compared."""
    contestants = script("training_contestants")
    states = []
    for who in ("ours", "textbook", "reference", "limit"):
        job = contestants.Job(who, network, "", "", batch=4, steps=1, warm=0, lr=0.1)
        torch.manual_seed(job.seed)
        states.append(contestants.made(job, 4).state_dict())
    for other in states[1:]:
        assert other.keys() == states[0].keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in states[0].items())


def test_everybody_takes_the_same_steps_on_real_images(script, boda_data, monkeypatch):
    """Timed steps only are counted; losses of all are near each other and near chance, and errors are shares."""
    contestants = script("training_contestants")
    monkeypatch.setitem(contestants._HELD, "cifar", 20)
    answers = {}
    for who, precision in (
        ("textbook", "fp32"),
        ("reference", "fp32"),
        ("ours", "fp32"),
        ("ours", "bf16"),
        ("limit", "fp32"),
    ):
        job = contestants.Job(
            who, "resnet20", str(boda_data), "", batch=8, steps=3, warm=1, lr=0.01, precision=precision, count=40
        )
        answers[f"{who} {precision}"] = contestants.do(job)
    for name, answer in answers.items():
        assert (answer["images"], answer["seconds"] > 0) == (24, True), name
        if not name.startswith("limit"):
            assert len(answer["losses"]) == 4
            assert 1.5 < np.mean(answer["losses"]) < 4
            assert 0 <= answer["test"]["error"] <= 1
    assert answers["ours fp32"]["loader"] > 0
    first = [answers[name]["losses"][0] for name in ("ours fp32", "ours bf16")]
    assert first[0] == pytest.approx(first[1], abs=0.05)


def test_photographs_are_read_from_files(script, boda_data, tmp_path, monkeypatch):
    """By both loops; four categories, and what is tested was not learned from."""
    contestants = script("training_contestants")
    monkeypatch.setitem(contestants._HELD, "photographs", 4)
    files = contestants.unpacked(boda_data, tmp_path)
    for who in ("textbook", "ours"):
        job = contestants.Job(who, "resnet18", str(boda_data), str(files), batch=2, steps=1, warm=1, lr=0.01, count=20)
        material = contestants.photographs(job)
        assert material.classes == 4
        assert not set(material.learned) & set(material.held)
        assert all(file.is_file() for file in material.files)
        answer = contestants.do(job)
        assert answer["images"] == 2
        assert 0 <= answer["test"]["error"] <= 1
    assert answer["loader"] > 0


def test_the_time_to_an_accuracy_counts_training_only(script, boda_data, tmp_path, monkeypatch):
    """Reached at once where any error will do, never where none will."""
    import pyarrow.parquet as pq

    contestants = script("training_contestants")
    table = pq.read_table(boda_data / "cifar10_test" / "test.parquet").slice(0, 60)
    (tmp_path / "cifar10_test").mkdir()
    pq.write_table(table, tmp_path / "cifar10_test" / "test.parquet")
    for row in table.to_pylist():
        place = tmp_path / "train" / row["class"] / f"{row['index']}.webp"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(row["image"])
    monkeypatch.setattr(contestants, "WIDE", contestants.architecture("resnet20"))
    for error, reached in ((1.0, True), (-1.0, False)):
        found = contestants.time_to(tmp_path / "train", tmp_path, "cpu", epochs=1, error=error)
        assert (found["seconds"] is not None) == reached
        assert found["all_seconds"] > 0
