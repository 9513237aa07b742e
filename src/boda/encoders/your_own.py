"""`module:function`: an encoder of your own, made by a function without arguments.

The function returns either an `Encoder`, which is used as it is, or a `torch.nn.Module` with an attribute `pixels`
(a `PixelSpec`) that maps a normalised batch (n, 3, h, w) to features (n, d). The second way boda does the rest: eval
mode, normalising, device, precision, recipe. That recipe counts the weights, and the code of the module's file
without its comments and layout, so that changed code never passes for the old one. Modules that it imports do not
count: after a change in one of these, change the file as well (a version number in it will do).
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, SupportsIndex

from boda.encoders.base import Encoder
from boda.encoders.names import parse_name, refuse_arguments
from boda.encoders.request import EncoderRequest, find_device
from boda.errors import Refused, UnknownEncoder
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

_PARTS: dict[str, Callable[[Any], bool]] = {
    "recipe": lambda part: isinstance(part, Recipe),
    "width": lambda part: isinstance(part, SupportsIndex),
    "device": lambda part: isinstance(part, str),
    "at": callable,
}
"""What a whole encoder has besides being callable, and how one knows."""


def load(request: EncoderRequest) -> Encoder:
    """The encoder that `module:function` makes. The module is looked for in the current folder too.

    Raises:
        UnknownEncoder: there is no such module, or no such function in it.
        Refused: what the function returns is no encoder, or cannot take what was asked for.
    """
    refuse_arguments(request.name, "module:function")
    where, _, name = parse_name(request.name).bare.partition(":")
    module = _import(where, request.name)
    function = getattr(module, name, None)
    if not callable(function):
        near = difflib.get_close_matches(name, [n for n, v in vars(module).items() if callable(v)], n=3, cutoff=0.5)
        raise UnknownEncoder(request.name, [f"{where}:{found}" for found in near])
    made = function()
    if _is_torch_module(made):
        return _from_module(made, module, request)
    lacking = [name for name, has in _PARTS.items() if not has(getattr(made, name, None))]
    if lacking or not callable(made):
        raise Refused(
            f"{request.name}() returned {type(made).__name__}, which is neither an encoder (it has no proper "
            f"{' nor '.join(lacking) or 'call'}) nor a torch.nn.Module with an attribute `pixels`"
        )
    return _as_asked(made, request)


def _as_asked(made: Encoder, request: EncoderRequest) -> Encoder:
    """An encoder brings its own weights, pixels and device; what was asked for must agree."""
    if request.weights is not None:
        raise Refused(f"{request.name}() returns a whole encoder: leave out --weights")
    own = made.recipe.pixels
    if own is None:
        raise Refused(
            f"{request.name}() returned an encoder whose recipe has no pixels: nobody knows what it is to see"
        )
    asked = request.of(own)
    for what in ("decoder", "range", "stretch"):
        if getattr(asked, what) != getattr(own, what):
            option = "decode" if what == "decoder" else what
            raise Refused(
                f"{request.name}() has {what} {getattr(own, what)!r} in its own pixels: leave out --{option}, or "
                "change it there"
            )
    if asked != own:
        raise Refused(f"{request.name}() has its own pixels: leave out --pixels, or change them there")
    if request.device not in {"auto", made.device, made.device.partition(":")[0]}:
        raise Refused(
            f"{request.name}() runs on {made.device}: leave out --device {request.device}, or change it there"
        )
    return made


def _import(where: str, name: str) -> ModuleType:
    try:
        if where.partition(".")[0] not in sys.modules and importlib.util.find_spec(where.partition(".")[0]) is None:
            here = Path.cwd()
            if not (here / f"{where.replace('.', '/')}.py").is_file():
                raise UnknownEncoder(name, _near(name))
            sys.path.append(str(here))
        return importlib.import_module(where)
    except (ImportError, ValueError) as error:
        raise Refused(f"encoder {name!r}: importing {where} failed: {error}") from error


def _near(name: str) -> tuple[str, ...]:
    from boda.encoders.registry import near_names

    return near_names(name)


def _is_torch_module(made: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(made, torch.nn.Module)


def _from_module(made: Any, module: ModuleType, request: EncoderRequest) -> Encoder:
    from boda.encoders.torch_encoder import ADAPTER, Network, TorchEncoder
    from boda.encoders.weights import digest, load_into, read_weights

    if not isinstance(getattr(made, "pixels", None), PixelSpec):
        raise Refused(f"{request.name}() returned a torch module without `pixels`: set it to a boda.PixelSpec")
    notes: tuple[str, ...] = ()
    if request.weights is not None:
        note = load_into(made, read_weights(request.weights), where=f"weights {request.weights}").note
        notes = (note,) if note else ()
    recipe = Recipe(
        architecture=request.name,
        weights=digest(made.state_dict()),
        layer="output",
        pooling="none",
        pixels=request.of(made.pixels),
        arguments={"adapter": ADAPTER, "code": _code_digest(module)},
        name=request.name,
    )
    return TorchEncoder(Network(made, _call), recipe, find_device(request.device), notes=notes)


def _code_digest(module: ModuleType) -> str:
    """SHA-256 over what the module's file says, without comments and layout; the same in every version of Python."""
    try:
        code = "\0".join(_tokens(inspect.getsource(module)))
    except (OSError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise Refused(f"{module.__name__} has no source to read: its features could not be told apart later") from error
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _tokens(source: str) -> Iterator[str]:
    """The words of a program: no comments, no blank lines, of indentation only that it begins and ends.

    A formatted string is one word, as it is written: before Python 3.12 it was one token, since then it is many.
    """
    lines = source.splitlines(keepends=True)
    depth, began = 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name in {"FSTRING_START", "TSTRING_START"}:
            began = began if depth else token.start
            depth += 1
        elif name in {"FSTRING_END", "TSTRING_END"}:
            depth -= 1
            if not depth:
                yield _between(lines, began, token.end)
        elif not depth and name not in {"COMMENT", "NL"}:
            yield name if name in {"NEWLINE", "INDENT", "DEDENT", "ENDMARKER"} else token.string


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    """What stands from one (line, column) to another, lines counted from 1."""
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])


def _call(model: Any, batch: Any) -> Any:
    return model(batch)
