"""The benchmark of k-means runs, tiny, and judges made-up figures rightly."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, as it is imported by its own folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    module: ModuleType = importlib.import_module("clusters")
    monkeypatch.setattr(module, "noise_probe", lambda: {"seconds": 1.0, "load": 2.0})
    yield module
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_everybody_clusters_the_same_rows(clusters, tmp_path, capsys, monkeypatch):
    """Two seeds on 300 generated rows; all inertias are near each other; the rows are made once."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["--k", "3", "--seeds", "2", "--rows", "300", "--width", "8", "--threads", "1", "--where", str(tmp_path)]
    clusters.main([*words, "--out", str(tmp_path / "o.json")], run=clusters.work)
    told = json.loads((tmp_path / "o.json").read_text())
    assert {"date", "machine", "versions", "commit", "threads", "noise"} <= set(told)
    found = told["results"]["3"]
    assert {"ours", "scikit-learn"} <= set(found)
    best = min(one["inertia"] for one in found["scikit-learn"])
    for who, rounds in found.items():
        assert len(rounds) == 2, who
        assert all(0.99 < one["inertia"] / best < 1.05 for one in rounds)
        assert all(one["seconds"] > 0 and one["memory"] >= 1 for one in rounds)
    assert "| 3 | ours |" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generated-300x8.npy", "o.json"]


def test_figures_are_medians_and_contestants_take_turns(clusters, tmp_path, capsys):
    """By answers made up: three times slower misses eight; the median inertia is held against the best."""
    seen = []

    def pretend(job: dict[str, Any]) -> dict[str, float]:
        seen.append(job["who"])
        seconds = {"ours": 1.0, "scikit-learn": 8.5, "faiss": 1.5}[job["who"]] * (job["seed"] + 1)
        inertia = {"ours": 100.05, "scikit-learn": 100.0 + job["seed"], "faiss": 103.0}[job["who"]]
        return {"seconds": seconds, "inertia": inertia, "memory": 1.2}

    words = ["--k", "2", "--seeds", "3", "--rows", "20", "--width", "4", "--where", str(tmp_path)]
    clusters.main([*words, "--contestants", "ours,scikit-learn"], run=pretend)
    lines = capsys.readouterr().out.splitlines()
    assert (
        "| 2 | ours | 2.00 (1.00-3.00) | 1 | 1.00050 (1.00050-1.00050), met (<= 1.001) | 1.20, met (<= 1.5) |" in lines
    )
    assert "| 2 | scikit-learn | 17.00 (8.50-25.50) | 8.5, met (>= 8) | 1.01000 (1.00000-1.02000) | 1.20 |" in lines
    assert seen == ["ours", "scikit-learn", "scikit-learn", "ours", "ours", "scikit-learn"]
    assert clusters.judged(1.5, least=2.0) == ", missed (>= 2)"


def test_a_job_runs_in_a_process_of_its_own(clusters, tmp_path):
    """With its own count of threads."""
    rows = clusters.prepared(clusters.options(["--rows", "200", "--width", "4", "--where", str(tmp_path)]))
    found = clusters.in_fresh_process({"who": "ours", "k": 2, "seed": 0, "rows": str(rows), "threads": 1})
    assert found["inertia"] > 0
