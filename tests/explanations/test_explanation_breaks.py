"""Slips put into the source of a method: each breaks the test of what it agrees with, which holds without."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from boda.errors import Refused
from explanations import (
    test_attention_hearing,
    test_attention_maps,
    test_cams,
    test_deeplift,
    test_integrated,
    test_leaf,
    test_occlusion,
    test_pixel_gradients,
    test_planted_cue,
)
from explanations.test_planted_cue import trained

__all__ = ["trained"]  # a fixture

SMALL = "resnet:resnet20"
REGISTERS = {"reg_tokens": 2}
Check = Callable[..., None]


def functions(names: dict[str, object], module: str) -> Iterator[tuple[str, FunctionType]]:
    """Those that a module defines, and the methods of its classes, by their names."""
    for name, one in names.items():
        if isinstance(one, FunctionType) and one.__module__ == module:
            yield one.__qualname__, one
        elif isinstance(one, type) and one.__module__ == module:
            yield from ((f"{name}.{inner}", two) for inner, two in vars(one).items() if isinstance(two, FunctionType))


@contextmanager
def slipped(file: str, was: str, becomes: str) -> Iterator[None]:
    """Every function of a module as if its source said something else, wherever it was imported."""
    module = importlib.import_module(f"boda.explanations.{file}")
    source = Path(str(module.__file__)).read_text("utf-8")
    assert source.count(was) == 1, f"{file} says {was!r} {source.count(was)} times"
    wrong: dict[str, object] = {"__name__": module.__name__}
    exec(compile(source.replace(was, becomes), str(module.__file__), "exec"), wrong)
    others = dict(functions(wrong, module.__name__))
    kept: list[tuple[FunctionType, CodeType]] = []
    try:
        for name, one in functions(vars(module), module.__name__):
            if one.__closure__ is None:
                kept.append((one, one.__code__))
                one.__code__ = others[name].__code__
        yield
    finally:
        for one, code in kept:
            one.__code__ = code


SLIPS: dict[str, tuple[str, str, str, Check]] = {
    "Grad-CAM takes the largest gradient for the mean": (
        "cams", "return gradients.mean(dim=(1, 2), keepdim=True)", "return gradients.amax(dim=(1, 2), keepdim=True)",
        lambda ask: test_cams.test_grad_cam_is_captums(ask("open_network"), "timm:test_vit"),
    ),
    "CAM leaves out the number of places": (
        "cams", "(count * mean * values)", "(mean * values)",
        lambda ask: test_cams.test_cam_is_grad_cam_times_the_number_of_places(ask("open_network"), SMALL),
    ),
    "Grad-CAM++ squares where it cubes": (
        "cams", "gradients**2, gradients**3", "gradients**2, gradients**2",
        lambda ask: test_cams.test_grad_cam_plus_plus_is_equation_19(ask("open_network")),
    ),
    "Layer-CAM keeps negative gradients": (
        "cams", "lambda _, gradients: gradients.relu()", "lambda _, gradients: gradients",
        lambda ask: test_cams.test_layer_cam_weighs_each_place_by_its_own_gradient(ask("open_network")),
    ),
    "integrated gradients weigh all places alike": (
        "integrated", "return (places + 1) / 2, weights / 2", "return (places + 1) / 2, np.full(steps, 1 / steps)",
        lambda ask: test_integrated.test_they_are_captums(
            ask("open_network"), SMALL, "gauss-legendre", "gausslegendre"
        ),
    ),
    "DeepLIFT takes every slope for 1": (
        "multipliers", "slope = rise / torch.where(far, run, 1.0)", "slope = torch.ones_like(rise)",
        lambda ask: test_deeplift.test_however_an_activation_is_written_it_is_captums_with_modules_of_their_own(
            next(iter(test_deeplift.SPELLINGS))
        ),
    ),
    "occlusion adds the score for its fall": (
        "occlusion", "= scores[images] - scored(", "= scores[images] + scored(",
        lambda ask: test_occlusion.test_it_is_captums(ask("open_network")),
    ),
    "SmoothGrad has no noise": (
        "smoothing", "spread = noise * (batch.amax", "spread = 0 * (batch.amax",
        lambda ask: test_pixel_gradients.test_smooth_gradient_is_the_mean_over_noise(),
    ),
    "rows of attention do not add up to 1": (
        "attention_hearing", "self._tell(products.softmax(dim=-1))", "self._tell(products.softmax(dim=-2))",
        lambda ask: test_attention_hearing.test_what_is_heard_is_the_softmax_of_queries_times_keys(
            "class token, registers"
        ),
    ),
    "rollout multiplies in the wrong order": (
        "rollout", "for layer in reversed(layers):", "for layer in layers:",
        lambda ask: test_attention_maps.test_rollout_is_the_product_written_out(REGISTERS),
    ),
    "relevance keeps what speaks against": (
        "rollout", "(slope * one.detach()).relu()", "(slope * one.detach()).abs()",
        lambda ask: test_attention_maps.test_relevance_is_equations_5_and_6_written_out(REGISTERS),
    ),
    "the leaf's copy is not the layer's output": (
        "leaf", "return self.values.clone()", "return self.values.clone().relu()",
        lambda ask: test_leaf.test_gradients_at_a_leaf_are_those_of_the_whole_network(
            ask("open_network"), SMALL, "layer2.0.bn2"
        ),
    ),
    "hooks stay": (
        "leaf", "        hook.remove()\n    if leaf", "        pass\n    if leaf",
        lambda ask: test_leaf.test_everything_is_left_as_it_was(ask("open_network"), test_leaf.torch.no_grad),
    ),
    "a map in a mirror is not mirrored": (
        "cams", "* values).sum(dim=3).relu()", "* values).sum(dim=3).relu().cumsum(dim=2)",
        lambda ask: test_cams.test_a_flipped_image_has_a_flipped_map(),
    ),
    "a planted cue is looked for upside down": (
        "cams", "* values).sum(dim=3).relu()", "* values).sum(dim=3).relu().flip(1)",
        lambda ask: test_planted_cue.test_a_planted_cue_is_found(ask("trained"), "grad-cam", lambda *_: None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_breaks_what_holds_without_it(slip, request):
    """And with the source as it is, afterwards, all is well again."""
    file, was, becomes, check = SLIPS[slip]
    with slipped(file, was, becomes), pytest.raises((AssertionError, Refused)):  # DeepLIFT sees itself what is missing
        check(request.getfixturevalue)
    check(request.getfixturevalue)
