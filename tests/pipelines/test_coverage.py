"""Coverage in training: votes and labels are told how often their intervals and sets hold, as numbers and classes are."""

import json

import numpy as np
import pytest

import boda
from boda.cli.train import said_evaluation
from boda.heads.answers import names_in
from boda.heads.head import Head
from boda.pictures.page import Table
from boda.pictures.report import head_page
from synthetic import synthetic_workspace

TREE = """name = "two"

[[question]]
name = "shape"
answers = ["smooth", "disk"]

[[question]]
name = "bar"
answers = ["yes", "no"]
after = ["shape_disk"]
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """300 rows with a common label, a rare one and one that is known of half, and the head of them."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    chances = 1 / (1 + np.exp(-(2 * x[:, :3] + [0, -2, 0])))
    said = (rng.random((300, 3)) < chances).astype(int).tolist()
    columns = {f"is_{name}": [row[place] for row in said] for place, name in enumerate(("disk", "ring", "odd"))}
    columns["is_odd"][::2] = [None] * 150
    workspace = synthetic_workspace(folder / "labels.boda", {"plain": x}, columns)
    return workspace, boda.train(workspace, "is_*", target_kind="labels", page=False, to=folder / "head")


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """300 rows of which 20 people were asked two questions, and the head of their votes."""
    folder = tmp_path_factory.mktemp("voted")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4))
    disk = rng.binomial(20, 1 / (1 + np.exp(-x[:, 0])))
    bar = rng.binomial(disk, 1 / (1 + np.exp(-x[:, 1])))
    columns = {"shape_smooth": 20 - disk, "shape_disk": disk, "bar_yes": bar, "bar_no": disk - bar}
    workspace = synthetic_workspace(
        folder / "votes.boda", {"plain": x}, {name: values.tolist() for name, values in columns.items()}
    )
    (folder / "two.toml").write_text(TREE)
    return workspace, boda.train(workspace, "*", tree=str(folder / "two.toml"), page=False)


def test_labels_have_sets_with_measured_coverage(labelled):
    """Over the known labels and for each; the record is plain JSON."""
    record = labelled[1].evaluation["conformal"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["coverage"]["rows"] == 750
    assert record["coverage"]["low"] < record["coverage"]["value"] < record["coverage"]["high"]
    assert record["coverage"]["value"] > 0.86
    assert [one["name"] for one in record["labels"]] == ["is_disk", "is_ring", "is_odd"]
    assert [one["coverage"]["rows"] for one in record["labels"]] == [300, 300, 150]
    assert 1 <= record["set_size"] <= 2


def test_what_labels_cannot_rule_out_is_told(labelled):
    """Certain labels are among the possible ones, and so is what was predicted between them."""
    workspace, head = labelled
    table = boda.predict(workspace.path, head=head).table()
    assert table.column_names[:7] == ["key", "prediction", "p_is_disk", "p_is_ring", "p_is_odd", "certain", "possible"]
    doubtful = 0
    for row in table.to_pylist():
        certain, predicted, possible = (set(names_in(row[name])) for name in ("certain", "prediction", "possible"))
        assert certain <= predicted <= possible
        doubtful += len(possible - certain)
    assert 0 < doubtful < 600


def test_a_kept_head_of_labels_says_the_same(labelled, tmp_path):
    """Sets are in head.json; a head from before there were any still predicts, without them."""
    workspace, head = labelled
    again = boda.predict(workspace.path, head=head.name).table()
    assert again.equals(boda.predict(workspace.path, head=head).table())
    files = head.files()
    record = json.loads(files["head.json"])
    assert len(record["class_sets"]["masses"]) == 3
    files["head.json"] = json.dumps(record | {"class_sets": None}).encode()
    old = Head.from_files(files, "old")
    assert old.class_sets is None
    assert not {"certain", "possible"} & set(boda.predict(workspace.path, head=old).table().column_names)


def test_votes_have_measured_coverage(voted):
    """Of all answers and of each question, on galaxies that were held out; with the width of the intervals."""
    record = voted[1].evaluation["conformal"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    asked = voted[0].frame()
    disks = sum(count > 0 for count in asked["shape_disk"].to_pylist())
    assert record["coverage"]["rows"] == 600 + 2 * disks
    assert [(one["name"], one["coverage"]["rows"]) for one in record["questions"]] == [
        ("shape", 600),
        ("bar", 2 * disks),
    ]
    assert record["coverage"]["value"] == pytest.approx(0.9, abs=0.05)
    assert 0.1 < record["width"] < 0.8
    assert record["questions"][0]["width"] < record["questions"][1]["width"]


def test_the_command_says_it(labelled, voted):
    """One line, with the least and the most of the parts."""
    for (_, head), start, parts in (
        (labelled, "90 % sets of yes and no: measured coverage", ("is_disk", "is_ring", "is_odd")),
        (voted, "90 % intervals of votes: measured coverage", ("shape", "bar")),
    ):
        (line,) = [one for one in said_evaluation(head.evaluation) if str(one).startswith(start)]
        assert sum(f"({part})" in line for part in parts) == 2
        assert "None" not in line and "nan" not in line


def test_the_page_and_the_card_say_it(labelled, voted):
    """A table of labels or questions, and a sentence that names what was held."""
    for (_, head), heading, words in (
        (labelled, "Label", "90 % sets of yes and no held the truth of"),
        (voted, "Question", "90 % intervals held the votes that were given in"),
    ):
        blocks = [block for part in head_page("x", head.evaluation).sections for block in part.blocks]
        (table,) = [one for one in blocks if isinstance(one, Table) and one.headings[0] == heading]
        assert len(table.rows) == len(head.evaluation["conformal"].get("labels") or (1, 2))
        assert words in head.files()["README.md"].decode()
