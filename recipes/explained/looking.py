"""Looking: one score, explained on a few images, and the methods ranked on some more."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import boda
from boda.heads.head import Head
from boda.pictures.sheet import thumbnail
from boda.pipelines.demonstration.album import Album
from boda.pipelines.explain import Explanations
from boda.unreadable import Unreadable
from boda.workspace.workspace import Workspace
from runs.receipt import write

LOOKED = "looked.json"
_SIDE = 320
"""Of the images that are kept beside their overlays, in pixels."""


@dataclass(frozen=True, eq=False)
class Question:
    """One score of the images of a workspace."""

    workspace: Workspace
    recipe: str | None = None
    """Id of the features that are explained; None: those of the head or the clustering."""
    weights: Path | None = None
    """Of their network, where they are a file."""
    score: str | None = None
    """None, without a head: the likeliest class of each image."""
    head: Head | None = None
    answer: str | None = None
    where: str | None = None
    rows: tuple[str, ...] = ()
    """Keys of the images, the first come first; (): drawn at random."""


@dataclass(frozen=True, slots=True)
class Methods:
    """Names: those that are shown, and those that are ranked."""

    shown: tuple[str, ...]
    ranked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """How many images are explained, and on how many the methods are ranked; 0: maps alone, without checks."""

    explained: int = 6
    ranked: int = 16


def looked(asked: Callable[[], Question], to: Path, methods: Methods, amount: Amount, seed: int) -> dict[str, Any]:
    """What explaining and ranking said, as JSON; what is in the folder already for the same methods and amount stays.

    Args:
        asked: makes ready what is asked.
        to: folder; gets `gallery/` with page, sheet, overlays and maps, `ranking/`, and the images in `plain/`.
        methods: which.
        amount: how many.
        seed: that draws images, and all else that is drawn.

    Raises:
        BodaError: as `boda.explain`.
    """
    kept = to / LOOKED
    settings = json.loads(json.dumps({"methods": asdict(methods), "amount": asdict(amount), "seed": seed}))
    if kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_bytes())
        if found["settings"] == settings:
            return found
    began = time.perf_counter()
    question = asked()
    to.mkdir(parents=True, exist_ok=True)
    explained = boda.explain(
        question.workspace,
        method=methods.shown,
        check=amount.ranked > 0,
        to=to / "gallery",
        **_asked(question, amount.explained, seed),
    )
    ranking = None
    if amount.ranked:
        compared = boda.compare_explanations(
            question.workspace,
            methods=methods.ranked,
            to=to / "ranking",
            **_asked(question, amount.ranked, seed),
        )
        ranking = dict(compared.record)
    _keep_plain(question.workspace, explained, to / "plain")
    found = {
        "settings": settings,
        "explained": explained.written.record,
        "ranking": ranking,
        "seconds": time.perf_counter() - began,
    }
    write(kept, json.dumps(found, indent=1).encode())
    return found


def _asked(question: Question, count: int, seed: int) -> dict[str, Any]:
    """What `boda.explain` and `boda.compare_explanations` are both given."""
    return {
        "score": question.score,
        "head": question.head,
        "answer": question.answer,
        "recipe": question.recipe,
        "weights": question.weights,
        "row": question.rows[:count],
        "where": question.where,
        "limit": count,
        "seed": seed,
    }


def _keep_plain(workspace: Workspace, explained: Explanations, to: Path) -> None:
    """The images beside their overlays, small, under the same numbers."""
    album = Album(workspace, explained.recipe)
    for place, key in enumerate(dict.fromkeys(one.key for one in explained.explained), 1):
        picture = thumbnail(album.data(key), _SIDE, explained.recipe)
        assert not isinstance(picture, Unreadable)
        data = BytesIO()
        picture.save(data, "PNG")
        write(to / f"{place:04d}.png", data.getvalue())
