"""Every command: what it prints, and one clear line with the right exit code where it cannot."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from boda.cli.main import COMMANDS
from spoken import one_line


def boda(*arguments: str | Path, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    """Run `boda ARGUMENTS` as a user does."""
    command = [sys.executable, "-m", "boda", *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, **options)


WORKSPACE_COMMANDS = {
    "info": [],
    "doctor": [],
    "quarantine": ["list"],
    "label": ["--from", "t.csv"],
    "search": ["--row", "a.png"],
    "export": ["--to", "out.csv"],
    "import-features": ["f.npy"],
    "train": ["--target", "y"],
    "evaluate": ["--head", "y"],
    "compare": ["--target", "y"],
    "cluster": ["-k", "2"],
    "map": [],
    "inspect": [],
    "explain": [],
    "look-inside": ["channels"],
    "import-head": ["f.npy", "--target", "y"],
}


@pytest.mark.parametrize("name", WORKSPACE_COMMANDS)
@pytest.mark.parametrize("kind", ["missing", "folder", "file"])
def test_what_is_no_workspace_is_one_line(run, tmp_path, monkeypatch, name, kind):
    """A missing path, a folder of other things and a file: exit 1, and the path is named."""
    monkeypatch.chdir(tmp_path)
    where = tmp_path / "photos.boda"
    if kind == "folder":
        where.mkdir()
    elif kind == "file":
        where.write_text("x")
    Path("t.csv").write_text("key,a\nx,1\n")
    import numpy as np

    np.save("f.npy", np.ones((1, 2), "f4"))
    Path("f.keys.json").write_text('["x"]')
    assert "photos.boda" in one_line(run(name, where, *WORKSPACE_COMMANDS[name]))


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_options_are_wrong_usage(run, name):
    """An unknown option exits with 2 and shows how the command is used."""
    result = run(name, "--no-such-option")
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed"],
        ["embed", "photos", "--precision", "fp8"],
        ["embed", "photos", "--workers", "0"],
        ["quarantine", "w", "burn"],
        ["quarantine", "w", "list", "more"],
        ["quarantine", "w", "export"],
        ["quarantine", "w", "export", "a.csv", "b.csv"],
        ["label", "w"],
        ["search", "w"],
        ["search", "w", "--less-row", "a"],
        ["search", "w", "--row", "a", "--explain", "a", "b"],
        ["search", "w", "--row", "a", "-k", "0"],
        ["search", "w", "--row", "a", "-k", "many"],
        ["predict"],
        ["predict", "a.png", "--topk", "0"],
        ["export", "w"],
        ["import-features", "w"],
        ["info"],
        ["train", "w"],
        ["evaluate", "w"],
        ["compare", "w"],
        ["import-head", "w", "--target", "y"],
    ],
)
def test_wrong_usage_exits_with_two(run, arguments):
    """Missing and impossible arguments are told before anything is done."""
    assert run(*arguments).exit_code == 2


def test_a_misspelt_command_is_answered_with_the_nearest(run):
    """And no command at all shows the help."""
    result = run("serach")
    assert result.exit_code == 2
    assert "Did you mean 'search'?" in result.stderr
    assert "Did you mean" not in run("zzz").stderr
    assert "quarantine" in run("--help").stdout


def test_sources_that_are_none_are_one_line(run, tmp_path, monkeypatch):
    """A missing path, an empty folder, a file that is no image, an unknown encoder; no features come of it."""
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in one_line(run("embed", "nowhere", "-e", "handmade:hog-colour"))
    (tmp_path / "empty").mkdir()
    one_line(run("embed", "empty", "-e", "handmade:hog-colour"))
    (tmp_path / "text.txt").write_text("words")
    one_line(run("embed", "text.txt", "-e", "handmade:hog-colour"))
    (tmp_path / "photos").mkdir()
    assert "no encoder named 'handmade:hog-color'" in one_line(run("embed", "photos", "-e", "handmade:hog-color"))


def test_info_says_what_is_inside(run, workspace):
    """For people and as JSON."""
    words = run("info", workspace.path)
    assert words.exit_code == 0
    assert "14 images" in words.stdout
    assert "handmade:hog-colour" in words.stdout
    record = json.loads(run("info", workspace.path, "--json").stdout)
    assert (record["images"], record["reasons"]) == (14, {"identify/not_an_image": 1})
    assert run("info", workspace.path, "-q").output == ""


def test_doctor_exits_with_one_where_something_is_damaged(run, workspace):
    """Whole: 0; damaged: 1, one line on stderr and the findings on stdout."""
    assert run("doctor", workspace.path, "--deep").exit_code == 0
    segment = next(path for path in workspace.path.rglob("*.npy") if path.stat().st_size > 50_000)
    segment.chmod(0o644)
    segment.write_bytes(segment.read_bytes()[:-4] + b"abcd")
    result = run("doctor", workspace.path, "--deep")
    assert result.exit_code == 1
    assert segment.name in result.stdout
    assert len(result.stderr.splitlines()) == 1
    assert json.loads(run("doctor", workspace.path, "--deep", "--json").stdout)["whole"] is False
    assert run("doctor", workspace.path, "--deep", "--repair").exit_code == 0


def test_quarantine_lists_exports_and_retries(run, workspace, tmp_path):
    """List is the default; export writes a table; retry says what to do next."""
    assert "identify/not_an_image" in run("quarantine", workspace.path).stdout
    assert run("quarantine", workspace.path, "export", tmp_path / "bad.csv").exit_code == 0
    assert "--force" in one_line(run("quarantine", workspace.path, "export", tmp_path / "bad.csv"))
    assert run("quarantine", workspace.path, "export", tmp_path / "bad.csv", "--force").exit_code == 0
    assert "is not quarantined" in one_line(run("quarantine", workspace.path, "retry", "red 0.png"))
    assert "boda embed" in run("quarantine", workspace.path, "retry", "broken.jpg").stdout
    assert "nothing is quarantined" in run("quarantine", workspace.path).stdout


def test_label_reports_both_sides(run, workspace, tmp_path):
    """Matched and unmatched rows are counted; no match at all exits with 1."""
    (tmp_path / "t.csv").write_text("key,score\nred 0.png,1\nnobody.png,2\n")
    result = run("label", workspace.path, "--from", tmp_path / "t.csv")
    assert "1 of 2 rows" in result.stdout
    assert "nobody.png" in result.stdout
    (tmp_path / "t.csv").write_text("key,score\nnobody.png,2\n")
    assert "nobody.png" in one_line(run("label", workspace.path, "--from", tmp_path / "t.csv"))
    assert "t2.csv" in one_line(run("label", workspace.path, "--from", tmp_path / "t2.csv"))
    assert "no column 'x'" in one_line(run("label", workspace.path, "--from", tmp_path / "t.csv", "--column", "x"))


def test_search_prints_hits_and_draws_a_sheet(run, workspace, photos, tmp_path):
    """By row and by image; a wrong key gets near ones."""
    result = run("search", workspace.path, "--row", "red 0.png", "-k", "3", "--to", tmp_path / "s.png")
    assert result.exit_code == 0
    assert "사진, copy.png" in result.stdout
    assert (tmp_path / "s.png").stat().st_size > 1000
    record = json.loads(run("search", workspace.path, "--image", photos / "red 1.png", "-k", "2", "--json").stdout)
    assert record["hits"][0]["key"] == "red 1.png"
    assert "red 0.png" in one_line(run("search", workspace.path, "--row", "red 0.pgn"))
    assert "identify/not_an_image" in one_line(run("search", workspace.path, "--image", photos / "broken.jpg"))
    assert "no features of recipe" in one_line(run("search", workspace.path, "--row", "red 0.png", "--recipe", "x"))


def test_export_and_import_features(run, workspace, tmp_path):
    """Out and in again; each refusal is one line."""
    assert run("export", workspace.path, "--to", tmp_path / "out.npy").exit_code == 0
    assert "--force" in one_line(run("export", workspace.path, "--to", tmp_path / "out.npy"))
    assert "ends in" in one_line(run("export", workspace.path, "--to", tmp_path / "out.doc"))
    result = run("import-features", workspace.path, tmp_path / "out.npy", "--name", "mine", "--json")
    assert json.loads(result.stdout)["imported"] == 12
    assert "no such file" in one_line(run("import-features", workspace.path, tmp_path / "none.npy"))
    assert "mine" in run("info", workspace.path).stdout


def test_encoders_are_listed(run):
    """The list is short; an unknown name gets near ones."""
    record = json.loads(run("encoders", "handmade:hog-colour", "--json").stdout)
    assert record["encoders"][0]["width"] == 2020
    assert "no encoder named 'handmade:nothing'" in one_line(run("encoders", "handmade:nothing"))
    assert "handmade:hog-colour" in run("encoders").stdout


def test_the_trace_is_shown_on_request(run, tmp_path):
    """With -v the trace comes before the line; without it there is none."""
    result = run("info", tmp_path, "-v")
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("boda: ")
    assert "Traceback" not in run("info", tmp_path).stderr


@pytest.mark.parametrize("name", ["-dash.boda", "with\nnewline.boda", "한글.boda", "\x1b[31mred.boda"])
def test_odd_names_are_shown_escaped(run, tmp_path, name):
    """No name can play with the terminal, and each is one line."""
    line = one_line(run("info", tmp_path / name))
    assert line.isprintable()


def test_a_name_that_is_not_utf8_is_told(tmp_path):
    """As escaped bytes, in a whole process."""
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", b"boda", b"info", b"caf\xe9.boda"], capture_output=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"boda: caf\\udce9.boda")


def test_a_process_speaks_json_and_exit_codes(workspace, tmp_path):
    """`python -m boda` in a whole process: JSON alone on stdout, silence on stderr; errors one line and 1."""
    done = boda("info", workspace.path, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["images"] == 14
    done = boda("info", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves_is_no_error(workspace, tmp_path):
    """`boda info W | true` ends quietly."""
    command = f"{sys.executable} -m boda info {workspace.path} --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_exits_with_130(tmp_path, number):
    """Ctrl-C and SIGTERM end with one line and 130."""
    code = (
        "import signal, sys, time, boda, boda.cli.main as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job begins without it
        "boda.info = lambda *a, **k: (print('ready', flush=True), time.sleep(60))\n"
        "sys.argv = ['boda', 'info', 'w']\nm.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        child.send_signal(number)
        _, errors = child.communicate(timeout=20)
    assert child.returncode == 130
    assert errors.startswith("boda: stopped")
    assert len(errors.splitlines()) == 1


SLOW = """
import time
import torch
import boda

class Net(torch.nn.Module):
    pixels = boda.PixelSpec(resize=8, crop=(8, 8))

    def __init__(self):
        super().__init__()
        self.big = torch.nn.Parameter(torch.zeros(512, 512))

    def forward(self, batch):
        if len(batch) > 2:
            open("encoding", "w").close()
            end = time.monotonic() + 15
            while time.monotonic() < end:
                torch.mm(self.big, self.big)
        return batch.flatten(1)

def make():
    return Net()
"""


@pytest.mark.slow
def test_a_stopped_run_does_not_wait_for_a_slow_batch(photos, tmp_path):
    """An operator of torch that still runs neither holds the end up nor makes it a crash: one line and 130."""
    pytest.importorskip("torch")
    (tmp_path / "boda_slow_net.py").write_text(SLOW)
    command = [sys.executable, "-m", "boda", "embed", photos, "-e", "boda_slow_net:make", "--precision", "fp32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        deadline = time.monotonic() + 60
        while not (tmp_path / "encoding").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=30)
        took = time.monotonic() - asked
    assert (child.returncode, len(errors.splitlines())) == (130, 1), errors
    assert errors.startswith("boda: stopped")
    assert took < 5


@pytest.mark.parametrize("verb", ["embed", "predict"])
def test_an_option_that_is_not_given_is_not_asked_for(run, monkeypatch, verb):
    """An encoder of one's own keeps its decoder unless --decode says another."""
    import boda

    asked = []

    def note(*_: object, **options: object) -> None:
        asked.append(options["decode"])
        raise boda.BodaError("enough")

    monkeypatch.setattr(boda, verb, note)
    one_line(run(verb, "x"))
    one_line(run(verb, "x", "--decode", "exact"))
    assert asked == [None, "exact"]
    assert "default: scaled" in " ".join(run(verb, "--help").stdout.split())


def test_a_bug_is_one_line_too(tmp_path):
    """An unexpected error names itself, says it is a bug, and exits with 1."""
    code = (
        "import sys, boda, boda.cli.main as m\n"
        "def broken(*a, **k): raise ZeroDivisionError('x')\n"
        "boda.info = broken\nsys.argv = ['boda', 'info', 'w']\nm.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("boda: ZeroDivisionError: x (a bug in boda")


@pytest.mark.slow
def test_embed_counts_and_goes_on(photos, tmp_path):
    """Listed = embedded + quarantined; the second run finds all of it done."""
    first = boda("embed", photos, "-e", "handmade:hog-colour", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    record = json.loads(first.stdout)
    assert set(record) >= {
        *("workspace", "listed", "embedded", "quarantined", "skipped", "recipes"),
        *("images_per_s", "limit_share", "bottleneck", "seconds"),
    }
    assert (record["listed"], record["embedded"], record["quarantined"], record["skipped"]) == (14, 13, 1, 0)
    assert record["workspace"] == "photos.boda"
    again = boda("embed", photos, "-e", "handmade:hog-colour", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stderr == "", "no progress where stderr is no terminal"
    assert "14 listed = 13 embedded + 1 quarantined" in again.stdout
    assert "13 of these were embedded before" in again.stdout


@pytest.mark.slow
def test_predict_names_classes(run, photos, tmp_path):
    """Index, per cent and name for each image; a bad image has a row with its reason; the table is written."""
    pytest.importorskip("timm")
    result = run("predict", photos / "red 0.png", photos / "broken.jpg", "--topk", "2", "--to", tmp_path / "p.csv")
    assert result.exit_code == 0, result.stderr
    assert "identify/not_an_image" in result.stdout
    assert (tmp_path / "p.csv").is_file()
    record = json.loads(run("predict", photos / "red 0.png", "--topk", "3", "--json").stdout)
    (one,) = record["predictions"]
    assert [set(top) for top in one["topk"]] == [{"index", "name", "percent"}] * 3
    assert "nowhere.png" in one_line(run("predict", "nowhere.png"))
    assert "no encoder" in one_line(run("predict", photos / "red 0.png", "--encoder", "nothing"))
