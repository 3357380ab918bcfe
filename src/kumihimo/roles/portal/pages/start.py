"""The start page (トップページ): what is new, who looked lately, what is under way; each topic brings its own card."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from kumihimo.roles.portal.site import Here, Site


def mount(app: FastAPI, site: Site) -> None:
    """The start page, and the page shown while the link code is under way."""

    @app.get("/")
    def start(request: Request, visitor: Here) -> Response:
        cards = [card(visitor) for card in site.home_cards]
        cards = [card for card in cards if visitor.may(card.topic)]
        return site.page(request, visitor, "start.html", cards=cards)

    @app.get("/waiting")
    def waiting(request: Request) -> Response:
        """The page asks again by itself until the code is there."""
        visitor = site.visitor(request)
        if site.link_code(visitor.account) is not None:
            return RedirectResponse("/", 303)
        return site.page(request, visitor, "waiting.html")
