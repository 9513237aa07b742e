"""The grammar of `--where`: a text becomes a tree. Nothing of it is ever run as code.

    condition   = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation    = "not" negation | "(" condition ")" | test
    test        = operand ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
                | column ["not"] "in" "[" literal {"," literal} "]"
                | column "is" ["not"] "null"
                | column                                             of truth values
    operand     = column | literal
    column      = letters, digits, _ and . as they come; anything else in `backticks`
    literal     = 'text' | "text" | number | true | false

A quote or backtick inside itself is written twice. Words of the grammar may be written in small or large letters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

from boda.errors import Refused
from boda.keys import shown

LONGEST = 1_000_000
"""Characters of a condition."""
DEEPEST = 50
"""Brackets and `not` inside each other."""

Sign: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name; alone it is a test of truth values."""

    name: str
    place: int
    """In the text, from 0; of every part of the tree."""


@dataclass(frozen=True, slots=True)
class Value:
    """A literal."""

    value: str | int | float | bool
    place: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Left SIGN right; at least one of them is a column."""

    left: Column | Value
    sign: Sign
    right: Column | Value
    place: int


@dataclass(frozen=True, slots=True)
class Membership:
    """Column in [values]."""

    column: Column
    values: tuple[Value, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Column is null."""

    column: Column
    place: int


@dataclass(frozen=True, slots=True)
class Not:
    """What is not so."""

    inner: "Condition"
    place: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, of which all ("and") or any ("or") must hold."""

    word: Literal["and", "or"]
    parts: "tuple[Condition, ...]"
    place: int


Condition: TypeAlias = Column | Comparison | Membership | Absence | Not | Joined


def parse(text: str) -> Condition:
    """The tree of a condition.

    Raises:
        Refused: the text is none; says where and why.

    >>> parse("score > 5").sign
    '>'
    """
    if len(text) > LONGEST:
        raise Refused(f"where: {len(text):,} characters; {LONGEST:,} are the most")
    return _Parser(text).whole()


def refuse(text: str, place: int, why: str) -> NoReturn:
    """Raise `Refused` with the place in the text."""
    raise Refused(f"{where(text, place)}: {why}")


def where(text: str, place: int) -> str:
    """A place in a condition, for errors."""
    near = text[place : place + 24]
    return f"where, at character {place + 1} ({shown(near)!r})" if near.strip() else "where, at the end"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["word", "name", "text", "number", "sign", "end"]
    """`word`: of the grammar, in small letters; `name`: of a column."""
    said: str
    place: int


_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "true", "false"})
_SIGNS: dict[str, Sign] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_HINTS = {"=": "write == to compare", "<>": "write !=", "&": "write and", "&&": "write and", "|": "write or",
          "||": "write or", "!": "write not", "~": "write not"}  # fmt: skip
_TOKENS = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^']|'')*' | "(?:[^"]|"")*")
  | (?P<quoted>`(?:[^`]|``)+`)
  | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
  | (?P<name>[^\W\d]\w*(?:\.\w+)*)
  | (?P<sign>==|!=|<>|<=|>=|&&|\|\||[<>=()\[\],&|!~])
  | (?P<end>\Z)
    )""",
    re.VERBOSE,
)


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while True:
        found = _TOKENS.match(text, place)
        if found is None:
            start = place + len(text[place:]) - len(text[place:].lstrip())
            quote = text[start] if text[start] in "'\"`" else ""
            refuse(text, start, f"this {quote} is never closed" if quote else "this cannot be read")
        kind, place = found.lastgroup, found.end()
        said = found[kind or ""]
        start = place - len(said)
        match kind:
            case "end":
                yield _Token("end", "", start)
                return
            case "name" if said.lower() in _WORDS:
                yield _Token("word", said.lower(), start)
            case "name":
                yield _Token("name", said, start)
            case "quoted":
                yield _Token("name", said[1:-1].replace("``", "`"), start)
            case "text":
                yield _Token("text", said[1:-1].replace(said[0] * 2, said[0]), start)
            case "number":
                yield _Token("number", said, start)
            case _:
                if said in _HINTS:
                    refuse(text, start, f"{said} means nothing here: {_HINTS[said]}")
                yield _Token("sign", said, start)


class _Parser:
    """Reads a condition from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text, self._tokens, self._depth = text, _tokens(text), 0
        self._next = next(self._tokens)

    def whole(self) -> Condition:
        if self._next.kind == "end":
            raise Refused("where: the condition is empty; write such as \"label == 'cat' and score > 5\"")
        found = self._joined("or")
        left = self._next
        if left.kind != "end":
            self._refuse("join comparisons by and" if left.said in _SIGNS else "expected and, or, or the end")
        return found

    def _joined(self, word: Literal["and", "or"]) -> Condition:
        place = self._next.place
        parts = [self._part_of(word)]
        while self._took("word", word):
            parts.append(self._part_of(word))
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts), place)

    def _part_of(self, word: Literal["and", "or"]) -> Condition:
        return self._joined("and") if word == "or" else self._negation()

    def _negation(self) -> Condition:
        place = self._next.place
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(f"more than {DEEPEST} brackets and nots inside each other")
        try:
            if self._took("word", "not"):
                return Not(self._negation(), place)
            if self._took("sign", "("):
                inner = self._joined("or")
                self._expect("sign", ")", "this bracket is never closed", place)
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Condition:
        left = self._operand()
        place = self._next.place
        if self._next.kind == "sign" and self._next.said in _SIGNS:
            sign = _SIGNS[self._take().said]
            right = self._operand()
            if isinstance(left, Value) and isinstance(right, Value):
                refuse(self._text, left.place, "neither side is a column; text stands in quotes, columns do not")
            return Comparison(left, sign, right, place)
        if isinstance(left, Value):
            refuse(self._text, place, "expected one of == != < <= > >=")
        if self._took("word", "is"):
            negated = self._took("word", "not")
            self._expect("word", "null", "expected null; other values are compared with ==", self._next.place)
            return self._negated(Absence(left, place), negated)
        negated = self._took("word", "not")
        if self._took("word", "in"):
            return self._negated(Membership(left, self._values(), place), negated)
        if negated:
            self._refuse("expected in")
        if self._next.kind in {"text", "number", "name"} or self._next.said in {"[", "true", "false", "null"}:
            self._refuse("expected one of == != < <= > >=, in, is")
        return left

    @staticmethod
    def _negated(test: Absence | Membership, negated: bool) -> Condition:  # noqa: FBT001
        return Not(test, test.place) if negated else test

    def _values(self) -> tuple[Value, ...]:
        opened = self._next.place
        self._expect("sign", "[", "expected [", opened)
        values: list[Value] = []
        while not values or self._took("sign", ","):
            value = self._operand()
            if isinstance(value, Column):
                refuse(self._text, value.place, "a list holds values; text stands in quotes")
            values.append(value)
        self._expect(
            "sign", "]", "this list is never closed" if self._next.kind == "end" else "expected , or ]", opened
        )
        return tuple(values)

    def _operand(self) -> Column | Value:
        token = self._next
        if token.kind in {"sign", "end"} or (token.kind == "word" and token.said not in {"true", "false"}):
            null = token.said == "null"
            self._refuse("nothing compares with null: write is null" if null else "expected a column or a value")
        self._take()
        match token.kind:
            case "name":
                return Column(token.said, token.place)
            case "number":
                return Value(self._number(token), token.place)
            case "text":
                return Value(token.said, token.place)
        return Value(token.said == "true", token.place)

    def _number(self, token: _Token) -> int | float:
        """A whole number where it is written as one and 64 bits hold it."""
        value = float(token.said)
        if abs(value) == float("inf"):
            refuse(self._text, token.place, "no number is so large")
        whole = int(token.said) if abs(value) < 2**63 and not set(token.said) & set(".eE") else None
        return value if whole is None else whole

    def _took(self, kind: str, said: str) -> bool:
        if (self._next.kind, self._next.said) != (kind, said):
            return False
        self._take()
        return True

    def _expect(self, kind: str, said: str, why: str, place: int) -> None:
        if not self._took(kind, said):
            refuse(self._text, place if self._next.kind == "end" else self._next.place, why)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _refuse(self, why: str) -> NoReturn:
        refuse(self._text, self._next.place, why)
