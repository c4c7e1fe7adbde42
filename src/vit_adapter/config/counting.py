"""Numbers of things: in words, and some of many."""


def counted(number: int, noun: str) -> str:
    """``1 image``, ``3 images``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def evenly_spread(total: int, count: int) -> list[int]:
    """``count`` different numbers below ``total``, spread evenly; all of them where there are no more."""
    count = min(count, total)
    return [int((2 * number + 1) * total // (2 * count)) for number in range(count)]
