"""A small folder of data in the layout of the real one, with real images and rows of it."""

import csv
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

Row = dict[str, str]


def little_data(
    data: Path,
    to: Path,
    name: str,
    table: str,
    choose: Callable[[list[Row]], list[Row]],
    files: Sequence[str] = ("file",),
) -> Path:
    """Write the rows that `choose` keeps of a table, and their images, and link the weights.

    Args:
        data: the folder of data.
        to: the small one.
        name: of the set.
        table: its CSV.
        choose: which rows.
        files: columns that name images.
    """
    folder = to / name
    folder.mkdir(parents=True)
    (to / "weights").symlink_to(data / "weights")
    with (data / name / table).open(newline="") as file:
        rows = choose(list(csv.DictReader(file)))
    with (folder / table).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with tarfile.open(data / name / "images.tar") as whole, tarfile.open(folder / "images.tar", "w") as part:
        for path in [row[column] for row in rows for column in files]:
            member = whole.getmember(path)
            part.addfile(member, io.BytesIO(whole.extractfile(member).read()))
    return to


def spaced(count: int) -> Callable[[list[Row]], list[Row]]:
    """So many rows from all over the table."""
    return lambda rows: rows[:: len(rows) // count][:count]


def of_each(column: str, count: int) -> Callable[[list[Row]], list[Row]]:
    """So many rows of each value."""
    return lambda rows: [
        row
        for value in sorted({one[column] for one in rows})
        for row in [r for r in rows if r[column] == value][:count]
    ]
