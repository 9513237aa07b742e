"""The page of one head: what it is worth, measured how, against what, and where it fails."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from boda.counted import counted
from boda.errors import Refused
from boda.keys import shown
from boda.pictures.comparison import comparison
from boda.pictures.histogram import bars
from boda.pictures.page import Block, Facts, Gallery, Notices, Numbers, Page, Picture, Section, Table, Words, figure
from boda.pictures.reliability import reliability
from boda.pictures.wording import ABSENT, interval, meaningful, metric_name, number, share

Record: TypeAlias = Mapping[str, Any]

_KINDS = {b"\x89PNG": "png", b"RIFF": "webp", b"\xff\xd8\xff": "jpeg"}


def head_page(
    title: str,
    record: Record,
    *,
    lead: str = "",
    facts: Sequence[tuple[str, str]] = (),
    figures: Sequence[tuple[bytes, str]] = (),
    worst: Sequence[tuple[bytes | None, Sequence[str]]] = (),
    worst_are: str = "",
) -> Page:
    """Put together the page of a head; `render_page` and `write_page` make HTML of it.

    What the record does not hold is left out of the page. All names are made safe to show.

    Args:
        title: of the page; the head's name or its target.
        record: the evaluation as JSON: any of `rows`, `left_out`, `folds`, `primary`, `metrics`, `warnings`,
            `random_folds`, `inputs`, `differences`, `importance`, `calibration`, `conformal`, `imbalance`, `ceiling`.
        lead: a sentence under the title.
        facts: terms and what they are: inputs, recipe, licence of the encoder.
        figures: (SVG file, caption) of predictions: `confusion`, `scatter`, `histogram`.
        worst: the worst errors, worst first: (PNG, WebP or JPEG file, or None where there is none; lines under it).
        worst_are: a sentence over them: how they were chosen.

    Raises:
        Refused: a picture of `worst` is of another format.
    """
    parts: list[tuple[str, list[Block]]] = [
        ("Read this first", _warnings(record)),
        ("What it is worth", _worth(record)),
        ("How it was measured", _measured(record)),
        ("Random folds against whole groups", _random_folds(record)),
        ("Predictions on rows it was not fitted on", [figure(drawing, shown(caption)) for drawing, caption in figures]),
        ("What each input brings", _inputs(record)),
        ("What it relies on", _importance(record)),
        ("Whether its certainty can be trusted", _certainty(record)),
        ("How uneven the classes are", _imbalance(record)),
        ("Worst errors", _worst(worst, worst_are)),
        ("What it is made of", [Facts([(shown(term), shown(what)) for term, what in facts])] if facts else []),
    ]
    sections = [Section(heading, blocks) for heading, blocks in parts if blocks]
    return Page(shown(title), shown(lead), sections)


def _warnings(record: Record) -> list[Block]:
    texts = [shown(text) for text in record.get("warnings") or ()]
    return [Notices(texts)] if texts else []


def _worth(record: Record) -> list[Block]:
    """The headline and the table of all metrics."""
    metrics: Record = record.get("metrics") or {}
    if not metrics:
        return []
    primary = _primary(record)
    first: Record = metrics[primary]
    between = f", {_level(first)} interval {_interval(first)}" if _interval(first) != ABSENT else ""
    headline = [(_value(first), metric_name(primary) + between)]
    if first.get("baseline") is not None:
        headline.append((_baseline(first), "the baseline, which looks at no image"))
    if record.get("rows") is not None:
        headline.append((number(record["rows"]), "rows"))
    rows = [[_named(key, one), _value(one), _interval(one), _baseline(one)] for key, one in metrics.items()]
    blocks: list[Block] = [
        Numbers(headline),
        Table(["Metric", "Value", f"{_level(first)} interval", "Baseline"], rows),
    ]
    best: Record = (record.get("ceiling") or {}).get(primary) or {}
    facts = [("The most that its raters allow", f"{_value(best)} ({_interval(best)})")] if best else []
    return [*blocks, Facts(facts)] if facts else blocks


def _primary(record: Record) -> str:
    """The metric that is quoted first; the first one where the record names none."""
    metrics: Record = record.get("metrics") or {}
    primary = str(record.get("primary") or "score")
    return primary if primary in metrics or not metrics else next(iter(metrics))


def _value(one: Record) -> str:
    """A value with the decimals that its interval gives meaning to."""
    low, high = one.get("low"), one.get("high")
    return number(one.get("value"), decimals=None if low is None or high is None else meaningful(low, high))


def _interval(one: Record) -> str:
    return interval(one.get("low"), one.get("high"))


def _baseline(one: Record) -> str:
    """The baseline with the decimals of the value beside it."""
    return _value({**one, "value": one.get("baseline")})


def _higher(one: Record) -> bool:
    return bool(one.get("better", "higher") == "higher")


def _named(key: str, one: Record) -> str:
    return metric_name(key) + ("" if _higher(one) else " (lower is better)")


def _level(one: Record) -> str:
    return share(one.get("level") or 0.9)


def _measured(record: Record) -> list[Block]:
    facts: list[tuple[str, str]] = []
    folds: Record = record.get("folds") or {}
    if folds.get("count"):
        facts.append(("Folds", f"{folds['count']}; each row is predicted by a head that had not seen its fold"))
    if folds.get("by") not in {None, "rows"}:
        groups = f": {number(folds['groups'])} groups" if folds.get("groups") else ""
        facts.append(("Kept together", f"all rows of one {shown(str(folds['by']))}{groups}"))
    if folds.get("copies"):
        facts.append(("Copies", f"{number(folds['copies'])} copies and near-duplicates beside their originals"))
    data: Record = record.get("data") or {}
    if data.get("listed") is not None:
        unusable = f", {number(data['quarantined'])} could not be used" if data.get("quarantined") else ""
        facts.append(("Images listed", number(data["listed"]) + unusable))
    left_out: Record = record.get("left_out") or {}
    for reason, count in left_out.items():
        facts.append(("Left out", f"{counted(count, 'row')}: {shown(reason)}"))
    return [Facts(facts)] if facts else []


def _random_folds(record: Record) -> list[Block]:
    """The score that random folds would have claimed, beside the honest one."""
    part: Record = record.get("random_folds") or {}
    if not (part.get("random") and part.get("grouped")):
        return []
    lines = [{**part["random"], "name": "random folds"}, {**part["grouped"], "name": "whole groups held out"}]
    gap: Record = part.get("gap") or {}
    sentence = part.get("sentence") or (
        f"Random folds look {_value(gap)} better ({_interval(gap)}); for new groups expect {_value(part['grouped'])}."
        if gap
        else ""
    )
    drawn = _compared(lines, metric_name(str(part.get("metric", "score"))), ranked=False)
    told = sentence in (record.get("warnings") or ())
    return [*([Words(shown(sentence))] if sentence and not told else []), *drawn]


def _compared(lines: Sequence[Record], metric: str, *, ranked: bool = True, **more: Any) -> list[Block]:
    """A drawing of these lines, if any of them has a value."""
    if all(line.get("value") is None for line in lines):
        return []
    return [figure(comparison(lines, metric=metric, ranked=ranked, level=lines[0].get("level") or 0.9, **more))]


def _inputs(record: Record) -> list[Block]:
    """Image, numbers and both on the same folds, with paired differences."""
    lines = [{**one, "name": str(one.get("name", one.get("inputs")))} for one in record.get("inputs") or ()]
    primary = _primary(record)
    first: Record = (record.get("metrics") or {}).get(primary) or {}
    drawn = _compared(lines, metric_name(primary), higher_is_better=_higher(first), baseline=first.get("baseline"))
    differences = [
        [shown(str(one.get("of", ""))), _value(one), _interval(one), _verdict(one)]
        for one in record.get("differences") or ()
    ]
    headings = ["Difference on the same rows", "Value", "Interval", "So"]
    return [*drawn, *([Table(headings, differences)] if differences else [])]


def _verdict(one: Record) -> str:
    low, high = one.get("low"), one.get("high")
    if low is None or high is None:
        return ABSENT
    return "above zero" if low > 0 else "below zero" if high < 0 else "no clear difference"


def _importance(record: Record) -> list[Block]:
    lines = list(record.get("importance") or ())
    drawn = _compared(lines, f"{metric_name(_primary(record))} lost", baseline=0.0, line="nothing lost")
    text = "How much worse it gets when one input is shuffled between rows; inputs that say the same share their part."
    return [Words(text), *drawn] if drawn else []


def _certainty(record: Record) -> list[Block]:
    """Calibration and conformal intervals or sets."""
    blocks: list[Block] = []
    calibration: Record = record.get("calibration") or {}
    facts = []
    if calibration.get("temperature") is not None:
        facts.append(("Temperature", number(calibration["temperature"])))
    if calibration.get("error") is not None:
        before = calibration.get("error_before")
        was = "" if before is None else f", {share(before)} as learned"
        facts.append(("Expected calibration error", share(calibration["error"]) + was))
    conformal: Record = record.get("conformal") or {}
    facts += _coverage(conformal)
    if facts:
        blocks.append(Facts(facts))
    blocks += _coverage_apart(conformal)
    bins = calibration.get("curve") or ()
    if any(part["happened"]["rows"] for part in bins):
        blocks.append(figure(reliability(bins, calibration.get("curve_before") or ())))
    return blocks


def _coverage(conformal: Record) -> list[tuple[str, str]]:
    """How often its intervals or sets held the truth, and how large they are."""
    facts = []
    coverage: Record = conformal.get("coverage") or {}
    if coverage.get("value") is not None:
        kind = "sets" if conformal.get("set_size") is not None else "intervals"
        truth = "votes that were given" if "questions" in conformal else "truth"
        ends = _ends(coverage)
        facts.append((f"{_level(conformal)} {kind} hold the {truth}", f"{share(coverage['value'])} of the time{ends}"))
    if conformal.get("width") is not None:
        facts.append(("Mean width of an interval", number(conformal["width"])))
    if conformal.get("set_size") is not None:
        what = "Of yes and no in the set of a label" if "labels" in conformal else "Classes in a set"
        facts.append((f"{what}, on average", number(conformal["set_size"])))
    return facts


def _coverage_apart(conformal: Record) -> list[Block]:
    """The same of each label or question."""
    kind, size = ("labels", "set_size") if conformal.get("labels") else ("questions", "width")
    rows = [
        [shown(str(one["name"])), share(one["coverage"]["value"]) + _ends(one["coverage"]), number(one.get(size))]
        for one in conformal.get(kind) or ()
        if one["coverage"].get("value") is not None
    ]
    headings = ["Label", "Held", "Of yes and no in a set"] if kind == "labels" else ["Question", "Held", "Mean width"]
    return [Table(headings, rows)] if rows else []


def _ends(coverage: Record) -> str:
    low, high = coverage.get("low"), coverage.get("high")
    return "" if low is None or high is None else f" ({share(low)} to {share(high)})"


def _imbalance(record: Record) -> list[Block]:
    """Rows of each class."""
    part: Record = record.get("imbalance") or {}
    classes = [
        {"name": name, "count": count}
        for name, count in zip(part.get("names") or (), part.get("counts") or (), strict=True)
    ]
    if not any(one["count"] for one in classes):
        return []
    commonest = max(classes, key=lambda one: one["count"])["name"]
    return [figure(bars(classes, baseline=commonest), "The baseline says the commonest class of every row.")]


def _worst(worst: Sequence[tuple[bytes | None, Sequence[str]]], words: str) -> list[Block]:
    pictures = [
        Picture(
            "" if data is None else _uri(data),
            shown(lines[0]) if lines else "",
            "\n".join(shown(line) for line in lines[1:]),
        )
        for data, lines in worst
    ]
    if not pictures:
        return []
    return [*([Words(shown(words))] if words else []), Gallery(pictures, large=True)]


def _uri(data: bytes) -> str:
    kind = next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)
    if kind is None:
        raise Refused(f"a picture of the page begins with {data[:4]!r}; give PNG, WebP or JPEG files")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
