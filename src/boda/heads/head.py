"""Head: a fitted predictor with everything that is needed to use it and to judge it."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Damaged, NewerFormat, Refused
from boda.evaluation.calibration import Platt, Temperature
from boda.evaluation.conformal import Intervals, LabelSets, Sets
from boda.heads.answers import Answers, Calibration, points_of
from boda.heads.asking import Asked
from boda.heads.assembling import Unit, Wanted
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.learner import Outputs, Predictor
from boda.heads.predictors import predictor_of
from boda.heads.preparation import Preparation
from boda.heads.target import Blank
from boda.heads.trying import try_out
from boda.heads.vote_tree import VoteTree
from boda.keys import shown, to_text
from boda.recipe import Recipe

FORMAT = 1
"""Of a saved head."""
FILES = ("head.json", "weights.safetensors", "rows.parquet", "README.md")


@dataclass(frozen=True, eq=False)
class Trained:
    """The rows a head was trained on, and what models that had not seen a row said of it."""

    keys: tuple[str, ...]
    contents: tuple[bytes | None, ...]
    folds: npt.NDArray[np.int64]
    """(n,); the fold that held a row out; -1 where none did."""
    out_of_fold: Outputs
    """(n, o); NaN of rows that no fold held out."""
    known: bool = True
    """False where the head came without them: then n is 0, and any image may be one of them."""
    groups: tuple[str | None, ...] | None = None
    """(n,) what the column of groups says of each, None where it says nothing. None: the head was trained without such
    a column, or by a boda that did not keep this."""

    @classmethod
    def unknown(cls, outputs: int) -> "Trained":
        """Of a head with so many outputs that came without its rows."""
        return cls((), (), np.zeros(0, np.int64), np.zeros((0, outputs)), known=False)

    @classmethod
    def untested(cls, keys: tuple[str, ...], contents: tuple[bytes | None, ...], outputs: int) -> "Trained":
        """Of a head that no fold tested."""
        return cls(keys, contents, np.full(len(keys), -1), np.full((len(keys), outputs), np.nan))

    def seen(self, keys: Sequence[str], contents: Sequence[bytes | None]) -> npt.NDArray[np.bool_]:
        """(m,) whether the head was trained on an image of this content, or of this key where nobody read it."""
        known, named = {one for one in self.contents if one is not None}, set(self.keys)
        return np.array(
            [
                content in known if content is not None else key in named
                for key, content in zip(keys, contents, strict=True)
            ],
            bool,
        )

    def absent(self, keys: Sequence[str], contents: Sequence[bytes | None]) -> int:
        """How many of the rows it was trained on are not among these, told as `seen` tells it."""
        here = {one for one in contents if one is not None}
        unread = {key for key, content in zip(keys, contents, strict=True) if content is None}
        own = zip(self.keys, self.contents, strict=True)
        return sum(key not in unread and content not in here for key, content in own)


@dataclass(frozen=True, eq=False)
class Head:
    """Inputs to a target: how they are prepared, what predicts, and how good it is."""

    name: str
    asked: Asked
    target: Blank
    wanted: tuple[Wanted, ...]
    preparation: Preparation
    model: Predictor
    trained: Trained
    unit: Unit | None = None
    calibration: Calibration | None = None
    """Of class and label scores; fitted on rows that models had not seen."""
    interval: Intervals | None = None
    """Of a number or a mean rating."""
    class_sets: Sets | LabelSets | None = None
    """Of classes, or of labels."""
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, as JSON: see `docs/heads.md`."""

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Of the features it takes, each once."""
        found = {one.recipe.id: one.recipe for one in self.wanted if one.recipe is not None}
        return tuple(found.values())

    def outputs(self, inputs: Inputs) -> Outputs:
        """(n, o), before any link.

        Raises:
            Refused: other inputs than its own; shows both recipes where features differ.
        """
        self._refuse_other(inputs)
        design = self.preparation.design(inputs)
        found = [self.model.outputs(block) for _, block in design.blocks()]
        return np.concatenate(found) if found else np.zeros((0, len(self.target.names) or 1))

    def predict(self, inputs: Inputs) -> Answers:
        """What it says of each row, with intervals or sets where it has them.

        Raises:
            Refused: other inputs than its own; shows both recipes where features differ.
        """
        return self.answers(self.outputs(inputs))

    def answers(self, outputs: Outputs) -> Answers:
        """Outputs, its own or those of its folds, as predictions."""
        points = points_of(self.target, outputs, self.calibration)
        found = Answers(self.target, points)
        if self.target.kind == "votes":
            from boda.heads.votes import credible_intervals

            assert self.target.tree is not None
            low, high = credible_intervals(self.target.tree, outputs)
            return replace(found, low=low, high=high)
        if self.interval is not None:
            low, high = self.interval.of(np.asarray(found.values, np.float64))
            return replace(found, low=low, high=high)
        if isinstance(self.class_sets, LabelSets):
            sets = self.class_sets.of(points)
            return replace(found, sets=sets[..., 1], certain=~sets[..., 0])
        if self.class_sets is not None:
            return replace(found, sets=self.class_sets.of(points))
        return found

    def _refuse_other(self, inputs: Inputs) -> None:
        own = {one.name: one for one in self.wanted}
        given = [block.name for block in inputs.blocks]
        expected = list(self.preparation.parts)
        if given != expected:
            raise Refused(f"head {shown(self.name)!r} takes {', '.join(expected)}, not {', '.join(given)}")
        for block in inputs.blocks:
            if not isinstance(block, FeatureInput) or not block.recipe:
                continue
            recipe = own[block.name.partition("@")[0] if block.name not in own else block.name].recipe
            if recipe is not None and block.recipe != recipe.id:
                raise Refused(
                    f"head {shown(self.name)!r} was trained on {shown(recipe.name)} ({recipe.id}), but these features "
                    f"are of recipe {block.recipe}: embed these images with {shown(recipe.name)}"
                )

    def files(self, *, rows: bool = True) -> dict[str, bytes]:
        """The head as files: `head.json`, `weights.safetensors`, `rows.parquet`, and a card in `README.md`.

        Args:
            rows: with `rows.parquet`, where the keys of the images are that it was trained on, and their groups.
                Without it nobody can tell whether an image is one of them.
        """
        from safetensors.numpy import save

        from boda.heads.card import card

        tensors = {f"preparation.{name}": array for name, array in self.preparation.tensors().items()}
        tensors |= {f"model.{name}": array for name, array in self.model.tensors().items()}
        arrays = {
            "weights.safetensors": save({name: np.ascontiguousarray(array) for name, array in tensors.items()}),
        }
        if rows and self.trained.known:
            arrays["rows.parquet"] = _rows_file(self.trained, self.target)
        record = self.as_json() | {"files": {name: sha256(data).hexdigest() for name, data in arrays.items()}}
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
        return {"head.json": text.encode(), **arrays, "README.md": card(record).encode()}

    def as_json(self) -> dict[str, Any]:
        """All of it but arrays, as plain JSON."""
        tree = self.target.tree
        return {
            "format": FORMAT,
            "name": self.name,
            "asked": self.asked.as_json(),
            "target": {
                "kind": self.target.kind,
                "name": self.target.name,
                "names": list(self.target.names),
                "levels": list(self.target.levels),
                "tree": tree.as_json() if tree else None,
            },
            "inputs": [one.as_json() for one in self.wanted],
            "unit": None
            if self.unit is None
            else {"column": self.unit.column, "view": self.unit.view, "views": list(self.unit.views)},
            "preparation": dict(self.preparation.settings()),
            "model": {"kind": self.model.kind, "settings": dict(self.model.settings())},
            "calibration": self.calibration.as_json() if self.calibration else None,
            "interval": self.interval.as_json() if self.interval else None,
            "class_sets": self.class_sets.as_json() if self.class_sets else None,
            "evaluation": dict(self.evaluation),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> "Head":
        """The head that `files` wrote.

        Args:
            files: by name.
            where: they are from, for errors.

        Raises:
            Damaged: they are not all there, or do not fit each other.
            NewerFormat: a newer boda wrote them.
        """
        _refuse_missing(["head.json"], files, where)
        try:
            record = json.loads(files["head.json"], parse_constant=_refuse_constant)
            if record["format"] > FORMAT:
                raise NewerFormat(
                    f"{where}: a head of format {record['format']}, this boda knows {FORMAT}; update boda"
                )
            _refuse_missing(["weights.safetensors", *record["files"]], files, where)
            for name, digest in record["files"].items():
                if sha256(files[name]).hexdigest() != digest:
                    raise Damaged(f"{where}: {name} is not the one of this head; write or train it again")
            head = _from_record(record, files)
            try_out(head)
            return head
        except Refused as refusal:
            raise Damaged(f"{where}: this head does not fit together ({refusal}); train it again") from refusal
        except _UNREADABLE as error:
            raise Damaged(
                f"{where}: this head cannot be read ({type(error).__name__}: {error}); train it again"
            ) from error


_UNREADABLE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, ArithmeticError, RecursionError, MemoryError
)  # fmt: skip
"""What reading a file can end in that nobody vouches for."""


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _refuse_missing(names: Sequence[str], files: Mapping[str, bytes], where: str) -> None:
    missing = [name for name in names if name not in files]
    if missing:
        raise Damaged(f"{where}: no head, as it has no {missing[0]}")


def _from_record(record: Mapping[str, Any], files: Mapping[str, bytes]) -> Head:
    tensors = _tensors(files["weights.safetensors"])
    of = {
        part: {name.partition(".")[2]: array for name, array in tensors.items() if name.startswith(f"{part}.")}
        for part in ("preparation", "model")
    }
    target, unit = record["target"], record["unit"]
    tree = VoteTree.from_json(target["tree"]) if target["tree"] else None
    return Head(
        name=record["name"],
        asked=Asked.from_json(record["asked"]),
        target=Blank(target["kind"], target["name"], tuple(target["names"]), tuple(target["levels"]), tree),
        wanted=tuple(Wanted.from_json(one) for one in record["inputs"]),
        preparation=Preparation.from_saved(of["preparation"], record["preparation"]),
        model=predictor_of(record["model"]["kind"]).from_saved(of["model"], record["model"]["settings"]),
        trained=_rows_of(files["rows.parquet"])
        if "rows.parquet" in record["files"]
        else Trained.unknown(len(target["names"]) or 1),
        unit=None if unit is None else Unit(unit["column"], unit["view"], tuple(unit["views"])),
        calibration=_calibration_of(record["calibration"]),
        interval=Intervals.from_json(record["interval"]) if record["interval"] else None,
        class_sets=_sets_of(record["class_sets"]),
        evaluation=record["evaluation"],
    )


def _calibration_of(record: Mapping[str, Any] | None) -> Calibration | None:
    if record is None:
        return None
    return Platt.from_json(record) if "slopes" in record else Temperature.from_json(record)


def _sets_of(record: Mapping[str, Any] | None) -> Sets | LabelSets | None:
    if record is None:
        return None
    return LabelSets.from_json(record) if "masses" in record else Sets.from_json(record)


def _tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _rows_file(trained: Trained, target: Blank) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = target.names or (target.name,)
    groups = {} if trained.groups is None else {"group": pa.array(trained.groups, pa.string())}
    table: pa.Table = pa.table(
        {
            "key": [to_text(key) for key in trained.keys],
            "content": pa.array(trained.contents, pa.binary()),
            "fold": trained.folds,
            **groups,
            **{f"out_of_fold.{name}": trained.out_of_fold[:, place] for place, name in enumerate(names)},
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _rows_of(data: bytes) -> Trained:
    import pyarrow.parquet as pq

    from boda.keys import from_text

    if pq.read_metadata(io.BytesIO(data)).num_rows > len(data):  # a content alone has 32 bytes that nothing shortens
        raise ValueError("rows.parquet says that it has more rows than bytes")
    table = pq.read_table(io.BytesIO(data), use_threads=False, pre_buffer=False)  # threads: workspace/label_files.py
    outputs = [table[name].to_numpy() for name in table.column_names if name.startswith("out_of_fold.")]
    groups = table["group"].to_pylist() if "group" in table.column_names else None
    if groups is not None and not all(one is None or isinstance(one, str) for one in groups):
        raise ValueError("rows.parquet has a group that is no text")
    return Trained(
        tuple(from_text(key) for key in table["key"].to_pylist()),
        tuple(table["content"].to_pylist()),
        table["fold"].to_numpy(),
        np.stack(outputs, axis=1),
        groups=None if groups is None else tuple(groups),
    )
