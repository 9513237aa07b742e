"""The command `boda`: one file a verb, loaded when it is called."""

import contextlib
import difflib
import importlib
import os
import signal
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, NoReturn

import click

from boda.cli import errors
from boda.cli.show import Show

COMMANDS = {
    "embed": "boda.cli.embed:embed",
    "info": "boda.cli.info:info",
    "doctor": "boda.cli.doctor:doctor",
    "quarantine": "boda.cli.quarantine:quarantine",
    "encoders": "boda.cli.encoders:encoders",
    "label": "boda.cli.label:label",
    "search": "boda.cli.search:search",
    "train": "boda.cli.train:train",
    "predict": "boda.cli.predict:predict",
    "evaluate": "boda.cli.evaluate:evaluate",
    "compare": "boda.cli.compare:compare",
    "cluster": "boda.cli.cluster:cluster",
    "map": "boda.cli.map:map_points",
    "inspect": "boda.cli.inspect:inspect",
    "explain": "boda.cli.explain:explain",
    "look-inside": "boda.cli.look_inside:look_inside",
    "train-net": "boda.cli.train_net:train_net",
    "finetune": "boda.cli.finetune:finetune",
    "augment": "boda.cli.augment:augment",
    "export": "boda.cli.export:export",
    "export-head": "boda.cli.export_head:export_head",
    "import-features": "boda.cli.import_features:import_features",
    "import-head": "boda.cli.import_head:import_head",
    "demo": "boda.cli.demo:demo",
}

_LANE = "boda-lane-"
"""How the names of threads begin that encode."""


class Verbs(click.Group):
    """A group that imports a command when it is asked for, and ends each error the way the table says."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a misspelt one is answered with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an expected error becomes one line and an exit code."""
        show = ctx.ensure_object(Show)
        try:
            return super().invoke(ctx)
        except errors.EXPECTED as error:
            _tell(show, error)
            ctx.exit(errors.exit_code(error))
        finally:
            show.done()


def _tell(show: Show, error: BaseException) -> None:
    if show.verbose:
        show.done()
        traceback.print_exception(error)
    show.error(errors.text(error))


@click.command(cls=Verbs, epilog="Example: boda embed photos/", context_settings={"max_content_width": 100})
@click.version_option(package_name="boda", message="boda %(version)s")
def cli() -> None:
    """From a folder of images to features, and to answers that can be trusted."""


def main() -> None:
    """Run the command line of this process."""
    show = Show()

    def unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _tell(show, error)

    sys.excepthook = unexpected
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cli.main(obj=show, prog_name="boda")
    except KeyboardInterrupt as stopped:
        _tell(show, stopped)
        _leave(errors.STOPPED)
    except SystemExit as end:
        if end.code == errors.STOPPED:
            _leave(errors.STOPPED)
        raise


def _leave(code: int) -> NoReturn:
    """End a run that was stopped, also while a lane still encodes.

    A thread inside a torch operator cannot be ended, and aborts the process when it comes back to an interpreter that
    is being taken down: so then nothing is taken down.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if any(thread.name.startswith(_LANE) for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
