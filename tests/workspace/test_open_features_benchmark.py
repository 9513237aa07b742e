"""The benchmark of opening features still runs, and finds what it made."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "open_features.py"


def test_benchmark_runs_small():
    """With 300 images it makes a workspace, opens it as a map, and prints its figures as JSON."""
    command = [sys.executable, str(BENCHMARK), "--images", "300", "--width", "4", "--times", "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert (found["array"], found["shape"]) == ("memmap", [300, 4])
