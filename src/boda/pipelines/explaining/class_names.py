"""Classes of a network by what people call them."""

from collections.abc import Sequence

from boda.errors import NotFound, Refused
from boda.keys import shown


def class_index(answer: int | str, names: Sequence[str]) -> int:
    """A class by its name, by a part of it that no other has, or by its number.

    Raises:
        NotFound: no class has this name.
        Refused: several have.
    """
    if isinstance(answer, int) or (answer.isdecimal() and answer not in names):
        return int(answer)
    found = [place for place, name in enumerate(names) if name == answer]
    found = found or [place for place, name in enumerate(names) if answer.lower() in name.lower()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"no class {shown(answer)!r} in this classifier: give its number, or a part of its name")
    some = ", ".join(f"{place} {names[place]}" for place in found[:8])
    raise Refused(f"{len(found)} classes have {shown(answer)!r} in their name: {some}; give the number of one")
