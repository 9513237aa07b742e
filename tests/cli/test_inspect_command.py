"""`boda inspect`: what it says and writes, and how it refuses."""

import numpy as np
import pytest

from spoken import one_line, one_object
from synthetic import synthetic_workspace


def test_it_says_what_was_found_and_where(run, workspace, tmp_path):
    """A line on the images, a table of findings, what was not looked at, and the page."""
    result = run("inspect", workspace.path)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "13 images, 12 decoded for their pixels"
    assert lines[1].split() == ["finding", "images", "groups", "looked", "at", "first"]
    assert any(line.split()[:4] == ["exact", "duplicates", "2", "1"] for line in lines)
    assert "not looked at, label errors: name a column of classes with --labels" in lines
    assert "not looked at, outliers: 12 images are too few to call one of them unusual: at least 30" in lines
    assert lines[-1] == f"page: {tmp_path / 'photos-inspect' / 'findings.html'}"
    assert run("inspect", workspace.path, "-q").output == ""


def test_json_is_one_object(run, album, tmp_path):
    """Workspace, counts, findings with every image and its reason, and where page and table are."""
    record = one_object(
        run(
            "inspect",
            album / "album.boda",
            "--only",
            "duplicates,quality",
            "--json",
            "--to",
            tmp_path / "out",
            "--seed",
            "1",
        )
    )
    assert set(record) == {
        *("workspace", "images", "decoded", "recipes", "encoders", "findings", "skipped", "page", "table")
    }
    exact = next(one for one in record["findings"] if one["name"] == "exact duplicates")
    assert exact["images"][0]["key"] == "red 0.png"
    assert exact["images"][1]["of"] == "red 0.png"
    assert record["page"] == str(tmp_path / "out" / "findings.html")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "hue"], "no column 'hue'"),
        (["--recipe", "clip"], "no features of recipe 'clip'"),
        (["--only", "labels"], "name it with --labels"),
        (["--only", "outliers"], "12 images are too few"),
        (["--to", "nowhere/out"], "no such folder"),
    ],
)
def test_refusals_are_one_line(run, workspace, tmp_path, monkeypatch, options, words):
    """What, and what to do."""
    monkeypatch.chdir(tmp_path)
    assert words in one_line(run("inspect", workspace.path, *options))


def test_wrong_usage(run, workspace):
    """A check that there is none."""
    result = run("inspect", workspace.path, "--only", "looks")
    assert result.exit_code == 2
    assert "none of duplicates, outliers, labels, quality" in result.stderr


def test_a_file_of_ones_own_is_written_over_by_force_only(run, workspace, tmp_path):
    """An edited table is refused in one line; with --force it is written again."""
    table = tmp_path / "out" / "findings.csv"
    asked = ("inspect", workspace.path, "--only", "quality", "--to", table.parent)
    assert run(*asked).exit_code == 0
    table.write_text(table.read_text() + "mine\n")
    assert "is not what boda inspect wrote; give --force" in one_line(run(*asked))
    assert table.read_text().endswith("mine\n")
    assert run(*asked, "--force").exit_code == 0
    assert not table.read_text().endswith("mine\n")


def test_how_good_the_heads_are_stands_below_the_count(run, tmp_path):
    """Labels that nothing tells: the heads are hardly right, and both is said, in this order."""
    rng = np.random.default_rng(0)
    names = rng.permutation(["cat", "dog"] * 40).tolist()
    there = synthetic_workspace(tmp_path / "w.boda", {"one": rng.normal(size=(80, 80))}, {"kind": names})
    lines = run("inspect", there.path, "--labels", "kind", "--only", "labels").stdout.splitlines()
    said = [line.removeprefix("label errors: ") for line in lines if line.startswith("label errors: ")]
    assert [line.split()[:3] for line in said] == [["the", "heads", "are"], ["mind:", "they", "disagree"]]
