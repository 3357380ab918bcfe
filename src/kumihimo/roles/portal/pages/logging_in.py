"""Logging in and out (ログイン・ログアウト): with the card, without any password; and the next person at a shared terminal."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from kumihimo.domain.jpki import serial_text
from kumihimo.domain.web_eid import MAX_TOKEN_BYTES, parse_token, validate
from kumihimo.roles.portal.site import COOKIE, FORM_CHECKED, Site, give_cookie

_FORGET = '"cache", "cookies", "storage"'


async def _body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_body)]


def mount(app: FastAPI, site: Site) -> None:
    """Log-in, log-out, the next person."""
    site.body_limits["/login"] = MAX_TOKEN_BYTES

    @app.get("/login")
    def log_in_page(request: Request) -> Response:
        visitor = site.visitor_or_nobody(request)
        return RedirectResponse("/", 303) if visitor else site.page(request, None, "login.html", origin=site.origin)

    @app.post("/login/challenge", dependencies=[FORM_CHECKED])
    def challenge(request: Request) -> dict[str, str]:
        site.log_in_limit.take(address_of(request))
        return {"nonce": site.challenges.issue(site.cookie(request))}

    @app.post("/login", dependencies=[FORM_CHECKED])
    def log_in(request: Request, raw: Body) -> Response:
        site.log_in_limit.take(address_of(request))
        nonce = site.challenges.use(site.cookie(request))
        who = validate(parse_token(raw), site.origin, nonce, site.authentication, site.status, site.clock.now())
        account = site.account_of(serial_text(who.serial))
        before = site.visitor_or_nobody(request)
        if before is not None:
            site.end(before)
        answer = JSONResponse({"next": "/"})
        give_cookie(answer, site.sessions.begin(account))  # a new one: an id slipped in before is worth nothing
        return answer

    @app.post("/logout", dependencies=[FORM_CHECKED])
    def log_out(request: Request) -> Response:
        site.end(site.visitor(request))
        return away("/goodbye")

    @app.post("/next", dependencies=[FORM_CHECKED])
    def next_person(request: Request) -> Response:
        """Whatever this browser knows of us is forgotten, also when the session is over already."""
        visitor = site.visitor_or_nobody(request)
        if visitor is not None:
            site.end(visitor)
        return away("/login")

    @app.post("/stay", dependencies=[FORM_CHECKED])
    def stay(request: Request) -> dict[str, int]:
        """The person is still there."""
        visitor = site.visitor(request)
        return {"seconds": int((visitor.until - site.clock.now()).total_seconds())}

    @app.get("/goodbye")
    def goodbye(request: Request) -> Response:
        return site.page(request, site.visitor_or_nobody(request), "goodbye.html")


def address_of(request: Request) -> str:
    """Where a request comes from, for limits."""
    return request.client.host if request.client is not None else "unknown"


def away(path: str) -> Response:
    """To a page, with everything of the site forgotten by the browser."""
    answer = RedirectResponse(path, status_code=303, headers={"Clear-Site-Data": _FORGET})
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return answer
