"""Trees: the vote trees that come with boda, and how one is read from TOML.

name = "rings"

[[question]]
name = "ring"
answers = ["yes", "no"]

[[question]]
name = "ring-colour"
answers = ["blue", "red"]
after = ["ring_yes"]          # asked of those who gave one of these answers; without it, of everybody
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from boda.errors import NotFound, Refused
from boda.heads.vote_counts import counts_from_fractions
from boda.heads.vote_tree import Question, VoteTree

__all__ = ["BUILT_IN", "counts_from_fractions", "load_tree"]

BUILT_IN = ("gz2", "decals", "nine")
"""Galaxy Zoo 2, Galaxy Zoo DECaLS, and a list of nine questions."""


def load_tree(name_or_path: str | Path) -> VoteTree:
    """A tree by its name (see `BUILT_IN`), or from a TOML file.

    Raises:
        NotFound: neither a name nor a file.
        Refused: the file is no vote tree; says what is wrong with it.
    """
    if str(name_or_path) in BUILT_IN:
        resource = files("boda.heads.trees") / f"{name_or_path}.toml"
        return read_tree(resource.read_text(encoding="utf-8"), str(name_or_path))
    try:
        text = Path(name_or_path).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        names = ", ".join(BUILT_IN)
        raise NotFound(f"no vote tree {str(name_or_path)!r}: give one of {names}, or a TOML file") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{name_or_path}: is no TOML file: {error}") from error
    return read_tree(text, str(name_or_path))


def read_tree(text: str, where: str) -> VoteTree:
    """The tree that a TOML text describes; `where` begins every error."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{where}: is no TOML file: {error}") from error
    _check_keys(told, {"name", "question"}, where)
    name, questions = told.get("name"), told.get("question")
    if not isinstance(name, str) or not isinstance(questions, list) or not questions:
        raise Refused(f'{where}: a vote tree has a name = "..." and [[question]] tables')
    asked = tuple(_question(one, f"{where}: question {place}") for place, one in enumerate(questions, start=1))
    try:
        return VoteTree(name, asked)
    except Refused as error:
        raise Refused(f"{where}: {error}") from error


def _question(told: Any, where: str) -> Question:
    if not isinstance(told, Mapping):
        raise Refused(f"{where} is no [[question]] table")
    _check_keys(told, {"name", "answers", "after"}, where)
    name, answers, after = told.get("name"), told.get("answers"), told.get("after", [])
    if not isinstance(name, str) or not name:
        raise Refused(f'{where} needs a name = "..."')
    for key, names in (("answers", answers), ("after", after)):
        if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
            raise Refused(f'{where} ({name}): {key} must be a list of names, as ["yes", "no"]')
    return Question(name, tuple(answers or ()), tuple(after))


def _check_keys(told: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(told) - known)
    if unknown:
        raise Refused(f"{where}: {unknown[0]!r} means nothing here; known are {', '.join(sorted(known))}")
