"""The benchmark of maps runs, tiny, and judges by time and trustworthiness together."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_it_prints_a_row_for_each_contestant_and_k(tmp_path):
    """Of both, at both k, with all rounds, and keeps them."""
    out = tmp_path / "maps.json"
    words = ["--rows", "120", "--width", "8", "--rounds", "1", "--threads", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "maps.py"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith(("| ours", "| sklearn"))]
    assert [(row[0][2:], row[2]) for row in rows] == [
        ("ours", "5"),
        ("ours", "15"),
        ("sklearn", "5"),
        ("sklearn", "15"),
    ]
    assert all(0.6 < float(row[3]) <= 1 for row in rows)
    told = json.loads(out.read_text())
    assert {"machine", "versions", "commit", "noise", "seconds", "worth"} <= set(told)


def test_faster_but_less_faithful_misses(monkeypatch, capsys):
    """By answers made up."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = importlib.import_module("maps")
    worth = {"k": 5, "trustworthiness": [0.9], "continuity": [0.9], "kept": [0.4]}
    better = worth | {"trustworthiness": [0.91]}
    for ours, theirs, verdict in ((worth, worth, "met"), (worth, better, "missed"), (better, worth, "met")):
        seconds = {"ours": [10.0, 11.0], "sklearn": [30.0, 31.0]}
        benchmark.print_table({"seconds": seconds, "worth": {"ours": [ours], "sklearn": [theirs]}})
        assert f"2.91 ({verdict}: at least 2.5" in capsys.readouterr().out
    del sys.modules["maps"], sys.modules["machine"]
