"""The meter of a run: rates by the monotonic clock, a forecast told once, the limit in closed form."""

import pytest

from boda.pipelines.run.meter import Meter


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("boda.pipelines.run.meter.time.monotonic", lambda: self.now)


def test_the_forecast_comes_once_after_the_first_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 images a second: 1,000 take 100 s and as many bytes as the rows have."""
    clock = Clock(monkeypatch)
    meter = Meter(1000, 2, 2048)
    told = []
    for _ in range(6):
        clock.now += 1
        meter.count(10)
        told.append(meter.progress())
    forecasts = [p for p in told if p.forecast_seconds is not None]
    assert len(forecasts) == 1
    assert forecasts[0].done == 40
    assert forecasts[0].forecast_seconds == pytest.approx(100)
    assert forecasts[0].forecast_bytes == 2_048_000
    assert told[-1].rate == pytest.approx(10)
    assert told[-1].seconds_left == pytest.approx(94)


def test_the_rate_is_that_of_the_last_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow start is forgotten."""
    clock = Clock(monkeypatch)
    meter = Meter(10_000, 2, 1)
    for _ in range(60):
        clock.now += 1
        meter.count(1)
    for _ in range(31):
        clock.now += 1
        meter.count(20)
    assert meter.rate == pytest.approx(20)


def test_the_limit_is_every_core_busy_with_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """c / (1/decode + 1/encode) on cores; the slower of the two where a device encodes."""
    Clock(monkeypatch)
    meter = Meter(100, 4, 1)
    assert meter.limit() is None
    meter.count(100)
    meter.decoding, meter.encoding = 0.5, 3.5
    assert meter.limit() == pytest.approx(4 / (0.005 + 0.035))
    assert meter.bottleneck() == "forward"
    meter.encoding_on_cores = False
    assert meter.limit() == pytest.approx(1 / 0.035)
    meter.decoding = 20.0
    assert meter.limit() == pytest.approx(1 / 0.05)
    assert meter.bottleneck() == "decode"
