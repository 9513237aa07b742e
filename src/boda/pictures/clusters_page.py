"""The page of a sweep of clusterings: which are real, what is in each cluster, and how they relate to labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import Image

from boda.clusters.supported import SHARE, STABLE
from boda.counted import counted, found_of_asked
from boda.keys import shown
from boda.pictures.page import (
    Block,
    Facts,
    Figure,
    Measure,
    Measures,
    Notices,
    Numbers,
    Page,
    Picture,
    Ranked,
    Section,
    Table,
    Words,
    data_uri,
)
from boda.pictures.wording import ABSENT, interval, meaningful, number, share

Record: TypeAlias = Mapping[str, Any]

NULLS = {"shuffled": "columns shuffled", "correlated": "correlated, no groups"}
"""Short names of the nulls."""
_MOST = 40
"""Clusters of one clustering that are shown; the sheets in the folder have all."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of one clustering."""

    clusters: Sequence[Sequence[Picture]]
    """(k,) the medoid of each, then a few others; what is said under them is safe to show."""
    table: Image.Image | None = None
    """The class x cluster table."""


def clusters_page(
    title: str, record: Record, *, sweep: Image.Image | None, shown_of: Mapping[str, Shown], foot: str = ""
) -> Page:
    """Put together the page.

    Args:
        title: of the page.
        record: of `boda.cluster`, as JSON.
        sweep: the picture of the sweep.
        shown_of: pictures by the name of the clustering.
        foot: what it was made from.
    """
    every = record["clusterings"]
    sections = [Section("Are there groups?", _support(record, sweep))]
    for one in every:
        sections += [Section(f"{shown(one['name'])}: {_count(one)}", _clusters(one, shown_of[one["name"]]))]
        if one["classes"] is not None:
            heading = f"{shown(one['name'])} and the classes of {shown(one['classes']['column'])}"
            sections += [Section(heading, _classes(one["classes"], shown_of[one["name"]].table))]
    sections += [Section("What it is made of", [Facts(_facts(record))])]
    lead = f"{number(record['rows'])} images in groups by {shown(record['encoder'] or 'features')}, without labels."
    return Page(shown(title), lead, sections, foot=foot)


def _count(one: Record) -> str:
    asked = "" if one["asked"] in (None, one["k"]) else f", asked for {one['asked']}"
    return f"{counted(one['k'], 'cluster')}{asked}"


def _support(record: Record, sweep: Image.Image | None) -> list[Block]:
    """What the features support, and why nothing else."""
    supported = record["supported_k"]
    numbers = [(ABSENT if supported is None else str(supported), "clusters that the features support")]
    blocks: list[Block] = [Notices([_sentence(record)]), Numbers([*numbers, (number(record["rows"]), "images")])]
    blocks += [
        Words(
            "Each clustering was found again in halves of the images that share none, and by other seeds. Agreement "
            "is the adjusted Rand index: 1 the same groups, 0 chance. The same was done with features that have no "
            "groups: their columns shuffled, and shuffled so that they keep their correlations. A number of clusters "
            f"is supported where at most {share(SHARE)} of the disagreement of both is left, and each cluster is found "
            f"again with a Jaccard index of {number(STABLE)} or more."
        )
    ]
    if sweep is not None:
        words = f"Agreement of clusterings by the number of clusters. {record['verdict']}."
        blocks.append(Figure(data_uri(sweep, "PNG"), words, sweep.width // 2))
    headings = [
        "k",
        "Halves agree",
        *(NULLS[kind] for kind in _kinds(record)),
        "Seeds agree",
        "Silhouette",
        "Supported",
    ]
    return [*blocks, Table(headings, [_row(one, record) for one in record["clusterings"]])]


def _sentence(record: Record) -> str:
    words = str(record["verdict"])
    return f"{words[:1].upper()}{words[1:]}."


def _kinds(record: Record) -> list[str]:
    known = next((one["stability"] for one in record["clusterings"] if one["stability"]), None)
    return list(known["nulls"]) if known else []


def _row(one: Record, record: Record) -> list[str]:
    stability = one["stability"]
    so = "yes" if one["supported"] else "no"
    if stability is None:
        return [
            found_of_asked(one["k"], one["asked"]),
            *[ABSENT] * (2 + len(_kinds(record))),
            _spread(one["silhouette"]),
            so,
        ]
    nulls = [_spread(stability["nulls"][kind]["halves"]) for kind in _kinds(record)]
    found = stability["found"]
    return [
        found_of_asked(one["k"], one["asked"]),
        _spread(found["halves"]),
        *nulls,
        _spread(found["seeds"]),
        _spread(one["silhouette"]),
        so,
    ]


def _spread(one: Record | None) -> str:
    """A figure with its range."""
    if one is None:
        return ABSENT
    value = one.get("mean", one.get("value"))
    return f"{number(value, decimals=2)} ({interval(one['low'], one['high'], decimals=2)})"


def _clusters(one: Record, pictures: Shown) -> list[Block]:
    """Each cluster in one line of pictures, and the table of all."""
    headings = ["Cluster", "Images", "Found again (Jaccard)", "Silhouette", "Medoid"]
    rows = [
        [
            str(cluster["cluster"]),
            f"{number(cluster['rows'])} ({share(cluster['share'])})",
            _spread(cluster["jaccard"]),
            _spread(cluster["silhouette"]),
            _key(cluster["medoid"]),
        ]
        for cluster in one["clusters"]
    ]
    if one["unclustered"]:
        total = sum(cluster["rows"] for cluster in one["clusters"]) + one["unclustered"]
        rows.append(["none", f"{number(one['unclustered'])} ({share(one['unclustered'] / total)})", *[ABSENT] * 3])
    blocks: list[Block] = []
    if one["against"] and not one["supported"]:
        blocks.append(Words(f"Not named: {shown(str(one['against']))}."))
    if rows:
        blocks.append(Table(headings, rows))
    for cluster, line in zip(one["clusters"], pictures.clusters[:_MOST], strict=False):
        again = "" if cluster["jaccard"] is None else f", found again {_spread(cluster['jaccard'])}"
        blocks.append(Words(f"Cluster {cluster['cluster']}: {number(cluster['rows'])} images{again}"))
        blocks.append(Ranked(line[0], line[1:]))
    if len(one["clusters"]) > _MOST:
        blocks.append(Words(f"And {len(one['clusters']) - _MOST} more: see the sheets beside this page."))
    return blocks


def _key(key: str | Mapping[str, str]) -> str:
    return shown(key) if isinstance(key, str) else f"bytes:{key['bytes']}"


def _classes(classes: Record, table: Image.Image | None) -> list[Block]:
    """The table, how far it agrees, and what is said of classes."""
    blocks: list[Block] = []
    if table is not None:
        words = "How many images of each class are in each cluster, as shares of the class and as counts"
        blocks.append(Figure(data_uri(table, "PNG"), words, table.width // 2))
    names = {"accuracy": "accuracy, matched one to one", "nmi": "NMI", "ari": "ARI"}
    blocks.append(Measures([_measure(names[key], one) for key, one in classes["agreement"].items()]))
    if classes["held_out"] is not None:
        accuracy, usual = classes["held_out"]["accuracy"], classes["held_out"]["baseline"]
        told = f"{share(accuracy['value'])} ({share(accuracy['low'])} to {share(accuracy['high'])}) of images right"
        facts = [
            ("Classes told by the cluster", f"{told}, whose own class was held out"),
            ("The commonest class alone", f"{share(usual['value'])} right"),
        ]
        blocks.append(Facts(facts))
    groups = classes["groups"]
    if groups is not None:
        blocks += [Notices([shown(note) for note in groups["notes"]])] if groups["notes"] else []
        blocks.append(
            Table(
                ["Classes grouped by", "Groups"],
                [[groups["ways"][way], _listed(found)] for way, found in groups["by"].items()],
            )
        )
    headings = ["Cluster number", *next(iter(classes["described"].values()))]
    described = [
        [shown(name), *(number(value, decimals=0 if key == "count" else 2) for key, value in one.items())]
        for name, one in classes["described"].items()
    ]
    return [
        *blocks,
        Words(
            "The cluster number of each class, as a table of numbers. Other numbers for the same clusters change it."
        ),
        Table(headings, described),
    ]


def _measure(name: str, one: Record) -> Measure:
    low, high = (value if value is not None else one["value"] for value in (one["low"], one["high"]))
    text = f"{number(one['value'], decimals=meaningful(low, high))} ({interval(low, high)})"
    value, low, high = (min(1.0, max(0.0, float(part))) for part in (one["value"], low, high))
    return Measure(name, value, low, high, text)


def _listed(groups: Sequence[Sequence[str]]) -> str:
    return " | ".join(", ".join(map(shown, group)) for group in groups)


def _facts(record: Record) -> list[tuple[str, str]]:
    return [
        ("Features", f"{shown(record['encoder'] or 'unknown')} ({record['recipe']}), {record['width']} wide"),
        ("Method", f"{record['method']}, {record['restarts']} starts, seed {record['seed']}"),
        ("Kept", f"in the workspace as {', '.join(shown(one['name']) for one in record['clusterings'])}"),
    ]
