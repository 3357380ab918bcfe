"""Problem documents (RFC 9457): how a `Problem` crosses the wire, and back.

The type is a URN with the stable code; the members say what was wrong, where, what was expected and what to do.
"""

from __future__ import annotations

import json
from typing import Any

from kumihimo.domain.kernel.errors import CATALOGUE, Problem

MEDIA_TYPE = "application/problem+json"
_URN = "urn:kumihimo:problem:"


def to_document(problem: Problem) -> dict[str, Any]:
    """The problem document of a problem."""
    members = {"where": problem.where, "expected": problem.expected, "advice": problem.advice}
    return {
        "type": _URN + problem.code,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **{name: text for name, text in members.items() if text is not None},
    }


def from_document(body: bytes, status: int, source: str) -> Problem:
    """The problem that a peer reported; a body that is no problem document becomes an internal problem."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return problem_in(document, status, source)


def problem_in(document: object, status: object, source: str) -> Problem:
    """As `from_document`, of what JSON says."""
    if isinstance(document, dict):
        code = str(document.get("type")).removeprefix(_URN)
        detail, *others = (document.get(name) for name in ("detail", "where", "expected", "advice"))
        if code in CATALOGUE and isinstance(detail, str) and all(o is None or isinstance(o, str) for o in others):
            return Problem(code, detail, *others)
    return Problem("internal", f"{source} answered with status {status} and no problem document")
