"""`module:function`: an encoder of your own, made by a function without arguments.

The function returns either an `Encoder`, which is used as it is, or a `torch.nn.Module` with an attribute `pixels`
(a `PixelSpec`) that maps a normalised batch (n, 3, h, w) to features (n, d). The second way boda does the rest: eval
mode, normalising, device, precision, recipe. That recipe counts the weights, and the code of the module's file
without its comments, so that changed code never passes for the old one.
"""

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from boda.encoders.base import Encoder
from boda.encoders.request import EncoderRequest, find_device
from boda.errors import Refused, UnknownEncoder
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe


def load(request: EncoderRequest) -> Encoder:
    """The encoder that `module:function` makes. The module is looked for in the current folder too.

    Raises:
        UnknownEncoder: there is no such module, or no such function in it.
        Refused: what the function returns is no encoder, or cannot take what was asked for.
    """
    where, _, name = request.name.partition(":")
    module = _import(where, request.name)
    function = getattr(module, name, None)
    if not callable(function):
        near = difflib.get_close_matches(name, [n for n, v in vars(module).items() if callable(v)], n=3, cutoff=0.5)
        raise UnknownEncoder(request.name, [f"{where}:{found}" for found in near])
    made = function()
    if _is_torch_module(made):
        return _from_module(made, module, request)
    if not (callable(made) and isinstance(getattr(made, "recipe", None), Recipe) and hasattr(made, "width")):
        raise Refused(
            f"{request.name}() returned {type(made).__name__}, which is neither an encoder (recipe, width, call) nor a "
            "torch.nn.Module with an attribute `pixels`"
        )
    return _as_asked(made, request)


def _as_asked(made: Any, request: EncoderRequest) -> Encoder:
    """An encoder brings its own weights, pixels and device; what was asked for must agree."""
    if request.weights is not None:
        raise Refused(f"{request.name}() returns a whole encoder: leave out --weights")
    if request.decode == "exact" and made.recipe.pixels.decoder != "exact":
        raise Refused(
            f"{request.name}() decodes {made.recipe.pixels.decoder!r}: leave out --decode, or change it there"
        )
    if request.range or request.stretch:
        raise Refused(f"{request.name}() returns a whole encoder: set range and stretch in its own pixels")
    encoder: Encoder = made
    return encoder


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
    from boda.encoders.torch_encoder import Network, TorchEncoder
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
        arguments={"code": _code_digest(module)},
        name=request.name,
    )
    return TorchEncoder(Network(made, _call), recipe, find_device(request.device), notes=notes)


def _code_digest(module: ModuleType) -> str:
    """SHA-256 over what the module's file says, without comments and layout."""
    try:
        code = ast.unparse(ast.parse(inspect.getsource(module)))
    except (OSError, TypeError, SyntaxError) as error:
        raise Refused(f"{module.__name__} has no source to read: its features could not be told apart later") from error
    return hashlib.sha256(code.encode()).hexdigest()


def _call(model: Any, batch: Any) -> Any:
    return model(batch)
