"""Fields of a plain record (項目): reading a JSON-able mapping so that a refusal names the field it found wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from kumihimo.domain.kernel.digits import quoted
from kumihimo.domain.kernel.errors import Problem


@contextmanager
def located(where: str | None) -> Iterator[None]:
    """Puts `where` in front of the place a Problem raised inside names: `address` and `code` give `address.code`."""
    try:
        yield
    except Problem as problem:
        if where is not None:
            problem.where = f"{where}.{problem.where}" if problem.where else where
        raise


def record(value: object, known: Iterable[str]) -> Mapping[str, object]:
    """A mapping with no other fields than the known ones. Raises Problem(value.invalid)."""
    names = tuple(known)
    if not isinstance(value, Mapping):
        raise Problem("value.invalid", _found(value), expected=f"an object with {', '.join(names)}")
    for name in value:
        if name not in names:
            raise Problem(
                "value.invalid", "an unknown field", quoted(str(name), limit=40), f"one of {', '.join(names)}"
            )
    return value


def text_field(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    """The text of a field; `default` where the field is missing or null. Raises Problem(value.invalid) naming the field."""
    value = fields.get(name)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise Problem("value.invalid", _found(value), name, "text")
    return value


def _found(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
