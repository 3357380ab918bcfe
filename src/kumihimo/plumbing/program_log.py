"""Program logs (動作記録): JSON lines with an allow-list of fields, so that no name, number or code can slip in.

These logs tell operators how the programs fare. Who asked about whom is in the transparency log and in the access records,
never here.
"""

from __future__ import annotations

import errno
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO, cast

import structlog

# Everything else is dropped before it is written; the names of dropped fields are kept so that the loss is seen.
ALLOWED: Final = frozenset(
    {
        "event", "level", "timestamp", "party", "role", "code", "source", "peer", "institution", "provider", "requester",
        "transaction", "affair", "count", "index", "size", "status", "path", "method", "seconds", "kind", "rule_book",
        "version", "port", "logger", "traceback", "dropped", "operator", "witness", "label", "feed", "after", "outcome",
        "cosigned", "place",
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
    kind = type(exception).__name__
    if isinstance(exception, OSError) and exception.errno is not None:
        kind = f"{kind} {errno.errorcode.get(exception.errno, exception.errno)}"
    frames = traceback.extract_tb(exception.__traceback__)
    return [kind, *(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-8:])]


class _Named:
    def __init__(self, party: str) -> None:
        self._party = party

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {"party": self._party, **event}


def configure(party: str, stream: TextIO) -> None:
    """Send this process's program log to a stream, one JSON object a line.

    Warnings and errors of the libraries and threads that die go there too: what kind and from which place, never their
    text, since some of them quote what they failed on.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Named(party),
            allow_listed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Enduring(stream))),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # without a level of its own it writes every byte down
    threading.excepthook = _thread_died


class _Enduring:
    """A stream on a disk that may be full: what cannot be written is lost, and whoever wanted to write it goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else record.msg if isinstance(record.msg, Exception) else None
        place = f"{record.filename}:{record.lineno} {record.funcName}"
        structlog.get_logger().warning(
            "library", logger=record.name, kind=record.levelname, place=place, exc_info=error
        )


def _thread_died(died: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error("thread died", exc_info=died.exc_value)
