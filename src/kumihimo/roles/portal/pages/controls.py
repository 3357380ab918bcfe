"""Controls (設定): who may act for me, acting for somebody else, closing the account."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from fastapi import FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response

from kumihimo.domain.kernel import Problem
from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.roles.portal.limits import Limit
from kumihimo.roles.portal.pages.logging_in import away
from kumihimo.roles.portal.service.closing import close_account
from kumihimo.roles.portal.service.mandates import RELATIONS, SCOPES, Mandates
from kumihimo.roles.portal.site import Changing, Here, Site
from kumihimo.roles.portal.visiting import Visitor

TOPIC: Final = "controls"
CLOSING: Final = ("閉じる", "CLOSE")
_TRIES_A_MINUTE: Final = 10


def mount(app: FastAPI, site: Site) -> None:
    """Everything a resident decides about their own account."""
    site.menu.add(TOPIC)
    _mount_account(app, site)
    _mount_mandates(app, site, site.mandates)
    _mount_acting(app, site, site.mandates)


def _own(visitor: Visitor) -> Visitor:
    """Only for the holder of the account. Raises Problem(mandate.scope)."""
    if visitor.represents:
        raise Problem(
            "mandate.scope", "only the holder of an account decides this", advice="Go back to your own account."
        )
    return visitor


def _mount_account(app: FastAPI, site: Site) -> None:
    @app.get("/controls")
    def show(request: Request, visitor: Here) -> Response:
        return site.page(request, _own(visitor), "controls.html", topic=TOPIC)

    @app.get("/controls/close")
    def ask(request: Request, visitor: Here) -> Response:
        return site.page(request, _own(visitor), "controls_close.html", topic=TOPIC, words=CLOSING)

    @app.post("/controls/close")
    def close(visitor: Changing, confirmed: Annotated[str, Form(max_length=20)] = "") -> Response:
        if confirmed.strip() not in CLOSING:
            raise Problem("value.invalid", "the word was not typed", "confirmed", f"{' or '.join(CLOSING)}")
        close_account(site.store, _own(visitor).account, site.clock.now())
        site.end(visitor)
        return away("/goodbye")


def _mount_mandates(app: FastAPI, site: Site, mandates: Mandates) -> None:
    tries = Limit(site.clock, _TRIES_A_MINUTE)

    @app.get("/controls/mandates")
    def show(request: Request, visitor: Here) -> Response:
        return _page(request, visitor)

    def _page(request: Request, visitor: Visitor, invitation: str | None = None) -> Response:
        return site.page(
            request, visitor, "controls_mandates.html", topic=TOPIC, invitation=invitation, relations=RELATIONS,
            scopes=SCOPES, seen=() if visitor.represents else mandates.seen_by(visitor.account),
        )  # fmt: skip

    @app.post("/controls/mandates")
    def give(
        request: Request, visitor: Changing, relation: Annotated[str, Form(max_length=20)],
        last_day: Annotated[str, Form(max_length=30)], scopes: Annotated[list[str] | None, Form()] = None,
    ) -> Response:  # fmt: skip
        """The invitation is on this page only."""
        until: date = parse_date(last_day, "last_day")
        return _page(request, visitor, mandates.give(_own(visitor).account, relation, frozenset(scopes or ()), until))

    @app.post("/controls/mandates/accept")
    def accept(visitor: Changing, invitation: Annotated[str, Form(max_length=40)]) -> Response:
        tries.take(visitor.session)
        mandates.accept(_own(visitor).account, invitation)
        return RedirectResponse("/controls/mandates", 303)

    @app.post("/controls/mandates/{mandate}/revoke")
    def revoke(visitor: Changing, mandate: str) -> Response:
        mandates.revoke(_own(visitor).account, mandate)
        return RedirectResponse("/controls/mandates", 303)


def _mount_acting(app: FastAPI, site: Site, mandates: Mandates) -> None:
    @app.post("/controls/mandates/{mandate}/act")
    def act(visitor: Changing, mandate: str) -> Response:
        site.sessions.act(visitor, mandates.usable(_own(visitor).account, mandate).id)
        return RedirectResponse("/", 303)

    @app.post("/controls/back")
    def back(visitor: Changing) -> Response:
        site.sessions.act(visitor, None)
        return RedirectResponse("/", 303)
