"""The benchmark of logistic regression runs, tiny."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "logistic.py"


def rows_of(*words: str) -> list[list[str]]:
    """Of the table that the benchmark prints."""
    sizes = ["--rows", "500", "--width", "16", "--penalty", "100"]
    done = subprocess.run([sys.executable, str(BENCHMARK), *sizes, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split(" | ") for line in done.stdout.splitlines() if line.startswith(("| fit", "| path"))]


def test_benchmark_prints_a_row_for_every_contestant() -> None:
    """All certified, and the same penalty chosen by both."""
    rows = rows_of("--rounds", "2", "--cv-iterations", "50")
    assert [row[1] for row in rows] == ["ours", "lbfgs", "lbfgs", "ours", "LogisticRegressionCV"]
    assert float(rows[0][4]) <= 1e-6
    assert float(rows[2][3]) > 0
    assert rows[3][5].split(",")[0] == rows[4][5].split(",")[0]


def test_a_contestant_that_stops_above_the_bound_gives_a_lower_bound_of_the_ratio() -> None:
    """Marked as one."""
    rows = rows_of("--rounds", "1", "--iterations", "3", "--cv-rounds", "0")
    assert [row[3][:2] for row in rows] == ["1", "> ", "> "]
