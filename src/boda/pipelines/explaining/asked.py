"""What score is asked for, as it is written: `head:merger:yes`, `class:281`, `cluster:kmeans-10:3`, `like:cat.jpg`."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from boda.errors import Refused
from boda.keys import shown
from boda.pipelines.clusters.keeping import KIND as CLUSTERING
from boda.pipelines.heads.keeping import KIND as HEAD
from boda.workspace.workspace import Workspace

Kind: TypeAlias = Literal["class", "head", "vote", "cluster", "like", "text", "channel"]

FORMS = (
    "class:INDEX, head:NAME[:CLASS], vote:NAME:ANSWER, cluster:NAME[:K], like:KEY, text:WORDS or channel:LAYER:INDEX"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of score, of what, and which of its answers."""

    kind: Kind
    name: str = ""
    """Of a head or clustering, a key, a text, a layer; "" of a network's own classes."""
    answer: str | None = None
    """None: the likeliest class of each image, the cluster each is in, the one number there is."""


def known_names(workspace: Workspace | None) -> list[str]:
    """Of the heads and clusterings of a workspace."""
    if workspace is None:
        return []
    return [one.name for kind in (HEAD, CLUSTERING) for one in workspace.results(kind)]


def asked_score(
    score: str | None, head: str | os.PathLike[str] | None, answer: str | None, known: Collection[str] = ()
) -> Asked:
    """What is asked for by `--score`, or by `--head` and `--class`.

    Args:
        score: in one of `FORMS`.
        head: in place of it, a head.
        answer: a class or another answer, of the head or of the network's own classifier.
        known: heads and clusterings that are there; their names may have colons.

    Raises:
        Refused: both, or a score in no such form.
    """
    if score is None:
        return Asked("class", "", answer) if head is None else Asked("head", os.fspath(head), answer)
    if head is not None or answer is not None:
        raise Refused(f"score {shown(score)!r} says all: leave out head and class")
    kind, colon, rest = score.partition(":")
    if kind not in get_args(Kind) or not colon or not rest:
        raise Refused(f"no score {shown(score)!r}: write {FORMS}")
    match kind:
        case "class":
            return Asked("class", "", rest)
        case "like":
            return Asked("like", rest)
        case "text":
            return Asked("text", rest)
    name, answer = _split(rest, known)
    if kind in {"vote", "channel"} and answer is None:
        raise Refused(
            f"no score {shown(score)!r}: write {'vote:NAME:ANSWER' if kind == 'vote' else 'channel:LAYER:INDEX'}"
        )
    return Asked("head" if kind == "vote" else kind, name, answer)  # type: ignore[arg-type]


def _split(rest: str, known: Collection[str]) -> tuple[str, str | None]:
    """A name and an answer; the longest name that is known, else what stands before the last colon."""
    if rest in known or Path(rest).is_dir():
        return rest, None
    for name in sorted(known, key=len, reverse=True):
        if rest.startswith(f"{name}:"):
            return name, rest[len(name) + 1 :]
    name, colon, answer = rest.rpartition(":")
    return (name, answer) if colon else (rest, None)
