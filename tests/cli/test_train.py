"""`boda train`: what it says and writes, and that it refuses before it computes."""

import signal
import subprocess
import sys

import pytest

from boda.workspace.workspace import open_workspace
from spoken import one_line, one_object


@pytest.fixture
def idle(monkeypatch):
    """Nothing may be learned: a refusal has to come first."""

    def learn(*_: object, **__: object) -> None:
        raise AssertionError("learned before it was refused")

    monkeypatch.setattr("boda.pipelines.train.cross_fit", learn)


def test_it_says_what_was_learned_and_how_good_it_is(run, scored, tmp_path):
    """One line on the head, the folds, a table with interval and baseline, coverage, and where the page is."""
    result = run("train", scored.path, "--target", "y", "--inputs", "plain,area")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "y: y (number) from plain, area, ridge"
    assert lines[1] == "80 rows, 5 folds"
    assert lines[2].split() == ["metric", "value", "low", "high", "baseline"]
    assert any(line.startswith("both - numbers") for line in lines)
    assert any(line.startswith("90 % intervals: measured coverage") for line in lines)
    assert lines[-1] == f"page: {tmp_path / 'scored-train' / 'y.html'}"
    assert run("train", scored.path, "--target", "y", "-q").output == ""


def test_json_is_one_object(run, scored, tmp_path):
    """Head, target, inputs, evaluation and page; a class has its calibration, sets and imbalance."""
    record = one_object(run("train", scored.path, "--target", "kind", "--json"))
    assert (record["head"], record["kind"], record["inputs"]) == ("kind", "class", ["noise"])
    assert record["page"] == str(tmp_path / "scored-train" / "kind.html")
    evaluation = record["evaluation"]
    assert evaluation["primary"] == "auc"
    assert {"error", "error_before", "curve", "curve_before", "temperature"} <= set(evaluation["calibration"])
    assert set(evaluation["conformal"]) == {"level", "coverage", "set_size"}
    assert evaluation["imbalance"]["names"] == ["merger", "smooth"]
    without = one_object(run("train", scored.path, "--target", "kind", "--no-page", "--name", "bare", "--json"))
    assert without["page"] is None
    assert not (tmp_path / "scored-train" / "bare.html").exists()


def test_groups_show_the_gap(run, scored):
    """With --groups both kinds of folds are told."""
    said = run("train", scored.path, "--target", "y", "--inputs", "plain", "--groups", "who", "--no-page").stdout
    assert "5 folds by who (20 groups)" in said
    assert "grouped" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "yy"], "no column 'yy'. There is: y"),
        (["--target", "kind=merge"], "column 'kind' never says 'merge'"),
        (["--target", "log10(area)"], "log10(area) has no value at"),
        (["--target", "y", "--inputs", "plian"], "There is: plain"),
        (["--target", "y", "--inputs", "aera"], "There is: area"),
        (["--target", "y", "--groups", "whom"], "There is: who"),
        (["--target", "y", "--name", "a b"], "'a b' is no name for a head"),
        (["--target", "y", "--view", "who"], "--unit"),
        (["--target", "y", "--folds", "60"], "80 rows are too few for 60 folds"),
        (["--target", "who", "--as", "votes"], "--tree"),
        (["--target", "y", "--page", "page.txt"], "ends in .html"),
        (["--target", "y", "--page", "nowhere/page.html"], "no such folder"),
        (["--target", "y", "--to", "nowhere/head"], "no such folder"),
    ],
)
@pytest.mark.usefixtures("idle")
def test_wrong_names_are_one_line_and_nothing_is_kept(run, scored, tmp_path, monkeypatch, options, words):
    """What, where, and what is there instead; before anything is computed."""
    monkeypatch.chdir(tmp_path)
    assert words in one_line(run("train", scored.path, *options))
    assert scored.results("head") == []
    assert not list(tmp_path.glob("scored-train/*"))
    assert "page" in str(options) or not (tmp_path / "scored-train").exists()


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--target", "y", "--folds", "1"],
        ["--target", "y", "--kind", "forest"],
        ["--target", "y", "--as", "colour"],
        ["--target", "y", "--scaling", "none"],
        ["--target", "y", "--page", "p.html", "--no-page"],
    ],
)
@pytest.mark.usefixtures("idle")
def test_wrong_usage_exits_with_two(run, scored, options):
    """Missing and impossible options show how the command is used."""
    result = run("train", scored.path, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_what_is_no_workspace_is_one_line(run, tmp_path):
    """A missing path is named."""
    assert "nowhere.boda" in one_line(run("train", tmp_path / "nowhere.boda", "--target", "y"))


def test_its_own_page_is_renewed_and_no_other_is_touched(run, scored, tmp_path):
    """A page of an earlier training goes; anything else stays, unless --force says otherwise."""
    train = ("train", scored.path, "--target", "y", "--inputs", "plain")
    page = tmp_path / "scored-train" / "y.html"
    assert run(*train).exit_code == 0
    first = page.read_text("utf-8")
    assert '<meta name="generator" content="boda train">' in first
    assert str(tmp_path) not in first
    assert run(*train, "--seed", "1").exit_code == 0
    assert page.read_text("utf-8") != first
    thesis = tmp_path / "thesis.html"
    thesis.write_text("mine")
    assert "--force" in one_line(run(*train, "--page", thesis))
    assert thesis.read_text() == "mine"
    assert run(*train, "--page", thesis, "--force").exit_code == 0
    assert "Spearman correlation" in thesis.read_text("utf-8")


def test_a_folder_with_other_things_is_not_written_into(run, scored, tmp_path):
    """--to takes a new or empty folder, or one to write over with --force."""
    folder = tmp_path / "head"
    train = ("train", scored.path, "--target", "y", "--no-page", "--to", folder)
    assert run(*train).exit_code == 0
    assert (folder / "head.json").is_file()
    before = scored.results("head")
    assert "--force" in one_line(run(*train))
    assert scored.results("head") == before
    assert run(*train, "--force").exit_code == 0


@pytest.mark.usefixtures("idle")
def test_a_workspace_in_use_is_told_first(run, scored):
    """Another writer: one line, before anything is computed."""
    with scored.write():
        assert "is writing to it" in one_line(run("train", scored.path, "--target", "y"))


@pytest.mark.usefixtures("idle")
def test_a_workspace_that_cannot_be_written_is_told_first(run, scored, monkeypatch):
    """As on a read-only disk: one line that says so, before anything is computed."""
    monkeypatch.setattr("boda.workspace.workspace._why_read_only", lambda folder: f"{folder} cannot be written here")
    assert "cannot be written here" in one_line(run("train", scored.path, "--target", "y"))


def test_ctrl_c_keeps_nothing(scored, tmp_path):
    """While it learns: one line and 130, and neither a head nor a page."""
    code = (
        "import signal, sys, time, boda.pipelines.train as train, boda.cli.main as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "train.cross_fit = lambda *a, **k: (print('ready', flush=True), time.sleep(60))\n"
        f"sys.argv = ['boda', 'train', {str(scored.path)!r}, '--target', 'y']\nm.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, len(errors.splitlines())) == (130, 1), errors
    assert errors.startswith("boda: stopped")
    assert open_workspace(scored.path).results("head") == []
    assert not list(tmp_path.glob("scored-train/*"))


def test_without_torch_linear_heads_work(scored, tmp_path):
    """Train, predict, evaluate and compare need no torch; the fusion net says what to install."""
    blocked = "import sys\nfor name in ('torch', 'torchvision', 'timm'):\n    sys.modules[name] = None\n"
    commands = [
        ["train", scored.path, "--target", "kind"],
        ["predict", scored.path, "--head", "kind", "--json"],
        ["evaluate", scored.path, "--head", "kind"],
        ["compare", scored.path, "--target", "kind", "--kind", "linear"],
        ["train", scored.path, "--target", "kind", "--kind", "mlp", "--name", "net"],
    ]
    code = (
        f"{blocked}from boda.cli.main import cli\nfrom boda.cli.show import Show\ncodes = []\n"
        f"for arguments in {[[str(part) for part in command] for command in commands]!r}:\n"
        "    try:\n        cli.main(arguments, obj=Show())\n"
        "    except SystemExit as end:\n        codes.append(end.code or 0)\n"
        "print(codes)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 1]", done.stderr
    (line,) = done.stderr.splitlines()
    assert "pip install 'boda[torch]'" in line
