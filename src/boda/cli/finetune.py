"""boda finetune."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.finetune import FineTuned

_SETTINGS = ("epochs", "batch", "lr", "augmentation", "precision", "patience")


@click.command(epilog="Example: boda finetune photos.boda --target score --augmentation flip --to run")
@workspace_argument
@click.option(
    "--encoder",
    "-e",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="auto, timm:NAME, resnet:NAME, hf-hub:OWNER/NAME, run:FOLDER",
)
@click.option("--weights", type=PATH, metavar="FILE", help="In place of the encoder's published weights.")
@click.option("--target", required=True, metavar="COLUMN", help="As of boda train.")
@click.option("--inputs", metavar="COLUMNS", help="Columns that the head is given beside the features.")
@click.option(
    "--as",
    "target_kind",
    type=click.Choice(["number", "class", "ratings", "votes"]),
    help="What the target is. [default: told by its values]",
)
@click.option("--tree", metavar="NAME|FILE", help="Of votes.")
@click.option("--total", metavar="COLUMN", help="Of votes that are fractions: how many people were asked.")
@click.option("--preset", default="finetune", show_default=True, metavar="NAME", help="How it is trained.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the images.")
@click.option("--batch", type=click.IntRange(min=1), help="Images a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="The highest learning rate, of the head.")
@click.option(
    "--layer-decay",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.75,
    show_default=True,
    help="How the learning rate falls from layer to layer towards the input.",
)
@click.option(
    "--freeze",
    metavar="NAMES|SHARE",
    help="Layers that do not change: names, or what these begin with; or a share of them, from the input on.",
)
@click.option(
    "--norms",
    type=click.Choice(["kept", "learned"]),
    default="kept",
    show_default=True,
    help="Statistics of batch norms that are not frozen.",
)
@click.option("--augmentation", metavar="NAME", help="A preset of boda augment; none.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="What the network computes in.")
@click.option("--patience", type=click.IntRange(min=1), help="End after so many epochs that were no better.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.1,
    show_default=True,
    help="Share of the training rows to choose the best epoch by.",
)
@click.option("--groups", metavar="COLUMN", help="Rows that agree here are never on both sides of a test.")
@click.option("--folds", type=click.IntRange(min=0), default=5, show_default=True, help="Of the comparison; 0: none.")
@click.option("--no-compare", is_flag=True, help="The same as --folds 0.")
@click.option("--no-swaps", is_flag=True, help="Flips change no class, whatever their names say.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@device_option
@click.option("--to", type=PATH, metavar="RUN", help="The folder. [default: NAME-ENCODER-tuned in the current folder]")
@spoken
@click.pass_obj
def finetune(
    show: Show,
    /,
    workspace: str,
    *,
    inputs: str | None,
    folds: int,
    no_compare: bool,
    no_swaps: bool,
    **options: Any,
) -> None:
    """Train an encoder on a target, and compare it with the encoder as it was. Stop it anywhere and run it again."""
    import boda

    settings = {name: value for name in _SETTINGS if (value := options.pop(name)) is not None}
    found = boda.finetune(
        workspace,
        inputs=[name for name in (inputs or "").split(",") if name.strip()],
        settings=settings,
        folds=0 if no_compare else folds,
        flip_pairs=() if no_swaps else None,
        progress=show.progress,
        **options,
    )
    show(found, lambda: _say(found))


def _say(found: "FineTuned") -> Iterator[Said]:
    from boda.keys import shown

    yield f"{shown(found.target)} ({found.kind}) from {found.rows:,} images, by {found.plan.architecture}, tuned"
    if found.comparison is None:
        yield "nothing was measured: nobody knows whether this is better than the frozen encoder (--folds 5 compares)"
    else:
        yield from _said_comparison(found.comparison)
    kept = (
        f"epoch {found.epoch} of {len(found.history)}"
        if found.epoch
        else "the network as it began: no epoch was better"
    )
    yield f"kept, tuned on all rows: {kept}, {found.seconds:.1f} s"
    yield f"encoder: {shown(found.encoder)}"
    yield f"head: {shown(str(found.head))}"


def _said_comparison(record: Any) -> Iterator[Said]:
    from boda.pipelines.finetune import primary_row

    yield f"{record['rows']:,} rows, {record['folds']['said']}, all held out"
    yield Table(
        ("metric", "baseline", "frozen", "tuned", "gain", "low", "high"),
        [
            [row["name"], row["baseline"], row["frozen"]["value"], row["tuned"]["value"]]
            + [row["gain"][name] for name in ("value", "low", "high")]
            for row in record["metrics"]
        ],
    )
    row = primary_row(record)
    gain, level = row["gain"], f"{100 * row['gain']['level']:.0f} %"
    if gain["low"] is None or gain["low"] <= 0 <= gain["high"]:
        verdict = "it cannot be told which is better on these rows"
    else:
        verdict = "tuning is better" if gain["low"] > 0 else "tuning is worse"
    yield f"{row['name']}: by the {level} interval of the gain {verdict}"
    seconds = record["seconds"]
    yield f"frozen {seconds['frozen']:.1f} s, its features were there; tuned {seconds['tuned']:.1f} s"
