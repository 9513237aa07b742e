"""What commands say: how a refusal looks, and that --json is one object and nothing else."""

import json
from typing import Any

from click.testing import Result


def one_line(result: Result) -> str:
    """The line of a refusal: alone on stderr, nothing on stdout, exit code 1."""
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("boda: ")
    return line


def one_object(result: Result) -> dict[str, Any]:
    """What --json printed: one line, nothing on stderr, exit code 0."""
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    (line,) = result.stdout.splitlines()
    record = json.loads(line)
    assert isinstance(record, dict)
    return record
