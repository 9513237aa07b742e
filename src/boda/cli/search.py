"""boda search."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, force_option, recipe_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table
from boda.counted import counted

if TYPE_CHECKING:
    from boda.pipelines.search import Found
    from boda.pipelines.why_similar import Alikeness
    from boda.retrieval.likeness import Carried

_LIKE, _LESS = ("row", "image", "text"), ("less_row", "less_image")


@click.command(epilog='Example: boda search photos.boda --row cats/tom.jpg -k 10 --where "year > 2020"')
@workspace_argument
@click.option("--row", multiple=True, metavar="KEY", help="An image of the workspace; it is no hit, its copies are.")
@click.option(
    "--image", type=PATH, multiple=True, metavar="FILE", help="Any image file; embedded as the workspace was."
)
@click.option("--text", multiple=True, metavar="WORDS", help="Where the encoder has a text side, as open_clip's have.")
@click.option("--less-row", multiple=True, metavar="KEY", help="Hits are to be less like it, and are not it.")
@click.option("--less-image", type=PATH, multiple=True, metavar="FILE", help="Hits are to be less like it.")
@click.option("-k", type=click.IntRange(min=1), default=20, show_default=True, help="How many images.")
@click.option("--where", metavar="CONDITION", help="On columns: \"label == 'cat' and score > 5\".")
@click.option("--approximate", is_flag=True, help="Use an index, which may miss some; made where there is none yet.")
@click.option("--explain", nargs=2, metavar="KEY KEY", help="Why are these two images similar? In place of a search.")
@recipe_option
@click.option("--encoder", metavar="NAME", help="What made the features, where they do not say it; not for --row.")
@click.option("--weights", type=PATH, metavar="FILE", help="With these: the weights the features were made with.")
@device_option
@click.option("--to", type=PATH, metavar="FILE.png", help="The contact sheet. [default: in NAME-search/ beside W]")
@force_option
@spoken
@click.pass_obj
def search(show: Show, /, workspace: str, explain: tuple[str, str] | None, **options: Any) -> None:
    """Find the images most like some images or texts, and draw them. Exact, unless --approximate.

    --row, --image and --text, and --less-row and --less-image, may be given together and several times.
    """
    import boda

    if explain is not None:
        _explain(show, workspace, explain, options)
        return
    if not any(options[name] for name in _LIKE):
        raise click.UsageError("Give --row KEY, --image FILE or --text WORDS.")
    found = boda.search(workspace, **options)
    show(found, lambda: _say(found))


def _explain(show: Show, workspace: str, keys: tuple[str, str], options: dict[str, Any]) -> None:
    from click.core import ParameterSource

    from boda.pipelines.why_similar import why_similar

    given = [f"--{name.replace('_', '-')}" for name in (*_LIKE, *_LESS, "where", "approximate") if options.pop(name)]
    if click.get_current_context().get_parameter_source("k") is ParameterSource.COMMANDLINE:
        given.append("-k")
    if given:
        raise click.UsageError(f"--explain takes two images and no {given[0]}.")
    options.pop("k")
    why = why_similar(workspace, *keys, **options)
    show(why, lambda: _say_why(why))


def _say(found: "Found") -> Iterator[Said]:
    from boda.keys import shown
    from boda.pipelines.search import LARGE

    pairs = zip(found.hits.keys, found.hits.likeness, strict=True)
    yield Table(("", "key", "likeness"), [[i, shown(key), float(value)] for i, (key, value) in enumerate(pairs, 1)])
    if found.where is not None:
        met = counted(found.searched, "image meets", "images meet")
        yield f"{met} the condition; all of them were compared"
    if found.index is not None:
        recall = found.index.recall
        yield (
            f"Approximate: the index finds {_percent(recall['value'])} ({_percent(recall['low'])} to "
            f"{_percent(recall['high'])}) of the {recall['neighbours']} nearest, asked for {recall['queries']:,} rows"
        )
    elif found.where is None and found.searched >= LARGE:
        yield f"All {found.searched:,} images were compared; --approximate asks an index instead, which may miss some"
    yield f"Sheet: {shown(str(found.sheet))}"


def _say_why(why: "Alikeness") -> Iterator[Said]:
    from boda.keys import shown

    plain, centred = why.likeness.plain, why.likeness.centred
    yield f"likeness {plain.likeness:.4f}; of two random images {_spread(plain.others_likeness)} (90 %)"
    if centred is not None:
        words = f"{centred.likeness:.4f}; of two random images {_spread(centred.others_likeness)}"
        yield f"less the mean of all images {words}"
    first, second = why.likeness.ranks
    others = f"of {why.images - 1:,} images the second is number {first:,} in likeness to the first"
    yield f"{others}, and {second:,} the other way"
    rows: list[list[str | int | float | None]] = [
        [
            str(one.number),
            one.adds_centred,
            one.adds,
            _percent(one.first),
            _percent(one.second),
            ", ".join(map(shown, most)),
        ]
        for one, most in zip(why.likeness.dimensions, why.most, strict=True)
    ]
    yield Table(
        ("dimension", "adds", "with the mean", "first has more than", "second than", "images with most of it"), rows
    )
    yield f"{_said_carried(centred or plain, why)}"
    if why.places is None:
        yield f"no places: {why.why_no_places}"
        return
    sizes = [f"{one.shape[0]} x {one.shape[1]}" for one in (why.places.first, why.places.second)]
    yield f"places {' and '.join(sizes)}: their shares add up to {why.places.likeness:.4f}, {why.gap or 0:.4f} off"
    yield f"Picture: {shown(str(why.picture))}"


def _said_carried(carried: "Carried", why: "Alikeness") -> str:
    count = len(why.likeness.dimensions)
    return (
        f"these {count} of {why.width:,} dimensions add {carried.top:.4f}, all of them {carried.likeness:.4f}; "
        f"the largest {count} of two random images {_spread(carried.others)} (90 %)"
    )


def _spread(three: tuple[float, float, float]) -> str:
    return f"{three[0]:.2f} to {three[2]:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
