"""The card (カードの一時停止): its holder locks its authentication at once, and unlocks it with its signature."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Body, Depends, FastAPI, Request
from fastapi.responses import Response

from kumihimo.domain.jpki import serial_text
from kumihimo.domain.web_eid import parse_token, validate
from kumihimo.roles.portal.pages.logging_in import address_of
from kumihimo.roles.portal.service.card_lock import CardLock
from kumihimo.roles.portal.site import FORM_CHECKED, Changing, Here, Site

TOPIC: Final = "controls"


async def _raw(request: Request) -> bytes:
    return await request.body()


def mount(app: FastAPI, site: Site) -> None:
    """Locking from within a session, unlocking from without."""
    card = CardLock(site.edge, site.client, site.clock, site.randomness, site.origin, site.signature, site.status)

    @app.get("/controls/card")
    def show(request: Request, visitor: Here) -> Response:
        """What a lock does."""
        return site.page(request, visitor, "card_lock.html", topic=TOPIC)

    @app.post("/controls/card/lock")
    def lock(request: Request, visitor: Changing, raw: Annotated[bytes, Depends(_raw)]) -> dict[str, str]:
        """The card in the reader counts no more; whoever showed it knows its PIN, so that it is theirs to lock."""
        site.log_in_limit.take(address_of(request))
        nonce = site.challenges.use(site.cookie(request))
        who = validate(parse_token(raw), site.origin, nonce, site.authentication, site.status, site.clock.now())
        card.lock(serial_text(who.serial))
        site.end(visitor)
        return {"next": "/unlock?locked=1"}

    @app.get("/unlock")
    def unlock_page(request: Request, locked: str = "", unlocked: str = "") -> Response:
        """For those who cannot log in."""
        visitor = site.visitor_or_nobody(request)
        return site.page(request, visitor, "card_unlock.html", locked=bool(locked), unlocked=bool(unlocked))

    @app.post("/unlock/prepare", dependencies=[FORM_CHECKED])
    def prepare(request: Request, certificate: Annotated[str, Body(embed=True)]) -> dict[str, str]:
        """The hash that the signature certificate is to sign."""
        site.log_in_limit.take(address_of(request))
        prepared = card.prepare(site.cookie(request), certificate)
        return prepared.to_sign

    @app.post("/unlock", dependencies=[FORM_CHECKED])
    def unlock(request: Request, signature: Annotated[str, Body(embed=True)]) -> dict[str, str]:
        """Signed: the card's authentication counts again."""
        site.log_in_limit.take(address_of(request))
        card.unlock(site.cookie(request), signature)
        return {"next": "/unlock?unlocked=1"}
