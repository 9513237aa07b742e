"""boda embed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, pixel_options, spoken
from boda.cli.show import Said, Show, Table, reasons_table

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    epilog="Example: boda embed photos/ -e auto -e handmade:hog-colour --to photos.boda",
)
@click.argument("source", type=PATH)
@click.option(
    "-e",
    "--encoder",
    "encoders",
    multiple=True,
    metavar="NAME",
    default=("auto",),
    show_default="auto",
    help="May be given several times; reading and decoding are shared. List them: boda encoders",
)
@click.option("--to", type=PATH, metavar="W.boda", help="The workspace. [default: NAME.boda in the current folder]")
@click.option("--weights", type=PATH, metavar="FILE", help="Weights of the one encoder: .safetensors, .pt, .pth, .th")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto: bf16 where this machine is fast at it and it agrees with fp32.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Features of a layer, as layer3, or last; several in one pass. See: boda encoders NAME --layers",
)
@click.option(
    "--pooling",
    "poolings",
    multiple=True,
    metavar="NAME",
    help="mean, gem or cls of that layer, or of the last map. Several are several recipes. [default: the model's own]",
)
@click.option(
    "--backend",
    type=click.Choice(["torch", "onnx", "openvino"]),
    default="torch",
    show_default=True,
    help="What computes: on the CPU ONNX Runtime or OpenVINO may be faster; they must agree with torch.",
)
@device_option
@pixel_options
@click.option("--path-column", metavar="COLUMN", help="Of a manifest, where its name is none of the usual ones.")
@click.option("--follow", is_flag=True, help="Walk into symlinked folders too.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Decoder processes. [default: one per core]")
@spoken
@click.pass_obj
def embed(show: Show, /, source: str, encoders: "Sequence[str]", **options: Any) -> None:
    """Embed the images of SOURCE that are not embedded yet. Safe to stop and run again.

    SOURCE is a folder, a manifest (CSV, TSV, Parquet), a tar, a Parquet of images, an IDX file, a FITS file or a URL.
    """
    import boda

    workspace = boda.embed(source, encoders=encoders, progress=show.progress, **options)
    report = Report(workspace.report)
    show(report, report.say)


class Report:
    """What a run did, as the command line says it."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record

    def as_json(self) -> dict[str, Any]:
        """The record itself."""
        return dict(self._record)

    def say(self) -> Iterator[Said]:
        """Counts first, then recipes, pace and reasons."""
        from boda.cli.progress import duration
        from boda.keys import shown

        r = self._record
        counts = f"{r['listed']:,} listed = {r['embedded']:,} embedded + {r['quarantined']:,} quarantined"
        yield f"{shown(r['workspace'])}: {counts}"
        if r["skipped"]:
            yield f"{r['skipped']:,} of these were embedded before"
        names = [one["name"] for one in r["recipes"]]
        features = ("layer", "pooling") if len(set(names)) < len(names) else ()
        columns = ("name", "id", *features, "precision", "width", "device", "embedded", "quarantined")
        yield Table(("encoder", "recipe", *columns[2:]), [[one[c] for c in columns] for one in r["recipes"]])
        if r["images_per_s"]:
            share = f" ({100 * r['limit_share']:.0f} % of the limit)" if r["limit_share"] else ""
            yield f"{r['images_per_s']:,.1f} images/s{share}, bottleneck: {r['bottleneck']}, {duration(r['seconds'])}"
        if r["reasons"]:
            yield reasons_table(r["reasons"])
            yield f"See them: boda quarantine {shown(r['workspace'])} list"
