"""Keys as text, bytes and JSON: each goes there and back, and no two have one text."""

from hypothesis import given
from hypothesis import strategies as st

from boda import keys

raw_names = st.binary(min_size=1, max_size=40) | st.builds(lambda rest: b"bytes:" + rest, st.binary(max_size=12))


@given(raw_names)
def test_every_name_survives(raw: bytes) -> None:
    """Bytes to key to text to key to bytes."""
    key = keys.from_bytes(raw)
    assert keys.to_bytes(key) == raw
    assert keys.from_text(keys.to_text(key)) == key
    keys.to_text(key).encode()  # proper UTF-8


@given(raw_names, raw_names)
def test_no_two_names_have_one_text(one: bytes, two: bytes) -> None:
    """A name that begins with the mark of hex is written in hex itself."""
    texts = {keys.to_text(keys.from_bytes(raw)) for raw in (one, two)}
    assert len(texts) == len({one, two})


def test_the_name_that_looks_like_another() -> None:
    """Found by somebody who tried."""
    odd, literal = keys.from_bytes(b"\xff\xfe.jpg"), "bytes:fffe2e6a7067"
    assert keys.to_text(odd) == literal
    assert keys.to_text(literal) != literal
    assert keys.from_text(keys.to_text(literal)) == literal
