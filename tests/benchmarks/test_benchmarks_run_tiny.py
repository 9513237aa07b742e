"""The benchmarks run, tiny, and say what they measured; their figures are judged by hand-made answers."""

import hashlib
import importlib
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

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


def run(*words: str) -> str:
    """What a script prints; its process must end well."""
    done = subprocess.run([sys.executable, *words], cwd=BENCHMARKS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "size", "format"),
    [("photo", (500, 375), "JPEG"), ("large", (4000, 3000), "JPEG"), ("tiny", (32, 32), "PNG")],
)
def test_sets_have_their_size_and_no_two_files_are_alike(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int], format: str
) -> None:
    """Also alike on every run with the same seed, and readable by Pillow."""
    sets = script("image_sets")
    monkeypatch.setattr(sets, "_LARGE_PICTURES", 2)
    count = 5 if name == "large" else 50
    bytes_in_all = sets.write_set(sets.SETS[name], count, tmp_path / "a", seed=1)
    files = sorted((tmp_path / "a").iterdir())
    data = [path.read_bytes() for path in files]
    assert len(set(data)) == count
    assert sum(map(len, data)) == bytes_in_all
    with Image.open(BytesIO(data[-1])) as image:
        assert (image.size, image.format, image.mode) == (size, format, "RGB")
        image.load()
    if name != "large":
        sets.write_set(sets.SETS[name], count, tmp_path / "b", seed=1)
        again = [path.read_bytes() for path in sorted((tmp_path / "b").iterdir())]
        assert [hashlib.sha256(d).digest() for d in again] == [hashlib.sha256(d).digest() for d in data]


def test_the_limit_is_what_two_busy_cores_do(script: Any) -> None:
    """For two cores 2 / (1/decode + 2/forward); one core alternates; free decoding leaves the forward pass."""
    limit = script("limit").limit
    assert limit(100.0, 50.0, 2) == pytest.approx(2 / (1 / 100 + 2 / 50))
    assert limit(100.0, 25.0, 1) == pytest.approx(1 / (1 / 100 + 1 / 25))
    assert limit(1e12, 50.0, 8) == pytest.approx(50.0)


def test_the_highest_target_that_fits_counts(script: Any) -> None:
    """resnet18 on 12 megapixels has targets of its own."""
    target = script("embed").target
    assert target("loop", precision="fp32", decode="scaled", images="photo", model="resnet18") == 1.4
    assert target("loop", precision="fp32", decode="scaled", images="large", model="resnet18") == 4.2
    assert target("loop", precision="fp32", decode="exact", images="large", model="resnet18") == 1.7
    assert target("loop", precision="bf16", decode="scaled", images="large", model="resnet18") == 6.0
    assert target("loop", precision="bf16", decode="scaled", images="tiny", model="resnet18") == 3.0
    assert target("loader", precision="fp32", decode="scaled", images="tiny", model="x") == 1.2
    assert target("loader", precision="bf16", decode="scaled", images="tiny", model="x") is None
    assert target("limit", precision="bf16", decode="scaled", images="tiny", model="x") == 0.95


def test_ratios_are_medians_within_rounds_and_every_round_is_kept(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By answers made up so that a drifting machine changes the rates but not the ratios."""
    embed = script("embed")
    probes = iter([1.0, 1.25, 0.75])
    monkeypatch.setattr(embed, "noise_probe", lambda: {"seconds": next(probes), "load": 0.0})
    seen: list[str] = []

    def pretend(job: Any) -> dict[str, Any]:
        seen.append(job.who)
        speed = 0.5 ** (seen.count(job.who) - 1)  # half as fast in the second round
        if job.who == "weights":
            return {}
        if job.who == "limits":
            return {"decode": {"scaled": 400 * speed}, "forward": {"fp32": {"lanes": 90 * speed}}, "cores": 2}
        np.save(Path(job.to) / "features.npy", np.eye(4, dtype=np.float32))
        rate = {"ours": 60, "loop": 40, "loader": 60}[job.who] * speed
        return {"images": 4, "seconds": 4 / rate, "process_seconds": 9.0, "precision": "fp32"}

    words = "--models m --images photo --count 4 --rounds 2 --precision fp32 --where"
    embed.main([*words.split(), str(tmp_path), "--out", str(tmp_path / "o.json")], run=pretend)
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if "| ours fp32 |" in line)
    assert "0.74, missed (>= 0.95)" in line  # 60 of 2 / (1/400 + 2/90)
    assert "1.50, met (>= 1.4)" in line
    assert "1.00, missed (>= 1.2)" in line
    assert "45.0 (30.0-60.0)" in line
    assert "3 probes, median 1.000 s, from slowest to fastest 50.0% of it" in printed
    assert seen[0] == "weights"
    assert sorted(seen[1:5]) == sorted(seen[5:]) == ["limits", "loader", "loop", "ours"]
    assert seen[1:5] != seen[5:]
    told = json.loads((tmp_path / "o.json").read_text())
    assert {"date", "machine", "versions", "commit", "seed", "targets"} <= set(told)
    (result,) = told["results"]
    assert [r["ours fp32"]["images"] for r in result["rounds"]] == [4, 4]
    assert len(result["noise"]) == 3
    assert result["rows"][2]["least_cosine"] == pytest.approx(1.0)


def test_a_real_round_runs_and_everybody_computes_the_same(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three images, one small model; here in this process, but for the loader, which forks."""
    embed, contestants = script("embed"), script("contestants")

    def here(job: Any) -> dict[str, Any]:
        if job.who == "loader":
            return embed.in_fresh_process(job)
        return contestants.do(job) | {"process_seconds": 0.0}

    words = "--models test_resnet --images photo --count 3 --rounds 1 --precision fp32 --seconds 0.01 --where"
    embed.main([*words.split(), str(tmp_path), "--out", str(tmp_path / "o.json")], run=here)
    rows = {row["contestant"]: row for row in json.loads((tmp_path / "o.json").read_text())["results"][0]["rows"]}
    assert set(rows) == {"loop", "loader", "ours fp32"}
    assert all(row["least_cosine"] > 0.9999 for row in rows.values())
    assert rows["ours fp32"]["limit_share"] > 0
    assert capsys.readouterr().out.count("| test_resnet |") == 3


def test_memory_is_measured_over_all_processes(tmp_path: Path) -> None:
    """Two counts, flat and in sub-folders; the table, the JSON and the verdict are there."""
    printed = run(
        str(BENCHMARKS / "memory.py"), "--counts", "40,20", "--folders", "3", "--out", str(tmp_path / "m.json")
    )
    told = json.loads((tmp_path / "m.json").read_text())
    assert [result["files"] for result in told["results"]] == [20, 40]
    assert told["verdict"]["kind"] in ("pss", "uss", "rss")
    assert 0.5 < told["verdict"]["ratio"] < 2
    assert all(result["processes"] > 1 for result in told["results"])
    assert "| 40 | 3 |" in printed
    assert os.listdir(tmp_path) == ["m.json"]
