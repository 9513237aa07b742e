"""Vote trees: those that come with boda, those of users, and how fractions become counts."""

import csv
from pathlib import Path

import numpy as np
import pytest

from boda.errors import NotFound, Refused
from boda.heads.trees import BUILT_IN, counts_from_fractions, load_tree
from boda.heads.vote_counts import ending_of, is_fraction
from boda.heads.vote_tree import VoteTree


def read_gz2(folder: Path) -> list[dict[str, str]]:
    with (folder / "galaxies_gz2" / "catalog.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("name", "questions", "answers"), [("gz2", 11, 37), ("decals", 10, 34), ("nine", 9, 24)])
def test_built_in_trees_have_their_published_size(name: str, questions: int, answers: int) -> None:
    """11 questions with 37 answers (Willett et al. 2013, table 2), 10 with 34 (Walmsley et al. 2022), and nine."""
    tree = load_tree(name)
    assert (tree.name, len(tree.questions), len(tree.columns)) == (name, questions, answers)


@pytest.mark.parametrize("name", BUILT_IN)
def test_tree_survives_json(name: str) -> None:
    """A head keeps its tree as JSON."""
    import json

    tree = load_tree(name)
    assert VoteTree.from_json(json.loads(json.dumps(tree.as_json()))) == tree


def test_gz2_ends_only_at_star_or_artifact_without_the_question_whether_it_is_odd() -> None:
    """Every way but "star or artifact" passes t06, and each of its people is asked it once (Willett et al. 2013, figure 1)."""
    tree = load_tree("gz2")
    rng = np.random.default_rng(0)
    fractions = np.concatenate([rng.dirichlet(np.ones(len(q.answers)), 50) for q in tree.questions], axis=1)
    asked, given = tree.walk(fractions, np.full(50, 40.0))
    names = [question.name for question in tree.questions]
    artifact = given[:, tree.columns.index("t01_smooth_or_features_a03_star_or_artifact")]
    np.testing.assert_allclose(asked[:, names.index("t06_odd")], 40 - artifact)


def test_gz2_counts_add_up_to_the_votes_of_the_catalogue(boda_data: Path) -> None:
    """Fractions times people, down the tree, give `total_votes` that the catalogue counted, to its three decimals."""
    rows = read_gz2(boda_data)
    tree = load_tree("gz2")
    ending = ending_of(tree, rows[0])
    assert ending == "_weighted_fraction" and is_fraction(ending)
    fractions = np.array([[float(row[name + ending]) for name in tree.columns] for row in rows])
    people, votes = (np.array([float(row[name]) for row in rows]) for name in ("total_classifications", "total_votes"))
    counts = counts_from_fractions(tree, fractions, people)
    ratio = counts.sum(axis=1) / votes
    assert abs(np.median(ratio) - 1) < 0.01 and (abs(ratio - 1) < 0.05).mean() > 0.98
    assert np.corrcoef(counts.sum(axis=1), votes)[0, 1] > 0.998
    arms = tree.columns.index("t11_arms_number_a32_2")
    assert (counts[fractions[:, arms] == 0][:, arms] == 0).all()


def test_naive_counts_would_be_wrong(boda_data: Path) -> None:
    """A later question times all people is not what was asked: the sum would be far above `total_votes`."""
    rows = read_gz2(boda_data)
    tree = load_tree("gz2")
    fractions = np.array([[float(row[f"{name}_weighted_fraction"]) for name in tree.columns] for row in rows])
    people, votes = (np.array([float(row[name]) for row in rows]) for name in ("total_classifications", "total_votes"))
    assert np.median((fractions * people[:, None]).sum(axis=1) / votes) > 1.5


def test_missing_fractions_and_totals_are_nobody() -> None:
    """NaN in a table means that nobody was asked."""
    tree = load_tree("nine")
    fractions = np.zeros((2, 24))
    fractions[:, 0] = 1
    fractions[0, 3:] = np.nan
    counts = counts_from_fractions(tree, fractions, np.array([30.0, np.nan]))
    assert counts[0].tolist() == [30.0] + [0.0] * 23 and not counts[1].any()


def test_fractions_that_are_none_are_refused_by_row() -> None:
    """Counts taken for fractions are found out; the first such row is named."""
    tree = load_tree("nine")
    fractions = np.zeros((3, 24))
    fractions[2, 0] = 12
    with pytest.raises(Refused, match="row 2"):
        counts_from_fractions(tree, fractions, np.full(3, 40.0))
    with pytest.raises(Refused, match="fit"):
        counts_from_fractions(tree, fractions, np.full((3, 1), 40.0))


@pytest.mark.parametrize("ending", ["", "_count", "_weight", "_weighted_fraction", "_fraction"])
def test_endings_are_found_by_all_answers(ending: str) -> None:
    """An ending that only some answers have does not count; debiased fractions are never taken for votes."""
    tree = load_tree("decals")
    names = [name + ending for name in tree.columns] + [f"{name}_debiased" for name in tree.columns]
    names.append(f"{tree.columns[0]}_count")
    assert ending_of(tree, names) == ending
    with pytest.raises(NotFound, match="smooth-or-featured_smooth"):
        ending_of(tree, [f"{name}_debiased" for name in tree.columns])


RINGS = """
name = "rings"
[[question]]
name = "ring"
answers = ["yes", "no"]
[[question]]
name = "colour"
answers = ["blue", "red"]
after = ["ring_yes"]
"""


def test_own_tree_is_read_by_path(tmp_path: Path) -> None:
    """Any TOML file is a tree as good as those that come with boda."""
    path = tmp_path / "rings.toml"
    path.write_text(RINGS)
    tree = load_tree(path)
    asked, given = tree.walk(np.array([[0.25, 0.75, 0.5, 0.5]]), np.array([40.0]))
    assert asked.tolist() == [[40.0, 10.0]] and given.tolist() == [[10.0, 30.0, 5.0, 5.0]]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("name = ", "no TOML"),
        ("name = 'a'", "question"),
        (RINGS.replace('name = "rings"', 'title = "rings"'), "'title' means nothing"),
        (RINGS.replace("after", "parent"), "question 2: 'parent' means nothing"),
        (RINGS.replace('["ring_yes"]', '"ring_yes"'), "after must be a list"),
        (RINGS.replace('["ring_yes"]', '["ring_maybe"]'), "'ring_maybe', which is no answer"),
        (RINGS.replace('["blue", "red"]', "[]"), "'colour' has no answers"),
        (RINGS.replace('["blue", "red"]', '["blue", "blue"]'), "'colour' has no answers, or one twice"),
        (RINGS.replace('name = "ring"\n', ""), "question 1 needs a name"),
        ("name = 'a'\nquestion = ['b']", "question 1 is no"),
    ],
)
def test_error_names_the_file_and_what_is_wrong(tmp_path: Path, text: str, wrong: str) -> None:
    """One line: which file, which question, what to do."""
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(Refused, match=wrong) as caught:
        load_tree(path)
    assert str(path) in str(caught.value)


def test_unknown_tree_says_what_there_is(tmp_path: Path) -> None:
    """A wrong name lists the right ones; bytes that are no text are no tree."""
    with pytest.raises(NotFound, match="gz2, decals, nine"):
        load_tree("gz3")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match=r"binary\.toml"):
        load_tree(tmp_path / "binary.toml")
