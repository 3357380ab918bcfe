"""Program logs (動作記録): JSON lines with an allow-list of fields, so that no name, number or code can slip in.

These logs tell operators how the programs fare. Who asked about whom is in the transparency log and in the access records,
never here.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

# Everything else is dropped before it is written; the names of dropped fields are kept so that the loss is seen.
ALLOWED: Final = frozenset(
    {
        "event", "level", "timestamp", "party", "role", "code", "source", "peer", "institution", "provider", "requester",
        "transaction", "affair", "count", "index", "size", "status", "path", "method", "seconds", "kind", "rule_book",
        "version", "port", "name", "traceback", "dropped", "operator", "witness", "label", "feed", "after", "outcome",
    }
)  # fmt: skip


def allow_listed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: keeps allowed fields, names the dropped ones."""
    error = event.pop("exc_info", None)
    kept = {name: value for name, value in event.items() if name in ALLOWED}
    if error:
        kept["traceback"] = _places(error)
    dropped = sorted(set(event) - ALLOWED)
    if dropped:
        kept["dropped"] = dropped
    return kept


def _places(error: Any) -> list[str]:
    """Type and places of an exception: its text could quote a value, so it is left out."""
    exception = error if isinstance(error, BaseException) else sys.exc_info()[1]
    if exception is None:
        return []
    frames = traceback.extract_tb(exception.__traceback__)
    return [type(exception).__name__, *(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-8:])]


class _Named:
    def __init__(self, party: str) -> None:
        self._party = party

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"party": self._party, **event}


def configure(party: str, stream: TextIO) -> None:
    """Send this process's program log to a stream, one JSON object a line; uvicorn's own messages go there too."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Named(party),
            allow_listed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = _Forward()
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        log.warning("server", name=record.name, kind=record.levelname, exc_info=error)
