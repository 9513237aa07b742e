"""Arguments ride on the name of an encoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.encoders.names import parse_name
from boda.errors import Refused


@pytest.mark.parametrize(
    ("text", "family", "rest", "arguments"),
    [
        ("auto", "auto", "", {}),
        ("auto?drop_rate=0", "auto", "", {"drop_rate": 0}),
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", {}),
        ("hf-hub:owner/name?a=1&b=x", "hf-hub", "owner/name", {"a": 1, "b": "x"}),
        ("timm:x?a=true&b=false&c=True", "timm", "x", {"a": True, "b": False, "c": "True"}),
        ("timm:x?a=-3&b=1e-3&c=.5&d=1.&e=1_0", "timm", "x", {"a": -3, "b": 1e-3, "c": 0.5, "d": 1.0, "e": "1_0"}),
        ("timm:x?a=same=b", "timm", "x", {"a": "same=b"}),
    ],
)
def test_a_name_is_family_rest_and_typed_arguments(text: str, family: str, rest: str, arguments: dict):
    """Numbers, true and false are typed, and bool is not int; all else is text."""
    name = parse_name(text)
    assert (name.family, name.rest, name.arguments) == (family, rest, arguments)
    assert [type(value) for value in name.arguments.values()] == [type(value) for value in arguments.values()]


@pytest.mark.parametrize("text", ["a?", "a?x", "a?x=", "a?=1", "a?x=1&", "a?x=1&x=2", "a?two words=1", "a?x=1\n&y"])
def test_half_arguments_are_refused(text: str):
    """One line says which."""
    with pytest.raises(Refused) as refusal:
        parse_name(text)
    assert "\n" not in str(refusal.value)


@given(
    st.dictionaries(
        st.from_regex("[a-z_]{1,8}", fullmatch=True), st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_numbers_are_read_as_python_writes_them(arguments: dict):
    """Every finite number comes back; integers of more than 18 digits as float."""
    text = "timm:x" + ("?" + "&".join(f"{name}={value!r}" for name, value in arguments.items()) if arguments else "")
    assert parse_name(text).arguments == pytest.approx(arguments)
