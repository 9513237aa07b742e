"""The benchmark of explanations, tiny: its maps are Captum's, and its table has a row a layer."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))


def test_a_tiny_run_measures_both_layers_beside_captum():
    """Ratios are those of one run, and the maps agree."""
    pytest.importorskip("captum")
    from explain import measured

    rows = [line.split(" | ") for line in measured("test_resnet", 2, 2, captum=True)]
    assert [row[1] for row in rows] == ["layer4", "layer3"]
    assert all(float(row[3]) > 0 and float(row[5]) > 0 for row in rows)
    assert all(float(row[6].rstrip(" |")) < 1e-5 for row in rows)
