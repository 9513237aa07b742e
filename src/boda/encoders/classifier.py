"""Encoders that also name what they see."""

from typing import Protocol, cast

from boda.arrays import Features, Pixels
from boda.encoders.base import Encoder
from boda.errors import Refused


class Classifier(Encoder, Protocol):
    """An encoder whose model still has its classifier."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One a class; for ImageNet timm's names."""
        ...

    def logits(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to (n, k) float32, before the softmax."""
        ...

    def classify(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to probabilities (n, k) float32."""
        ...


def as_classifier(encoder: Encoder) -> Classifier:
    """The same encoder, known to have a classifier.

    Raises:
        Refused: it has none.
    """
    if not getattr(encoder, "class_names", ()):
        name = encoder.recipe.name
        own = "" if not name.startswith("run:") else ", or --head with the head of the run, if it learned a target"
        raise Refused(
            f"encoder {name!r} has no classifier, so it cannot name what it sees: choose one that has, such as "
            f"'auto'{own}"
        )
    return cast("Classifier", encoder)


class DenseClassifier(Classifier, Protocol):
    """A classifier that is also applied to images of any size, at every place."""

    def classify_dense(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to probabilities (n, k) float32: the scores at every place, averaged."""
        ...


def as_dense(classifier: Classifier) -> DenseClassifier:
    """The same classifier, known to take images of any size.

    Raises:
        Refused: it does not.
    """
    if not getattr(classifier, "dense", False):
        raise Refused(
            f"encoder {classifier.recipe.name!r} takes images of one size only, so it cannot look at several scales: "
            "choose a resnet: encoder, or ten crops"
        )
    return cast("DenseClassifier", classifier)
