"""The progress line: stage, bar, counts, rate and time left, on a terminal's stderr."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boda.pipelines.run.meter import Progress


class ProgressLine:
    """One line that redraws itself. Made when there is something to show, as rich takes its time to import."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=None, pace="")
        self._bar.start()

    def update(self, progress: "Progress") -> None:
        """Redraw; a forecast is printed above the line and stays."""
        if progress.forecast_seconds is not None:
            self._bar.console.print(_forecast(progress), markup=False, highlight=False)
        self._bar.update(
            self._task,
            description=progress.stage,
            completed=progress.done,
            total=progress.total or None,
            pace=pace(progress),
        )
        self._bar.refresh()

    def close(self) -> None:
        """Take the line away."""
        self._bar.stop()


def pace(progress: "Progress") -> str:
    """Rate and time left, as far as they are known."""
    parts = [f"{progress.rate:,.1f}/s"] if progress.rate else []
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return "  ".join(parts)


def _forecast(progress: "Progress") -> str:
    words = f"{progress.total:,} images will take about {duration(progress.forecast_seconds or 0)}"
    if progress.forecast_bytes is not None:
        words += f" and {size(progress.forecast_bytes)} of disk"
    return words


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(4.2), duration(75), duration(7320)
    ('4 s', '1 min 15 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes as people say them.

    >>> size(512), size(20_480_000), size(3_000_000_000)
    ('512 B', '20.5 MB', '3.0 GB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
