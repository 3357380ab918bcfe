"""Problems on the terminal (問題の表示): what happened, where, what was expected, what to do; always on standard error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import store_problem


def printable(text: str) -> str:
    """A text for the terminal: a file or a party elsewhere must not be able to send it control characters."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def print_problem(problem: Problem) -> None:
    """Title and detail, then where, expected and do where they are known, and the code."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(printable(problem.title), style="bold red", markup=False, end="")
    console.print(f": {printable(problem.detail)}", markup=False)
    for label, text in (("where", problem.where), ("expected", problem.expected), ("do", problem.advice)):
        if text:
            console.print(f"  {label:9}{printable(text)}", markup=False)
    console.print(f"  {'code':9}{problem.code}", markup=False)


def as_problem(error: Exception) -> Problem | None:
    """The problem that an error is: itself, a disk without room, a store that cannot be used. None for any other."""
    match error:
        case Problem():
            return error
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EROFS):
            where = error.filename
            return Problem(
                "file.unwritable", error.strerror or str(error), where=str(where) if where else None,
                expected="a disk with room that may be written to", advice="Make room, then do the same again.",
            )  # fmt: skip
        case SQLAlchemyError():
            return store_problem(error)
        case _:
            return None


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Turns what the operating system says while a file is written into a Problem(file.unwritable)."""
    try:
        yield
    except OSError as error:
        raise Problem(
            "file.unwritable", error.strerror or str(error), where=str(error.filename or file),
            expected="a place where this account may write",
        ) from None  # fmt: skip
