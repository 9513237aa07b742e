"""Houses: the price from four photographs, from rooms and area, and from both.

Score   see houses.md
Data    428 houses in California with a photograph each of the front, kitchen, bedroom and bathroom (Ahmed and Moustafa,
        "House price estimation from visual and textual features", 2016, arXiv:1609.08399)
Run     python recipes/houses.py DATA --to work/

A row is a house: its photographs are one unit, side by side or averaged. The list is ordered by place, so folds in its
order would ask for towns that no training row is from; folds are shuffled here, and a second time by zip code, which
asks for just that.
"""

import argparse
import csv
import io
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import boda
from boda.errors import BodaError
from boda.heads.assembling import Unit
from runs.feature_sets import embedded
from runs.receipt import footer, fusion_table, trials_table, ways_table, write
from runs.trial import SEEDS, Way, keep, trial, ways

TARGET = "log10(price_usd)"
VIEWS = ("frontal", "kitchen", "bedroom", "bathroom")
HOUSE = ("house", "bedrooms", "bathrooms", "area_sqft", "zipcode", "price_usd")
NUMBERS = ("bedrooms", "bathrooms", "area_sqft", "zipcode")
"""As they stand in the table: a zip code is taken for a number."""
ROOMS = ("bedrooms", "bathrooms", "log10(area_sqft)")
NAMED = (*ROOMS, "zipcode:category")
"""As they are meant: a zip code is a name, and area and price go together as logarithms."""
FLOORS = {"numbers": 0.37, "image": 0.53, "both": 0.54}
"""R2 of a ridge on the four numbers, on `auto`, on both."""
SETS = ("auto", "expanded", "mobilenet")
JOINED = (*SETS, "auto + mobilenet", "expanded + mobilenet")
SIDE_BY_SIDE, AVERAGED = Unit("house", "view"), Unit("house")


def photographs(table: Path) -> bytes:
    """One row a photograph, as CSV for `boda.label`, of a table with one row a house and a column a view."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("file", "view", *HOUSE))
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            writer.writerows((row[view], view, *(row[name] for name in HOUSE)) for view in VIEWS)
    return text.getvalue().encode()


def run(
    data: Path,
    to: Path,
    *,
    sets: Sequence[str] = SETS,
    joined: Sequence[str] = JOINED,
    seeds: Sequence[int] = SEEDS,
) -> str:
    """Embed, label, choose inside the folds from numbers, photographs and both, twice: folds of houses, and of towns.

    Args:
        data: the folder of data; `houses` and `weights` are used.
        to: where workspace, table and receipt go.
        sets: feature sets to embed.
        joined: those to try; the first is the plain one.
        seeds: of the folds.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    write(to / "photographs.csv", photographs(data / "houses" / "houses.csv"))
    workspace, ids = embedded(data / "houses" / "images.tar", sets, data=data, to=to / "houses.boda")
    boda.label(workspace, to / "photographs.csv")
    tried = partial(trial, workspace, TARGET, metric="r2", seeds=seeds)
    plain = Way((ids[joined[0]],), unit=AVERAGED)
    as_they_stand, named, rooms = (Way(columns, unit=AVERAGED) for columns in (NUMBERS, NAMED, ROOMS))
    found = {
        "numbers": tried({"as they stand": as_they_stand, "zip code as a name": named}, plain=as_they_stand),
        "image": tried(pictures(ids, joined), plain=plain),
        "both": tried(pictures(ids, joined, NUMBERS), plain=as_they_stand),
        "both, zip code as a name": tried(pictures(ids, joined, NAMED), plain=named),
    }
    elsewhere = {
        "numbers": tried({"rooms and area": rooms}, groups="zipcode"),
        "image": tried(pictures(ids, joined), plain=plain, groups="zipcode"),
        "both": tried(pictures(ids, joined, ROOMS), plain=rooms, groups="zipcode"),
    }
    head = keep(workspace, found["both, zip code as a name"], pictures(ids, joined, NAMED))
    boda.predict(workspace.path, head=head, to=to / "prices.csv", force=True)
    return "\n".join(
        (
            "Folds of houses:\n",
            trials_table(found, FLOORS),
            ways_table({name: found[name] for name in found if name != "numbers"}),
            "Folds of zip codes:\n",
            trials_table(elsewhere, {}),
            fusion_table({"log10 price": head}),
            footer(time.perf_counter() - began, seeds),
        )
    )


def pictures(ids: Mapping[str, str], joined: Sequence[str], columns: Sequence[str] = ()) -> dict[str, Way]:
    """Ways to see four photographs: their features averaged, or side by side, which keeps apart what is seen where.

    Side by side only normalised: a channel that is silent in all kitchens but one cannot be standardised.
    """
    averaged = ways(ids, joined, columns=columns, unit=AVERAGED)
    apart = ways(ids, joined, columns=columns, unit=SIDE_BY_SIDE)
    return {f"{name}, averaged": way for name, way in averaged.items()} | {
        f"{name}, side by side": way for name, way in apart.items() if way.scaling == "normalised"
    }


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: houses/ and weights/")
    parser.add_argument("--to", type=Path, default=Path("houses"), metavar="FOLDER", help="of workspace and receipt")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), metavar="N", help="drawings of the folds, at least 1")
    asked = parser.parse_args()
    try:
        found = run(asked.data, asked.to, seeds=range(max(1, asked.seeds)))
    except BodaError as error:
        raise SystemExit(f"houses: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
