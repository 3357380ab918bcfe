"""The host's program (起動): greet, take one command, carry it out, answer, end. The browser starts it for each command.

python -m kumihimo.roles.card.host [--settings FILE] [what the browser adds]
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from kumihimo.domain.kernel.clock import SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.host.answers import PROGRAM, STANDS_IN, failure, version
from kumihimo.roles.card.host.framing import read_message, write_message
from kumihimo.roles.card.host.requests import Language, Request, parse_request
from kumihimo.roles.card.host.settings import HostSettings

SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"
_OPTION: Final = "--settings"


def main(arguments: Sequence[str] | None = None) -> int:
    """One command from the browser on standard input. Status 0 when it was answered, whatever the answer."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Unbuffered: a thread waits in it until the end, and the lock of a buffered stream would then abort the program.
    asked = cast(BinaryIO, open(sys.stdin.fileno(), "rb", buffering=0, closefd=False))  # noqa: SIM115
    answered = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing else may get between the messages
    with suppress(BrokenPipeError):
        write_message(answered, version())
        answer = _answer(given, asked)
        if answer is not None:
            write_message(answered, answer)
    return 0


def _answer(given: list[str], asked: BinaryIO) -> dict[str, Any] | None:
    settings, outcome = HostSettings(), "answered"
    request: Request | None = None
    try:
        if _OPTION in given[:-1]:
            settings = HostSettings.load(Path(given[given.index(_OPTION) + 1]))
        message = read_message(asked)
        if message is not None:
            request = parse_request(message, localhost_too=settings.development, default=_language())
        return None if request is None else _carried_out(request, settings, asked)
    except Problem as problem:
        outcome = problem.code
        return failure(problem)
    except Exception as error:  # the page must not wait for an answer for ever; the text could quote a value
        outcome = "internal"
        return failure(Problem("internal", type(error).__name__, "card program"))
    finally:
        _log(settings, request, outcome)


def _carried_out(request: Request, settings: HostSettings, asked: BinaryIO) -> dict[str, Any]:
    from kumihimo.roles.card.host.conduct import conduct  # after the greeting: the browser waits for that

    if settings.pcsc_socket is not None:
        os.environ[SOCKET_VARIABLE] = str(settings.pcsc_socket)
    if settings.stand_in is not None:
        from kumihimo.roles.card.host.person import StandIn

        return conduct(request, _card, StandIn.from_file(settings.stand_in), PROGRAM + STANDS_IN)
    from kumihimo.roles.card.host.window import ask_in_window

    gone = threading.Event()
    threading.Thread(target=_watch, args=(asked, gone), daemon=True).start()
    return ask_in_window(request, lambda person: conduct(request, _card, person, PROGRAM), gone)


def _watch(asked: BinaryIO, gone: threading.Event) -> None:
    """The browser closes the line when the page goes away or has waited long enough."""
    with suppress(Problem, OSError):
        while (message := read_message(asked)) is not None and message.get("command") != "quit":
            continue
    gone.set()


@contextmanager
def _card() -> Iterator[Any]:
    from kumihimo.roles.card.reader.pcsc import open_card
    from kumihimo.roles.card.terminal import CardTerminal

    with open_card() as transmit:
        yield CardTerminal(transmit)


def _language() -> Language:
    """The language of the person's desktop; Japanese where it does not say."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value and not value.startswith(("C", "POSIX")):
            return "ja" if value.startswith("ja") else "en"
    return "ja"


def _log(settings: HostSettings, request: Request | None, outcome: str) -> None:
    """One line of what was done: neither the site, which is nobody's business, nor anything of the person."""
    if settings.log is None or request is None:
        return
    line = {
        "at": SystemClock().now().isoformat(timespec="milliseconds"),
        "command": type(request).__name__,
        "outcome": outcome,
        "person": "stand-in" if settings.stand_in else "at the window",
    }
    with suppress(OSError), os.fdopen(os.open(settings.log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600), "a") as log:
        log.write(json.dumps(line) + "\n")
