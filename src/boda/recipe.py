"""Recipe: the identity of features. Everything that changes the numbers, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from boda.pixels.spec import PixelSpec

Precision: TypeAlias = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Recipe:
    """What was computed, never what it was called.

    Two recipes are equal when their numbers mean the same; `name` and `licence` are for people and do not count.
    """

    architecture: str
    """What computes: "timm:resnet18", "handmade:hog-colour", "unknown"."""
    weights: str
    """SHA-256 of the tensors (names, shapes, values), hex; "" where there are none."""
    layer: str
    """Whose output it is; "pooled" is the model's own features before its classifier."""
    pooling: str
    """How positions become one vector: "model" (the model's own), "mean", "cls", "gem", "none"."""
    pixels: PixelSpec | None
    """None only where nobody knows: features that were imported."""
    precision: Precision = "fp32"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the architecture, where they are not its defaults; the version of our own code: `version` of handmade
    features, `adapter` of what stands around a torch network."""
    name: str = field(default="", compare=False)
    licence: str = field(default="", compare=False)

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def id(self) -> str:
        """16 hex digits of the SHA-256 of the canonical JSON of all that counts."""
        text = json.dumps(self._counted(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def dtype(self) -> Literal["float16", "float32"]:
        """How features of this recipe are stored."""
        return "float16" if self.precision == "bf16" else "float32"

    @property
    def known(self) -> bool:
        """Whether new images can be given features of this recipe at all."""
        return self.pixels is not None and self.architecture != "unknown"

    def _counted(self) -> dict[str, Any]:
        return {
            "architecture": self.architecture,
            "weights": self.weights,
            "layer": self.layer,
            "pooling": self.pooling,
            "pixels": self.pixels.as_json() if self.pixels else None,
            "precision": self.precision,
            "arguments": dict(self.arguments),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` undoes it."""
        return self._counted() | {"name": self.name, "licence": self.licence, "id": self.id}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Recipe":
        """The recipe that `as_json` wrote."""
        plain = {k: v for k, v in record.items() if k not in {"id", "pixels"}}
        pixels = record["pixels"]
        return cls(pixels=PixelSpec.from_json(pixels) if pixels else None, **plain)
