"""The front of a model card: what model hubs read of it, as YAML between two lines of dashes.

Every text is written as a JSON string, which YAML reads as the same text, whatever signs are in it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from boda.keys import shown

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")


def front(record: Mapping[str, Any], *, library: str, base: Sequence[str]) -> Iterator[str]:
    """The lines of the front.

    Args:
        record: of a head.
        library: that loads what the card is about.
        base: repositories that its encoders came from.
    """
    yield "---"
    yield f"library_name: {library}"
    yield f"pipeline_tag: {task_of(record)}"
    yield "tags:"
    yield from (f"- {_text(tag)}" for tag in dict.fromkeys(("boda", record["target"]["kind"], record["model"]["kind"])))
    yield from _licence(licences(record))
    if base:
        yield "base_model:"
        yield from (f"- {_text(one)}" for one in base)
    yield from _results(record)
    yield "---"


def task_of(record: Mapping[str, Any]) -> str:
    """What hubs call such a task, or the nearest to it."""
    target, images = record["target"], any(one["recipe"] for one in record["inputs"])
    sorts = target["kind"] in {"class", "labels"}
    if not images:
        return "tabular-classification" if sorts else "tabular-regression"
    return "image-classification" if sorts else "image-feature-extraction"


def licences(record: Mapping[str, Any]) -> list[str]:
    """Of the encoders' weights; "" where one is not known."""
    return sorted({one["recipe"]["licence"] for one in record["inputs"] if one["recipe"]})


def _licence(found: Sequence[str]) -> Iterator[str]:
    """One licence by its name; several, or one that hubs do not know by a plain name, as "other"."""
    if not found or "" in found:
        return
    if len(found) == 1 and _LICENCE.fullmatch(found[0]):
        yield f"license: {_text(found[0])}"
        return
    yield "license: other"
    yield f"license_name: {_text(re.sub(r'[^a-z0-9.]+', '-', ' and '.join(found).lower()).strip('-'))}"


def _results(record: Mapping[str, Any]) -> Iterator[str]:
    """Every metric of held-out rows."""
    metrics = record["evaluation"].get("metrics", {})
    known = {name: one["value"] for name, one in metrics.items() if one["value"] is not None}
    if not known:
        return
    yield "model-index:"
    yield f"- name: {_text(record['name'])}"
    yield "  results:"
    yield "  - task:"
    yield f"      type: {task_of(record)}"
    yield "    dataset:"
    yield "      type: held-out-rows"
    yield f"      name: {_text('rows that were held out: ' + record['evaluation']['folds']['said'])}"
    yield "    metrics:"
    for name, value in known.items():
        yield f"    - type: {_text(name)}"
        yield f"      name: {_text(name)}"
        yield f"      value: {_real(value)}"


def _real(value: float) -> str:
    """A number that YAML does not take for text, as it would 1e-05."""
    mantissa, exponent, power = repr(float(value)).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{exponent}{power}"


def _text(text: str) -> str:
    return json.dumps(shown(text), ensure_ascii=False)
