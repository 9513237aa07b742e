"""Keys of images as text, bytes and JSON.

In memory a key is `str` as `os.fsdecode` makes it: bytes that are not UTF-8 become lone surrogates, so every
file name survives. Nothing is ever normalised. In tables such a key is written `bytes:<hex>`, in JSON
`{"bytes": "<hex>"}`.
"""

import os

_PREFIX = "bytes:"


def to_bytes(key: str) -> bytes:
    """The bytes of a key, as the file system has them.

    >>> to_bytes("caf\\udce9.jpg")
    b'caf\\xe9.jpg'
    """
    return os.fsencode(key)


def from_bytes(raw: bytes) -> str:
    """The key that has these bytes."""
    return os.fsdecode(raw)


def is_utf8(key: str) -> bool:
    """Whether the key is proper text."""
    return not any("\ud800" <= sign <= "\udfff" for sign in key)


def to_text(key: str) -> str:
    """The key as it stands in tables.

    >>> to_text("cat.jpg"), to_text("caf\\udce9.jpg")
    ('cat.jpg', 'bytes:636166e92e6a7067')
    """
    return key if is_utf8(key) and not key.startswith(_PREFIX) else _PREFIX + to_bytes(key).hex()


def from_text(text: str) -> str:
    """The key that stands in a table as this text. Undoes `to_text`; text that it never writes stays as it is.

    A name that itself begins with `bytes:` is written in hex too, so that no two keys have one text.
    """
    if not text.startswith(_PREFIX):
        return text
    try:
        return from_bytes(bytes.fromhex(text.removeprefix(_PREFIX)))
    except ValueError:
        return text


def to_json(key: str) -> str | dict[str, str]:
    """The key as it stands in JSON."""
    return key if is_utf8(key) else {"bytes": to_bytes(key).hex()}


def shown(key: str) -> str:
    """The key for people: control signs and stray bytes escaped, so that no name can play with a terminal.

    >>> shown("two\\nlines")
    'two\\\\nlines'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in key)
