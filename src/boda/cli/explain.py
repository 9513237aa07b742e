"""boda explain."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, force_option, recipe_option, spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.evaluation.bootstrap import Difference, Interval
    from boda.pipelines.explain import Comparison, Explanations

_LINES = 20
"""Images that a terminal shows."""


@click.command(
    epilog="Examples: boda explain cat.jpg · boda explain photos.boda --head merger --class yes --method layer-cam"
)
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="W|IMAGE...")
@click.option(
    "--score",
    metavar="SCORE",
    help="What is explained: class:281, head:NAME:CLASS, vote:NAME:ANSWER, cluster:NAME:K, like:KEY, text:WORDS or "
    "channel:LAYER:7. [default: the likeliest class of the network's own classifier]",
)
@click.option("--head", type=PATH, metavar="NAME|DIR", help="A head of your own, in place of --score.")
@click.option("--class", "answer", metavar="CLASS", help="Of the head, or of the classifier: its number or name.")
@click.option(
    "--method",
    metavar="METHOD",
    default="grad-cam",
    show_default=True,
    help="Also grad-cam++, layer-cam, cam, gradient, gradient-times-input, smoothgrad, integrated-gradients, deeplift, "
    "occlusion, relevance, rollout, attention, attention-heads; several with commas.",
)
@click.option("--layer", metavar="NAME", help="Where, for methods that work at a layer. [default: found by itself]")
@click.option(
    "--baseline",
    type=click.Choice(["mean", "black", "blurred"]),
    help="What integrated gradients, DeepLIFT and occlusion compare images with. [default: mean]",
)
@click.option("--compare", is_flag=True, help="Rank methods (all, or those of --method) on these images.")
@click.option("--row", multiple=True, metavar="KEY", help="An image of the workspace. [default: some at random]")
@click.option("--where", metavar="CONDITION", help="On columns: \"label == 'cat' and score > 5\".")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=12, show_default=True, help="How many images.")
@click.option(
    "--check/--no-check", default=True, help="Deletion, insertion, a network of random weights. [default: on]"
)
@recipe_option
@click.option(
    "-e", "--encoder", metavar="NAME", help="Of image files; of W where features do not say it. [default: auto]"
)
@click.option("--weights", type=PATH, metavar="FILE", help="With these: the weights the features were made with.")
@device_option
@click.option("--opacity", type=click.FloatRange(0, 1), help="Of the maps over the images. [default: 0.75]")
@click.option(
    "--at-once", type=click.IntRange(min=1), default=32, show_default=True, help="Images a pass; bounds memory."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--to", type=PATH, metavar="DIR", help="[default: in NAME-explain/ beside W, or boda-explain/]")
@force_option
@spoken
@click.pass_obj
def explain(show: Show, /, images: tuple[str, ...], *, compare: bool, method: str, **options: Any) -> None:
    """See which places of images move a score, with a check beside each map: a page, pictures and arrays.

    A score is a class, what a head of your own says, nearness to a cluster, likeness to another image or to a text.
    """
    import boda

    methods = [one.strip() for one in method.split(",")]
    if compare:
        if not options.pop("check") or options.pop("opacity") is not None:
            raise click.UsageError("--compare always checks and draws nothing: leave out --no-check and --opacity.")
        given = click.get_current_context().get_parameter_source("method")
        asked = None if given is click.core.ParameterSource.DEFAULT else methods
        compared = boda.compare_explanations(images, methods=asked, progress=show.progress, **options)
        show(compared, lambda: _say_ranking(compared))
        return
    found = boda.explain(images, method=methods, progress=show.progress, **options)
    show(found, lambda: _say(found))


def _say(found: "Explanations") -> Iterator[Said]:
    from boda.keys import shown

    rows: list[list[str | int | float | None]] = [
        [shown(one.key), one.title, one.value, one.method, one.difference, one.said] for one in found.explained[:_LINES]
    ]
    yield Table(("image", "score", "value", "method", "off what is stored", "check"), rows)
    if len(found.explained) > _LINES:
        yield f"and {len(found.explained) - _LINES:,} more"
    for note in found.notes:
        yield f"mind: {note}"
    yield f"page: {shown(str(found.page))}"


def _say_ranking(found: "Comparison") -> Iterator[Said]:
    from boda.keys import shown

    ranking = found.compared.ranking
    rows: list[list[str | int | float | None]] = [
        [one.method, *_three(one.faithfulness), *_three(one.over_centre), one.likeness, _share(one.gap)]
        for one in ranking.standings
    ]
    rows.append(["a blob in the middle", *_three(ranking.centre), *[None] * 5])
    header = ("method", "insertion - deletion", "low", "high", "above the blob", "low", "high", "like random weights")
    yield Table((*header, "off adding up"), rows)
    yield f"insertion - deletion: {ranking.unit}"
    yield from ranking.words()
    yield from (f"mind: {note}" for note in found.record["notes"])
    if found.compared.off_stored is not None:
        yield f"scores are at most {found.compared.off_stored.max():.1e} standard deviations off what is stored"
    yield f"table: {shown(str(found.table))}"


def _share(gap: float | None) -> str | None:
    return None if gap is None else f"{gap:.1%}"


def _three(interval: "Interval | Difference") -> list[str | int | float | None]:
    """Value and ends; of one image there are no ends."""
    return [None if math.isnan(one) else one for one in (interval.value, interval.low, interval.high)]
