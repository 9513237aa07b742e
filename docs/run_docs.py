"""Run what the pages show, and compare it with what they say.

    python docs/run_docs.py                     # say where a page is not true
    python docs/run_docs.py --write             # and put what is true in its place
    python docs/run_docs.py --write docs/how-to/label.md

In a page two kinds of blocks are run, from the top down, all in one folder:

- a block indented by four spaces whose first line begins with `$ `: commands of a shell, each with its output;
  a line that begins with `> ` goes on with the command above it;
- a fenced block of Python: with `>>>`, each example with its output, all in one namespace; or, where its first line
  is a comment `# NAME.py`, a file that is written.

What depends on the machine is not compared: times, rates, sizes, process ids, names of stored files, and the last
digits of numbers with a decimal point. The id of a recipe is compared where its precision stands beside it and is the
same: `auto` takes bf16 on some machines and fp32 on others. A line `...` in a page stands for any number of lines. The
folder is shown as `/home/you`.
"""

import argparse
import doctest
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = "/home/you"
TOUR = ("README.md", "docs/tutorial.md", "docs/how-to/demo.md")
"""Read one after the other: the second goes on where the first ends."""


def groups() -> list[tuple[str, ...]]:
    """Pages that are run in one folder, in their order; every other page begins with photos/ and photos.boda."""
    pages = sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs" / "how-to").glob("*.md"))
    pages.append("docs/explanations.md")
    return [TOUR, *((page,) for page in pages if page not in TOUR)]


@dataclass(frozen=True, slots=True)
class Step:
    """Something a page runs, where it stands, and what the page says comes out."""

    kind: str
    """`shell`; `single` or `exec`, as Python compiles it; or `file`."""
    source: str
    said: list[str]
    first: int
    """Line of the page, from 0, where the output begins."""
    indent: str


def steps(page: str) -> Iterator[Step]:
    """Everything a page runs, from the top down."""
    lines = page.split("\n")
    number = 0
    while number < len(lines):
        end = number + 1
        if lines[number].startswith("    $ "):
            while end < len(lines) and (lines[end].startswith("    ") or _goes_on(lines, end)):
                end += 1
            yield from _shell(lines, number, end)
        elif lines[number].startswith("```"):
            end = lines.index("```", end) + 1
            if lines[number] == "```python":
                yield from _python(lines[number + 1 : end - 1], number + 1)
        number = end


def _goes_on(lines: list[str], number: int) -> bool:
    """Whether an empty line is within an indented block, not after it."""
    return not lines[number] and number + 1 < len(lines) and lines[number + 1].startswith("    ")


def _shell(lines: list[str], start: int, end: int) -> Iterator[Step]:
    bare = [line[4:] for line in lines[start:end]]
    prompts = [place for place, line in enumerate(bare) if line.startswith("$ ")]
    for place, after in pairwise([*prompts, len(bare)]):
        output = place + 1
        while output < after and bare[output].startswith("> "):
            output += 1
        command = "\n".join(line[2:] for line in bare[place:output])
        yield Step("shell", command, bare[output:after], start + output, "    ")


def _python(lines: list[str], start: int) -> Iterator[Step]:
    if re.fullmatch(r"# \w+\.py", lines[0]):
        yield Step("file", "\n".join(lines) + "\n", [], start, "")
    elif any(line.startswith(">>> ") for line in lines):
        for example in doctest.DocTestParser().get_examples("\n".join(lines) + "\n"):
            first = start + example.lineno + example.source.count("\n")
            said = example.want.split("\n")[:-1] if example.want else []
            yield Step("single", example.source, said, first, "")
    else:
        yield Step("exec", "\n".join(lines) + "\n", [], start + len(lines), "")


_PYTHON = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    (source, mode), said = json.loads(line), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            exec(compile(source, "<page>", mode), names)
        except Exception as error:
            print("Traceback (most recent call last):", "    ...", sep="\\n")
            print("".join(traceback.format_exception_only(error)), end="")
    print(json.dumps(said.getvalue()), flush=True)
"""


class Reader:
    """Someone who types what the pages show, in a folder of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._python: subprocess.Popen[str] | None = None

    def does(self, step: Step) -> list[str]:
        """Run a step; the lines it says, and `[status N]` where a command failed without saying why, or the reverse."""
        if step.kind == "file":
            name = step.source.split("\n")[0].removeprefix("# ")
            (self.home / name).write_text(step.source, "utf-8")
            return []
        said = self._in_shell(step.source) if step.kind == "shell" else self._in_python(step)
        lines = said.replace(str(self.home), HOME).rstrip("\n").split("\n")
        return [] if lines == [""] else lines

    def close(self) -> None:
        """End Python, if there was any."""
        if self._python is not None:
            self._python.communicate()
            self._python = None

    def _in_shell(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        if done.returncode == -signal.SIGKILL:
            return done.stdout + "Killed\n"
        told = re.search(r"^(boda: |Error: )", done.stdout, re.MULTILINE) is not None
        return done.stdout if told == (done.returncode != 0) else f"{done.stdout}[status {done.returncode}]\n"

    def _in_python(self, step: Step) -> str:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", _PYTHON],
                cwd=self.home,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps([step.source, step.kind]) + "\n")
        self._python.stdin.flush()
        return str(json.loads(self._python.stdout.readline()))

    def _environment(self) -> dict[str, str]:
        """Nothing of this machine but where Python is: no GPU, no network, no cache, no data."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",  # two that wait busily take minutes for seconds' work where other programs run
        }


_MASKS = (
    (r"[\d.,]+ images/s.*", "RATE"),
    (r"\b(in [\d.]+s|\d+\.\d+ s)\b", "TIME"),
    (r"\b\d+ (h \d+ min|min \d+ s|s)\b", "TIME"),
    (r"\b[\d.]+ (B|kB|MB|GB)\b", "SIZE"),
    (r"\bprocess \d+", "process PID"),
    (r"([\"'](seconds|images_per_s|limit_share|bottleneck)[\"']): [^,}]+", r"\1: MASKED"),
    (r"\b[0-9a-f]{32}\.npy\b", "DIGEST.npy"),
    (r"\s+", " "),
)
_PRECISION = re.compile(r"\b(fp32|bf16)\b")
_ID = re.compile(r"\b[0-9a-f]{16}\b")
_DECIMAL = re.compile(r"\d+\.\d+(?:e-?\d+)?")


def agree(page: Sequence[str], got: Sequence[str]) -> bool:
    """Whether a page says what came out, as far as that is the same everywhere; `...` is any number of lines."""
    if not page:
        return not got
    if page[0] == "...":
        return any(agree(page[1:], got[start:]) for start in range(len(got) + 1))
    return bool(got) and _alike(page[0], got[0]) and agree(page[1:], got[1:])


def _alike(line: str, other: str) -> bool:
    line, other = _masked(line), _masked(other)
    if not _PRECISION.search(line) or _PRECISION.findall(line) != _PRECISION.findall(other):
        line, other = (_PRECISION.sub("PRECISION", _ID.sub("ID", one)) for one in (line, other))
    if _DECIMAL.sub("0.0", line) != _DECIMAL.sub("0.0", other):
        return False
    pairs = zip(_DECIMAL.findall(line), _DECIMAL.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= 0.005 + 0.005 * abs(float(a)) for a, b in pairs)


def _masked(line: str) -> str:
    for pattern, by in _MASKS:
        line = re.sub(pattern, by, line)
    return line.rstrip()


def run(text: str, reader: Reader) -> tuple[str, list[str]]:
    """Run a page.

    Args:
        text: of the page.
        reader: who runs it.

    Returns:
        The page with what is true in it, and one report for each place where it was not.
    """
    lines, reports, moved = text.split("\n"), [], 0
    for step in steps(text):
        got = reader.does(step)
        if agree(step.said, got):
            continue
        start = step.first + moved
        lines[start : start + len(step.said)] = [(step.indent + line).rstrip() for line in got]
        moved += len(got) - len(step.said)
        was, now = ("\n".join(f"  {line}" for line in some) or "  (nothing)" for some in (step.said, got))
        reports.append(f"line {step.first + 1}: {step.source.rstrip()}\nthe page says\n{was}\nit is\n{now}")
    return "\n".join(lines), reports


class Shelf:
    """The folder in which the how-to pages begin: photos/ and photos.boda, always at the same path."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self._kept = folder / "kept"

    def fresh(self, group: Sequence[str]) -> Path:
        """The folder as a group of pages expects it: empty for the tour."""
        shutil.rmtree(self.home, ignore_errors=True)
        if tuple(group) == TOUR:
            self.home.mkdir(parents=True)
        else:
            if not self._kept.is_dir():
                self._make()
            shutil.copytree(self._kept, self.home)
        return self.home

    def _make(self) -> None:
        from boda.pipelines.demonstration.images import write_images

        self.home.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            written = write_images(Path(folder), digits=0).folder
            shutil.copytree(written / "photographs", self.home / "photos")
        reader = Reader(self.home)
        reader.does(Step("shell", "boda embed photos/", [], 0, ""))
        shutil.copytree(self.home, self._kept)
        shutil.rmtree(self.home)


def run_group(group: Sequence[str], shelf: Shelf) -> dict[str, tuple[str, list[str]]]:
    """Run pages in one folder; for each its true text and the reports."""
    reader = Reader(shelf.fresh(group))
    try:
        return {page: run((ROOT / page).read_text("utf-8"), reader) for page in group}
    finally:
        reader.close()


def main() -> int:
    """Run pages; 1 where one was not true."""
    parser = argparse.ArgumentParser(description="Run what the pages show, and compare it with what they say.")
    parser.add_argument("pages", nargs="*", help="by default all")
    parser.add_argument("--write", action="store_true", help="put what is true in its place")
    asked = parser.parse_args()
    wanted = {Path(page).resolve().relative_to(ROOT).as_posix() for page in asked.pages}
    untrue = 0
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        for group in groups():
            if wanted and not wanted & set(group):
                continue
            for page, (text, reports) in run_group(group, shelf).items():
                untrue += len(reports)
                print(f"{page}: {'true' if not reports else f'{len(reports)} places were not true'}")
                for report in reports:
                    print(f"\n{page}, {report}\n")
                if asked.write:
                    (ROOT / page).write_text(text, "utf-8")
    return int(untrue > 0 and not asked.write)


if __name__ == "__main__":
    sys.exit(main())
