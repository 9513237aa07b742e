"""The benchmark of search runs, tiny, and its contestants agree."""

import importlib
import sys
from pathlib import Path

import pytest


def test_all_exact_searches_agree(monkeypatch):
    """On rows of half precision; the index says its recall."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    search = importlib.import_module("search")
    usearch = pytest.importorskip("usearch")
    assert usearch
    monkeypatch.setattr(search, "QUERIES", 5)
    found = search.measured(600, 16, "float16", 1, index=True)
    assert found["rows"] == 600
    for name, answer in found["contestants"].items():
        if "not_here" not in answer:
            assert answer["agrees"] > 0.9 if name == "numpy" else answer["agrees"] > 0.98, name
            assert answer["one_s"] > 0
    assert 0.9 < found["index"]["recall_of_rows"]["value"] <= 1
    assert 0.9 < found["index"]["recall_of_other_queries"] <= 1
    for name in ("search", "machine"):
        sys.modules.pop(name, None)
