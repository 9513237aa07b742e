"""The card of a head: what it is, how to use it, how good it is, what it was trained on, in Markdown for model hubs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from boda.heads.card_front import front, licences
from boda.keys import shown

Form: TypeAlias = Literal["onnx", "timm", "timm encoder", "head"]
"""What lies beside the head: one ONNX graph of both; a network of timm with the head as its classifier; one without;
nothing."""

_MANY = 20
_SCORES = {
    "number": "`scores[:, 0]` is the prediction",
    "class": "`scores.softmax(1)` are the calibrated probabilities of the classes",
    "labels": "`scores.sigmoid()` are the calibrated probabilities of the labels",
    "ratings": "`scores.softmax(1)` are the shares of the ratings",
}
_TIMM = """```python
import timm

model = timm.create_model("hf-hub:OWNER/NAME", pretrained=True).eval()  # of a folder here: "local-dir:FOLDER"
prepared = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
{line} = model(prepared(image)[None])
```"""
_ONNX = """```python
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
print(session.get_modelmeta().custom_metadata_map["inputs"])  # what goes in, and how images are prepared
```"""


@dataclass(frozen=True, slots=True)
class Use:
    """What a head comes with."""

    form: Form = "head"
    base: tuple[str, ...] = ()
    """Repositories of a model hub that its encoders came from."""
    rows: bool = True
    """Whether it says which images it was trained on."""


def card(record: Mapping[str, Any], use: Use = Use()) -> str:
    """The card of a head.

    Args:
        record: as `Head.as_json` gives it.
        use: what it comes with.
    """
    library = "timm" if use.form in {"timm", "timm encoder"} else "boda"
    sections = [_what(record), _usage(record, use), _how_good(record), _limits(record), _made_from(record, use)]
    lines = [*front(record, library=library, base=use.base)]
    for section in [*sections, _licence(record), _recipes(record)]:
        lines += [*section, ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _what(record: Mapping[str, Any]) -> Iterator[str]:
    target = record["target"]
    yield f"# {_plain(record['name'])}"
    yield ""
    more = ", ..." if len(target["names"]) > _MANY else ""
    names = f" Answers: {', '.join(map(_plain, target['names'][:_MANY]))}{more}." if target["names"] else ""
    yield f"Predicts {_plain(target['name'])} ({target['kind']}) by a {record['model']['kind']} head.{names}"
    yield ""
    for one in record["inputs"]:
        recipe = one["recipe"]
        if recipe is None:
            yield f"- column {_plain(one['name'])}, {'names' if one['category'] else 'numbers'}"
        else:
            made = f"{_plain(recipe['name'])} ({_plain(recipe['architecture'])}), recipe `{recipe['id']}`"
            yield f"- features {_plain(one['name'])}, {one['scaling']}: {made}"
    if unit := record["unit"]:
        views = f", one for each {_plain(unit['view'])}" if unit["view"] else ", averaged"
        yield f"- one row is the images of one {_plain(unit['column'])}{views}"


def _usage(record: Mapping[str, Any], use: Use) -> Iterator[str]:
    yield "## How to use it"
    yield ""
    columns = any(one["recipe"] is None for one in record["inputs"])
    table = " --from TABLE" if columns else ""
    weights = " --weights FOLDER/model.safetensors" if use.form in {"timm", "timm encoder"} else ""
    yield "```sh"
    yield f"boda predict photo.jpg --head FOLDER{weights}{table}"
    yield "```"
    yield ""
    match use.form:
        case "timm":
            yield _TIMM.format(line="scores")
            yield ""
            yield f"The classifier of the network is this head, with its scaling and calibration: {_scores(record)}."
        case "timm encoder":
            yield _TIMM.format(line="features")
            yield ""
            yield "The network gives features; the head stands beside it, in `head.json` and `weights.safetensors`."
            for one in record["inputs"]:
                recipe = one["recipe"]
                if recipe and (recipe["layer"], recipe["pooling"]) != ("pooled", "model"):
                    layer, pooling = _plain(recipe["layer"]), recipe["pooling"]
                    yield f"The head takes what layer {layer} of it gives, pooling {pooling}, which boda computes."
        case "onnx":
            yield _ONNX
            yield ""
            yield "`model.onnx` goes from uint8 pixels and columns to predictions; its metadata says what each means."
        case "head":
            yield "The head is here, without the network that computes its features."


def _scores(record: Mapping[str, Any]) -> str:
    return _SCORES[record["target"]["kind"]]


def _how_good(record: Mapping[str, Any]) -> Iterator[str]:
    evaluation = record["evaluation"]
    yield "## How good it is"
    yield ""
    if not evaluation:
        yield "It was not evaluated."
        return
    folds = evaluation["folds"]
    yield f"On {evaluation['rows']:,} rows, each predicted by a model that had not seen it: {_plain(folds['said'])}."
    yield ""
    yield from _table(
        ("metric", "value", "90 % interval", "trivial baseline"),
        (
            (name, _number(one["value"]), _between(one), _number(one["baseline"]))
            for name, one in evaluation["metrics"].items()
        ),
    )
    if inputs := evaluation.get("inputs"):
        yield ""
        yield from _table(
            ("inputs", str(evaluation["primary"]), "90 % interval"),
            ((one["inputs"], _number(one["value"]), _between(one)) for one in [*inputs, *_differences(evaluation)]),
        )
    for sentence in _trust(evaluation):
        yield ""
        yield sentence


def _differences(evaluation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in evaluation.get("differences", ()):
        yield one | {"inputs": one["of"]}


def _trust(evaluation: Mapping[str, Any]) -> Iterator[str]:
    """Whether its intervals and probabilities hold, and what could be reached at all."""
    if conformal := evaluation.get("conformal"):
        coverage = conformal["coverage"]
        kind, what = "intervals", "truth of {} of held-out rows"
        if "questions" in conformal:
            what = "votes that were given in {} of answers on held-out rows"
        elif "labels" in conformal:
            kind, what = "sets of yes and no", "truth of {} of the known labels of held-out rows"
        elif "set_size" in conformal:
            kind = "sets of possible classes"
        held = f"{_percent(coverage['value'])} ({_percent(coverage['low'])} to {_percent(coverage['high'])})"
        yield f"Its {_percent(conformal['level'])} {kind} held the {what.format(held)}."
    if calibration := evaluation.get("calibration"):
        yield (
            f"Expected calibration error: {_number(calibration['error'])} once calibrated, "
            f"{_number(calibration['error_before'])} before."
        )
    if ceiling := evaluation.get("ceiling"):
        best = _number(ceiling["spearman"]["value"])
        yield f"With {ceiling['raters']:.0f} raters an image nothing can reach a Spearman above about {best}."


def _limits(record: Mapping[str, Any]) -> Iterator[str]:
    """What follows from the record for those who use it, and nothing else."""
    evaluation = record["evaluation"]
    yield "## What it is for, and what to mind"
    yield ""
    yield "For images like those it was trained on, prepared as its recipe says. On others nothing was measured."
    if not evaluation:
        return
    folds = evaluation["folds"]
    if folds["by"] == "rows":
        yield (
            "Rows were divided at random, copies kept together: where images come in groups that are alike (one place, "
            "one patient, one camera), expect less on a new group."
        )
    else:
        by = _plain(folds["by"])
        yield f"Folds kept each {by} whole: the scores are those to expect for a {by} that is new."
    gap = evaluation.get("random_folds")
    if gap and not gap["flattered"]:  # else it is among the warnings
        yield _plain(gap["sentence"])
    for warning in evaluation.get("warnings", ()):
        yield ""
        yield f"**Mind:** {_plain(warning)}"


def _made_from(record: Mapping[str, Any], use: Use) -> Iterator[str]:
    evaluation = record["evaluation"]
    yield "## What it was trained on"
    yield ""
    data = evaluation.get("data", {})
    if not data:
        yield "Not known."
        return
    listed, unused = data["listed"], data["quarantined"]
    yield f"{evaluation['rows']:,} rows. {listed:,} images listed, {unused:,} of these could not be used."
    if reasons := data.get("reasons"):
        yield ""
        yield from _table(("why quarantined", "images"), ((_plain(why), f"{n:,}") for why, n in reasons.items()))
    if left_out := evaluation["left_out"]:
        yield ""
        yield f"Not trained on: {', '.join(f'{_plain(why)} {count:,}' for why, count in left_out.items())}."
    if imbalance := evaluation.get("imbalance"):
        yield ""
        classes = zip(imbalance["names"], imbalance["counts"], imbalance["shares"], strict=True)
        yield from _table(
            ("class", "rows", "share"),
            ((_plain(name), f"{count:,}", _percent(share)) for name, count, share in classes),
        )
    if not use.rows:
        yield ""
        yield "Which images these were is not part of this folder: it cannot tell whether it has seen an image."


def _licence(record: Mapping[str, Any]) -> Iterator[str]:
    found = licences(record)
    if not found:
        return
    yield "## Licence"
    yield ""
    for one in record["inputs"]:
        if one["recipe"]:
            known = one["recipe"]["licence"]
            said = f"are under {_plain(known)}" if known else "have a licence that is not known: ask whose they are"
            yield f"- the weights of {_plain(one['recipe']['name'])} {said}"
    yield "- of the images and labels that the head was trained on, nothing is said here"


def _recipes(record: Mapping[str, Any]) -> Iterator[str]:
    found = {one["recipe"]["id"]: one["recipe"] for one in record["inputs"] if one["recipe"]}
    if not found:
        return
    yield "## Recipe of the features"
    yield ""
    yield "Everything that changes their numbers; other features are refused."
    for recipe in found.values():
        yield ""
        yield "```json"
        yield json.dumps(recipe, indent=1)
        yield "```"


def _table(header: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _between(one: Mapping[str, Any]) -> str:
    return f"{_number(one['low'])} to {_number(one['high'])}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}".removesuffix(".0") + " %"


def _plain(text: str) -> str:
    """Text that Markdown leaves alone, on one line."""
    tame = shown(text)
    for sign in "\\`*_{}[]<>|#":
        tame = tame.replace(sign, "\\" + sign)
    return tame
