"""Look inside a network: its filters, what excites channels, classes and scores, and what a layer calls alike."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from boda.counted import counted
from boda.errors import Refused
from boda.keys import shown, to_json
from boda.pipelines.looking.given import Inside, Into, given
from boda.pipelines.looking.look import Kind, Look, Wanted
from boda.pipelines.output_folder import Folder, output_folder
from boda.pipelines.run.meter import OnProgress, Progress
from boda.pipelines.searching.sheet import slug
from boda.pipelines.seeds import check_seed
from boda.recipe import Recipe

if TYPE_CHECKING:
    from boda.encoders.base import Encoder
    from boda.explanations.maximisation import Ascent
    from boda.explanations.score import Score

VERB = "look-inside"
LIMIT = 2000
"""Images of a collection that are looked at, where nobody says."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One kind of look: where its function is, what it writes, and what it can be asked."""

    function: str
    files: tuple[str, ...]
    takes: frozenset[str]


_WAYS: dict[Kind, _Way] = {
    "filters": _Way("filters:look_at_filters", (".png", ".npy"), frozenset({"layer"})),
    "channels": _Way(
        "channels:look_at_channels", (".png", ".csv"), frozenset({"layer", "channels", "place", "count", "limit"})
    ),
    "activations": _Way(
        "activations:look_at_activations",
        (".png", ".npy"),
        frozenset({"layer", "channels", "image", "count", "limit"}),
    ),
    "maximise": _Way(
        "maximised:look_at_maximised",
        (".png", ".npy"),
        frozenset(
            {"layer", "channels", "place", "score", "class_index", "probability", "start", "ascent", "count", "limit"}
        ),
    ),
    "neighbours": _Way(
        "neighbours:look_at_neighbours", (".png", ".csv"), frozenset({"layer", "image", "count", "limit"})
    ),
    "map": _Way(
        "layer_map:look_at_map", (".png", "-images.png", ".npy", ".csv"), frozenset({"layer", "colour", "limit"})
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What was seen inside a network, and where it is."""

    kind: Kind
    encoder: str
    recipe: str
    """Its id."""
    folder: Path
    files: tuple[Path, ...]
    """Pictures first, the record in JSON last."""
    record: Mapping[str, Any]
    """`asked`, `images` that were looked at, `found`."""
    words: tuple[str, ...]
    """What was found, in sentences; the first says what was looked at."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            **self.record,
            "folder": to_json(str(self.folder)),
            "files": [to_json(str(one)) for one in self.files],
        }


def look_inside(  # noqa: PLR0913 - each is an option of the command
    encoder_or_workspace: Into,
    kind: Literal["filters", "channels", "activations", "maximise", "neighbours", "map"],
    *,
    layer: str | Sequence[str] | None = None,
    channels: int | Sequence[int] | None = None,
    place: tuple[int, int] | None = None,
    image: str | os.PathLike[str] | None = None,
    score: "str | Score | None" = None,
    class_index: int | str | Sequence[int | str] | None = None,
    probability: bool = False,
    start: str | os.PathLike[str] | None = None,
    ascent: "Ascent | Mapping[str, Any] | None" = None,
    count: int | None = None,
    colour: str | None = None,
    limit: int | None = None,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    seed: int = 0,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Looked:
    """Show what a network has inside, as pictures with their figures.

        filters       the first layer's filters, the only ones that see colours and can be seen themselves
        channels      for channels of a layer the images that excite them most, with what moves them in these
        activations   what the channels of a layer say of one image, against what they usually say
        maximise      images made to excite channels, classes or a score, beside those met in the collection
        neighbours    the images that layers call most like one
        map           t-SNE of a layer, with how much of the neighbourhoods it keeps

    Args:
        encoder_or_workspace: a workspace, whose recipe says which network; images (a folder, a file), which `encoder`
            sees, or `auto`; or an encoder, by name or loaded, for what needs no images.
        kind: one of the six.
        layer: `layer3`, `blocks.4`, any module by its name, or `last`; of `neighbours` several. None: of `filters` the
            first convolution, else the layer of the features, which is `last` for a network's own.
        channels: counted from 0. None: of `channels` and `activations` those that stand out most.
        place: a row and a column on the layer's grid: the channel there alone.
        image: a key of the collection, or a file. None: the only image there is.
        score: of `maximise`: `class:C`, `head:NAME[:ANSWER]`, `cluster:NAME:K`, `like:KEY`, `text:WORDS`,
            `channel:LAYER:INDEX`, or a `Score`.
        class_index: of `maximise`: classes of the network's own classifier, by number or by name.
        probability: climb their softmax probability, not their logit.
        start: of `maximise`: a key or a file to begin with, in place of noise. A head that takes more than the image is
            given the rest as in the row of that key; else at the mean of its training rows, where it keeps that.
        ascent: of `maximise`: an `Ascent`, or some of its settings: `{"steps": 512, "jitter": 0.1}`.
        count: images a channel or a score, channels of `activations`, neighbours. None: 9, 6, 11, 8.
        colour: of `map`: a column, or `cluster:NAME`, by which points are coloured.
        limit: images of the collection that are looked at, drawn at random of more. None: 2,000.
        recipe: of a workspace: which features' network.
        encoder: what sees the images; of a workspace, what made its features, where it may not say it itself.
        weights: the file of weights of the encoder.
        device: where it computes.
        seed: of noise and all that is drawn.
        to: the folder of the files; None: NAME-look-inside/ beside the workspace, else boda-look-inside/.
        force: write over files in that folder that this did not write.
        progress: is told how many images have passed.

    Raises:
        NotFound: no such workspace, image, class or column.
        Refused: no such layer or channel (near names, or their range, are told); the kind takes no such option; there
            is no network of torch to look into, or it lacks what is asked for; a file is in the way.
        MissingExtra, NotOffline, UnknownEncoder: the encoder cannot be loaded.
    """
    asked = {
        "layer": layer,
        "channels": channels,
        "place": place,
        "image": image,
        "score": score,
        "class_index": class_index,
        "probability": probability or None,
        "start": start,
        "ascent": ascent,
        "count": count,
        "colour": colour,
        "limit": limit,
    }
    _refuse_impossible(kind, asked, seed)
    wanted = Wanted(
        layers=_several(layer),
        channels=_several(channels),
        place=place,
        image=None if image is None else os.fspath(image),
        score=score,
        classes=_several(class_index),
        probability=probability,
        start=None if start is None else os.fspath(start),
        ascent=ascent,
        count=count,
        colour=colour,
        seed=seed,
    )
    if kind != "neighbours" and len(wanted.layers) > 1:
        raise Refused(f"{kind} looks at one layer, not at {len(wanted.layers)}: only neighbours takes several")
    inside = given(
        encoder_or_workspace,
        recipe=recipe,
        encoder=encoder,
        weights=weights,
        device=device,
        limit=LIMIT if limit is None else limit,
        rng=np.random.default_rng([seed, 1]),
        progress=progress or _silent,
    )
    stem = _stem(kind, wanted, inside.said, None if limit == LIMIT else limit)
    names = [stem + end for end in (*_WAYS[kind].files, ".json")]
    there = None if inside.workspace is None else inside.workspace.path
    folder = Folder(output_folder(there, VERB, to), VERB, force=force)
    folder.check(names)
    look = _look(kind)(inside, wanted)
    record = _record(kind, asked, inside, look, seed)
    text = json.dumps(record | {"files": names}, indent=1, allow_nan=False)
    folder.write({stem + end: data for end, data in look.files.items()} | {stem + ".json": text.encode()})
    files = tuple(folder.path / name for name in names)
    return Looked(kind, inside.network.name, inside.recipe.id, folder.path, files, record, _told(look, inside))


def _refuse_impossible(kind: Kind, asked: Mapping[str, Any], seed: int) -> None:
    """What can be told before anything is loaded."""
    if kind not in get_args(Kind):
        raise Refused(f"no look {shown(str(kind))!r}; one of {', '.join(get_args(Kind))}")
    takes = _WAYS[kind].takes
    for name, value in asked.items():
        if value is not None and name not in takes:
            raise Refused(f"{kind} takes no {name}; it takes {', '.join(one for one in asked if one in takes)}")
    for name, least in (("count", 0 if kind == "maximise" else 1), ("limit", 1)):
        if asked[name] is not None and asked[name] < least:
            raise Refused(f"{name}={asked[name]} must be at least {least}")
    check_seed(seed)


def _look(kind: Kind) -> Callable[[Inside, Wanted], Look]:
    """The function of a kind; torch is loaded by now."""
    module, _, name = _WAYS[kind].function.partition(":")
    found: Callable[[Inside, Wanted], Look] = getattr(import_module(f"boda.pipelines.looking.{module}"), name)
    return found


def _several(given_ones: Any) -> tuple[Any, ...]:
    if given_ones is None:
        return ()
    return (given_ones,) if isinstance(given_ones, str | int) else tuple(given_ones)


def _stem(kind: Kind, wanted: Wanted, said: Sequence[str], limit: int | None) -> str:
    """How the files are called: by what was asked, so that another question writes other files.

    How many images or channels are shown of an answer (`count`) is no other question.
    """
    score = wanted.score if wanted.score is None or isinstance(wanted.score, str) else wanted.score.name
    labelled = {
        "place": wanted.place,
        "start": wanted.start,
        "colour": wanted.colour,
        "limit": limit,
        "seed": wanted.seed or None,
        **_asked_of(wanted.ascent),
    }
    parts = [*said, *wanted.layers, *(["channels"] if wanted.channels and kind == "maximise" else [])]
    parts += [*map(str, wanted.channels), *filter(None, (score, wanted.image)), *map(str, wanted.classes)]
    parts += ["probability"] if wanted.probability else []
    for name, value in labelled.items():
        if value is not None:
            parts += [name, *map(str, value if isinstance(value, tuple) else (value,))]
    words = "-".join(parts)
    return f"{kind}-{slug(words)}" if words else kind


def _asked_of(ascent: "Ascent | Mapping[str, Any] | None") -> dict[str, Any]:
    """The settings that were given; of an `Ascent`, which is a whole one, those that differ from a bare one."""
    if ascent is None or isinstance(ascent, Mapping):
        return dict(sorted((ascent or {}).items()))
    bare, given_ones = type(ascent)(), {name: getattr(ascent, name) for name in ascent.__slots__}
    return {"ascent": "own"} | {name: one for name, one in given_ones.items() if one != getattr(bare, name)}


def _record(kind: Kind, asked: Mapping[str, Any], inside: Inside, look: Look, seed: int) -> dict[str, Any]:
    """Plain JSON: what was asked, of which network and images, and what was found."""
    there = inside.collection if kind != "filters" else None
    return {
        "made_by": f"boda {VERB}",
        "kind": kind,
        "encoder": inside.network.name,
        "recipe": inside.recipe.id,
        "seed": seed,
        "asked": {name: _plain(value) for name, value in asked.items() if value is not None},
        "images": None
        if there is None
        else {"of": there.of, "drawn": len(there.refs), "unreadable": len(there.unseen)},
        "found": dict(look.found),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        return to_json(os.fspath(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float) else getattr(value, "name", str(value))


def _told(look: Look, inside: Inside) -> tuple[str, ...]:
    """The words of a look, and how many images could not be read."""
    unseen = {} if inside.collection is None else inside.collection.unseen
    if not unseen:
        return look.words
    key, why = next(iter(unseen.items()))
    unlooked = f"{counted(len(unseen), 'image')} could not be looked at"
    return (*look.words, f"{unlooked}, the first: {shown(key)}, {why}")


def _silent(progress: Progress) -> None:
    """Nobody is listening."""
