"""Column names that are unique, non-empty strings."""

from collections.abc import Hashable, Sequence


def repair(names: Sequence[Hashable]) -> tuple[list[str], tuple[str, ...]]:
    """Unique names for the columns, and notes on what was changed.

    White space around names goes; an empty one becomes ``column_3`` (its position, from 1); the second ``a``
    becomes ``a_2``. A name that is already taken is never given again.
    """
    plain = [_text(name) for name in names]
    taken, repaired = set(plain), []
    seen: dict[str, int] = {}
    empty, doubled = [], []
    for position, name in enumerate(plain, start=1):
        unique = name
        if not name:
            unique = _free(f"column_{position}", taken)
            empty.append(unique)
        elif name in seen:
            unique = _numbered(name, seen, taken)
            doubled.append(unique)
        taken.add(unique)
        seen.setdefault(unique, 2)
        repaired.append(unique)
    return repaired, (*_note("without a name", empty), *_note("whose name was taken", doubled))


def _text(name: Hashable) -> str:
    if isinstance(name, tuple):
        return "_".join(part for part in map(_text, name) if part)
    if name is None or name != name:
        return ""
    return str(name).strip()


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _numbered(name, {}, taken)


def _numbered(name: str, numbers: dict[str, int], taken: set[str]) -> str:
    """The first free ``name_2``, ``name_3``, ...; ``numbers`` remembers where to go on looking."""
    number = numbers.get(name, 2)
    while f"{name}_{number}" in taken:
        number += 1
    numbers[name] = number + 1
    return f"{name}_{number}"


def _note(what: str, names: list[str]) -> tuple[str, ...]:
    if not names:
        return ()
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (f"Columns {what} were named {listed}." if len(names) > 1 else f"A column {what} was named {listed}.",)
