"""Draining (残務): what a service that is about to end still answers, and what it leaves to its successor.

It answers what it has begun. New connections wait in the queue of the listening socket. But a peer may need an answer
of ours before it can give the one that we wait for (operator 2 demands proofs of operator 1 in the middle of an inquiry):
such paths are `needed`, and while there are any, the service goes on listening, answers those, and holds everything else
unread until what it had begun is done. Whoever was held is cut off without a byte of an answer and asks again, of the
successor.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Set
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

HELD: Final = "kumihimo.held"


class Gate:
    """The outermost layer of an application: counts what is being answered, and holds what comes after `quiesce`.

    `needed` are the paths that go on being answered then.
    """

    def __init__(self, app: ASGIApp, needed: Set[str]) -> None:
        self._app = app
        self._needed = needed
        self._answering = 0
        self._done = asyncio.Event()
        self._gone = asyncio.Event()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._needed:
            await self._app(scope, receive, send)
            return
        if self._closing:
            scope["extensions"][HELD] = True
            await self._gone.wait()
            return
        self._answering += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._answering -= 1
            if not self._answering:
                self._done.set()

    async def quiesce(self, seconds: float) -> None:
        """Hold whatever comes from now on, and wait until all that was begun is answered, at most so long.

        Returns at once where nobody needs anything of us: then nothing needs to be held.
        """
        if not self._needed:
            return
        self._closing = True
        self._done.clear()
        if self._answering:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), seconds)

    def let_go(self) -> None:
        """End those that are held; their connections must have been cut before."""
        self._gone.set()


def is_held(scope: Any) -> bool:
    """Whether a request is held, so that nothing of it was done."""
    return HELD in scope.get("extensions", {})
