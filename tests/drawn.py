"""What is in a drawing: its words, boxes and paths, for tests to look at."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np

_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Path:
    """One path: its class, opacity, stroke width (0 where it is filled) and what it draws."""

    colour: str
    opacity: float
    stroke: float
    dashed: bool
    d: str

    @property
    def points(self) -> np.ndarray:
        """(p, 2) pixels that follow M or L."""
        return np.array([[float(x), float(y)] for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", self.d)])


class Drawn:
    """A drawing, read again from its bytes."""

    def __init__(self, svg: bytes) -> None:
        self.root = ET.fromstring(svg)
        self.words = self.root.attrib["aria-label"]
        self.size = int(self.root.attrib["width"]), int(self.root.attrib["height"])
        self.texts = [part.text or "" for part in self.root.iter(f"{_SVG}text")]
        self.boxes = [part.attrib for part in self.root.iter(f"{_SVG}rect")][1:]  # the first is the paper
        self.paths = [_path(part.attrib) for part in self.root.iter(f"{_SVG}path")]

    def dots(self, colour: str) -> np.ndarray:
        """(n, 2) places of the dots of this colour, of all sizes."""
        found = [one.points for one in self.paths if one.colour == f"{colour}-line" and one.d.endswith("h0")]
        return np.concatenate(found) if found else np.empty((0, 2))


def _path(attributes: dict[str, str]) -> Path:
    return Path(
        attributes["class"],
        float(attributes.get("opacity", 1)),
        float(attributes.get("stroke-width", 0)),
        "stroke-dasharray" in attributes,
        attributes["d"],
    )


HOSTILE = [
    "<script>alert('&\"`')</script>",
    'x" onload="alert(1)',
    "right\u202eto left",
    "a\x00b\x1b[31m",
    "caf\udce9",
    "나선은하",
]
"""Names that must come out as nothing but text."""
