"""How many of something, in words that fit one as well as several."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """The count, and what is counted; without a word for several, that for one with an s.

    >>> counted(1, "row"), counted(2024, "row"), counted(2, "row fits", "rows fit")
    ('1 row', '2,024 rows', '2 rows fit')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def found_of_asked(found: int, asked: int | None) -> str:
    """The count that was found, and where it is another one the count that was asked for.

    >>> found_of_asked(3, 3), found_of_asked(3, 6), found_of_asked(3, None)
    ('3', '3 of 6', '3')
    """
    return str(found) if asked in (None, found) else f"{found} of {asked}"
