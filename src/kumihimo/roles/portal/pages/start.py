"""The start page (トップページ): what is new, who looked lately, what is under way; each topic brings its own card."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from kumihimo.roles.portal.site import Here, Site


def mount(app: FastAPI, site: Site) -> None:
    """The start page, and the page shown while the link code is under way."""

    @app.get("/")
    def start(request: Request, visitor: Here) -> Response:
        cards = []
        for topic, card in site.home_cards.items():
            if visitor.may(topic):
                site.require_scope(visitor, topic)
                cards.append(card(visitor))
        return site.page(request, visitor, "start.html", cards=cards)

    @app.get("/waiting")
    def waiting(request: Request) -> Response:
        """The page asks again by itself until the code is there."""
        visitor = site.visitor(request)
        if site.has_code(visitor.account):
            return RedirectResponse("/", 303)
        return site.page(request, visitor, "waiting.html")
