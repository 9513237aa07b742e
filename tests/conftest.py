"""Fixtures that every part shares: where the real data is, and the count of tests that ran on it."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def find_data() -> Path | None:
    """The folder of real data: `BODA_DATA`, or `../shared/data` beside the project; None where neither is."""
    named = os.environ.get("BODA_DATA")
    candidates = [Path(named)] if named else [ROOT.parent / "shared" / "data"]
    return next((folder for folder in candidates if (folder / "README.md").is_file()), None)


@pytest.fixture(scope="session")
def boda_data() -> Path:
    """The folder of real data; skips where it is not at hand."""
    folder = find_data()
    if folder is None:
        pytest.skip("no real data here: set BODA_DATA")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 12 small photographs, a copy and a broken file."""
    from making import make_photos

    return make_photos(tmp_path / "photos")


@pytest.fixture
def workspace(tmp_path: Path, photos: Path) -> Path:
    """Its workspace, with features of `handmade:hog-colour`."""
    from making import make_workspace

    return make_workspace(tmp_path / "photos.boda", photos)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How hard the campaigns try."""
    parser.addoption("--kills", type=int, default=20, help="how many times the kill campaign kills a run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that a mistake shows within seconds; then the slowest, so that no process waits for them."""

    def seconds(item: pytest.Item) -> float:
        marker = item.get_closest_marker("slow")
        return 0 if marker is None else marker.kwargs.get("seconds", 5)

    items.sort(key=lambda item: (seconds(item) > 0, -seconds(item)))


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Say how many tests ran on real data, and how many were skipped and why."""
    ran = sum(
        report.when == "call" and bool(dict(report.user_properties).get("boda_data"))
        for report in terminalreporter.stats.get("passed", [])
    )
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason] = skipped.get(reason, 0) + 1
    terminalreporter.write_line(f"real data: {ran} tests ran on BODA_DATA")
    for reason, count in sorted(skipped.items()):
        terminalreporter.write_line(f"skipped {count}: {reason}")


_CRASHED: set[str] = set()


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:
    """A test whose process was killed is run once more in another, and the report says so; twice is a failure.

    Processes have been seen to vanish without a signal of their own, in the middle of tests that only wait.
    """
    if crashitem not in _CRASHED:
        _CRASHED.add(crashitem)
        sched.mark_test_pending(crashitem)
        report.outcome = "rerun"  # type: ignore[assignment]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a process that vanished ended with: below 0, the number of a signal."""
    if error:
        ended = node.gateway._io.popen.wait(10)
        sys.stderr.write(f"[{node.gateway.id}] ended with {ended}\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Remember which tests use the real data."""
    if "boda_data" in getattr(item, "fixturenames", ()):
        item.user_properties.append(("boda_data", True))
    yield
