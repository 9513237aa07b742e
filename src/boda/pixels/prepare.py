"""The one function that makes pixels from bytes, for everybody."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from boda.arrays import Pixels
from boda.errors import BodaError, Refused
from boda.pixels.decode import Decoded, Opened, open_picture
from boda.pixels.quiet import quiet
from boda.pixels.resize import fit, is_extreme
from boda.pixels.spec import DECODE_RULES, PixelSpec
from boda.unreadable import BadImage, Code, Stage, Unreadable

EXTREME_SHAPE = "extreme_shape"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an image once it is decoded."""

    width: int
    """Of the picture in the file, upright, in pixels."""
    height: int
    frames: int
    format: str
    warnings: tuple[str, ...]
    """`icc_ignored`, `nan_filled:SHARE`, `extreme_shape`."""


Answer: TypeAlias = tuple[Pixels, Facts] | Unreadable


def prepare(data: bytes, spec: PixelSpec) -> tuple[Pixels, Facts]:
    """The pixels that a spec makes of the bytes of one image.

    Returns:
        (h, w, 3) uint8, RGB, upright, sRGB; and the facts.

    Raises:
        BadImage: the bytes cannot be used; with stage, code and reason.
        Refused: the spec was made with other decoding rules.
    """
    (answer,) = prepare_each(data, [spec])
    if isinstance(answer, Unreadable):
        raise BadImage(answer.stage, answer.code, answer.reason)
    return answer


def prepare_at_most(data: bytes, spec: PixelSpec) -> Pixels:
    """As `prepare`, but an image that is smaller than the spec would make it stays as it is.

    For what resizes it anyway: a training that crops at random would only pay for pixels that say nothing.

    Args:
        data: of one image.
        spec: with a short side and no crop.

    Raises: as `prepare`.
    """
    _check_rules(spec)
    with quiet():
        answer = _caught(lambda: _fit_at_most(open_picture(data).decode(spec), spec))
    if isinstance(answer, Unreadable):
        raise BadImage(answer.stage, answer.code, answer.reason)
    return answer[0]


def prepare_each(data: bytes, specs: Sequence[PixelSpec]) -> list[Answer]:
    """What `prepare` makes of each spec, in order. Specs whose decoding agrees share one.

    Raises:
        Refused: a spec was made with other decoding rules.
    """
    for spec in specs:
        _check_rules(spec)
    with quiet():
        opened = _caught(lambda: open_picture(data))
        if isinstance(opened, Unreadable):
            return [opened] * len(specs)
        plans: dict[Hashable, list[int]] = {}
        for place, spec in enumerate(specs):
            plans.setdefault(opened.plan(spec), []).append(place)
        answers: dict[int, Answer] = {}
        for places in plans.values():
            answers |= _prepare_alike(opened, {place: specs[place] for place in places})
    return [answers[place] for place in range(len(specs))]


def _prepare_alike(opened: Opened, specs: dict[int, PixelSpec]) -> dict[int, Answer]:
    """The answers to specs of equal plans; the decoded picture is let go before the next plan."""
    first = next(iter(specs.values()))
    decoded = _caught(lambda: opened.decode(first))
    if isinstance(decoded, Unreadable):
        return dict.fromkeys(specs, decoded)
    return {place: _caught(lambda spec=spec: _fit(decoded, spec)) for place, spec in specs.items()}  # type: ignore[misc]


def _fit(decoded: Decoded, spec: PixelSpec) -> tuple[Pixels, Facts]:
    pixels = fit(decoded.image, spec, size=(decoded.width, decoded.height), box=decoded.box)
    warnings = decoded.warnings
    if is_extreme((decoded.width, decoded.height), spec):
        warnings = (*warnings, EXTREME_SHAPE)
    return pixels, Facts(decoded.width, decoded.height, decoded.frames, decoded.format, warnings)


def _fit_at_most(decoded: Decoded, spec: PixelSpec) -> tuple[Pixels, Facts]:
    assert isinstance(spec.resize, int)
    small = min(decoded.width, decoded.height) <= spec.resize
    return _fit(decoded, replace(spec, resize=None) if small else spec)


def _caught(work: Callable[[], T]) -> T | Unreadable:
    """The one place where whatever a decoder throws becomes a verdict."""
    try:
        return work()
    except BadImage as bad:
        return bad.unreadable
    except MemoryError:
        return Unreadable(Stage.DECODE, Code.MEMORY_LIMIT, "decoding it needs more memory than a decoder may have")
    except BodaError:
        raise
    except Exception as error:  # noqa: BLE001  # a decoder may throw anything; the type's name becomes a test
        return Unreadable(Stage.DECODE, Code.OTHER, f"{type(error).__name__}: {error}")


def _check_rules(spec: PixelSpec) -> None:
    if spec.rules != DECODE_RULES:
        raise Refused(
            f"made with decoding rules {spec.rules}, and this boda has {DECODE_RULES}: embed again, or use that boda"
        )
