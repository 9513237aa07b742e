"""Options and arguments that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from boda.cli.show import Show

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _sets(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
        if value:
            setattr(context.ensure_object(Show), name, True)

    return callback


def spoken(command: _Command) -> _Command:
    """Add --json, -q and -v, which speak to the sink and not to the command."""
    for flags, name, words in (
        (("-v", "--verbose"), "verbose", "Show the trace of an error."),
        (("-q", "--quiet"), "quiet", "Say nothing but errors."),
        (("--json",), "json", "Print one JSON object on stdout and nothing else there."),
    ):
        command = click.option(
            *flags, is_flag=True, expose_value=False, is_eager=True, callback=_sets(name), help=words
        )(command)
    return command


PATH = click.Path()
"""A path as it was typed: the pipelines say what is wrong with it, in the same words for everybody."""

workspace_argument = click.argument("workspace", metavar="W", type=PATH)
force_option = click.option("--force", is_flag=True, help="Write over a file that is there.")
recipe_option = click.option(
    "--recipe", metavar="ID", help="Which features: id, its beginning, or encoder. [default: the latest]"
)
device_option = click.option(
    "--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps"
)

_PIXELS = (
    click.option(
        "--pixels",
        metavar="SETTINGS",
        help="In place of the encoder's own: size=224,mean=0.5,std=0.485/0.456/0.406; also resize, crop, filter, "
        "antialias.",
    ),
    click.option(
        "--decode",
        type=click.Choice(["scaled", "exact"]),
        help="scaled: large JPEGs are decoded at a fraction of their size where that is ample.  [default: scaled]",
    ),
    click.option(
        "--stretch",
        metavar="CURVE:LOW,HIGH",
        help="Black and white of FITS and float files: linear:0,1000, asinh:0,1000 or log:1,1000.",
    ),
    click.option(
        "--range",
        type=float,
        nargs=2,
        metavar="LOW HIGH",
        help="Black and white of 16-bit files. [default: 0 65535; a 12-bit camera: 0 4095]",
    ),
)


def pixel_options(command: _Command) -> _Command:
    """Add --pixels, --decode, --stretch and --range: what an encoder is to see."""
    for option in reversed(_PIXELS):
        command = option(command)
    return command
