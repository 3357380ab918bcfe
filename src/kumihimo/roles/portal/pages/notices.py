"""Pages of notices (お知らせ): the inbox, one notice with its files and an answer, and how to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import Body, FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response

from kumihimo.domain.kernel import Problem, legal_day
from kumihimo.roles.portal.rendering import day as day_written
from kumihimo.roles.portal.rendering import word
from kumihimo.roles.portal.service.inbox import SHOWN, Letter
from kumihimo.roles.portal.site import Changing, Here, HomeCard, Site
from kumihimo.roles.portal.visiting import Visitor

TOPIC: Final = "notices"
HOURS: Final = tuple(range(24))


def mount(app: FastAPI, site: Site) -> None:
    """Add the pages below `/notices`."""
    site.menu.add(TOPIC)
    site.home_cards[TOPIC] = lambda visitor: _card(site, visitor)
    _mount_ways(app, site)
    _mount_inbox(app, site)


def _card(site: Site, visitor: Visitor) -> HomeCard:
    lang = visitor.language
    unread, deadline = site.inboxes.unread(visitor.account)
    lines = [word(lang, "notices.unread", count=unread) if unread else word(lang, "notices.none_new")]
    if deadline is not None:
        lines.append(word(lang, "notices.next_deadline", day=day_written(deadline, lang)))
    title = word(lang, "site.menu.notices")
    return HomeCard(title, tuple(lines), "/notices", word(lang, "notices.open"), str(unread) if unread else None)


def _mount_inbox(app: FastAPI, site: Site) -> None:
    @app.get("/notices")
    def inbox(request: Request, visitor: Here, before: str = "") -> Response:
        """The newest ones, or those before an instant."""
        site.require_scope(visitor, TOPIC)
        letters = site.inboxes.list(visitor.account, _instant(before))
        older = None
        if len(letters) > SHOWN:
            letters = letters[:SHOWN]
            older = "/notices?" + urlencode({"before": letters[-1].kept.delivered_at.isoformat()})
        today, lang = legal_day(site.clock.now()), visitor.language
        shown = [
            _row(site, one, lang) | {"over": bool(one.kept.of.deadline and one.kept.of.deadline < today)}
            for one in letters
        ]
        return site.page(request, visitor, "notices.html", topic=TOPIC, letters=shown, older=older)

    @app.get("/notices/{notice}")
    def one(request: Request, notice: str, visitor: Here, answered: str = "") -> Response:
        """One notice; it counts as opened from now on."""
        site.require_scope(visitor, TOPIC)
        letter = site.inboxes.open(visitor.account, notice)
        return site.page(
            request, visitor, "notices_one.html", topic=TOPIC, **_row(site, letter, visitor.language),
            body=letter.body(visitor.language), files=letter.files, reply=letter.content.reply,
            answered_at=letter.kept.answered_at, just_answered=bool(answered),
        )  # fmt: skip

    @app.get("/notices/{notice}/files/{place}")
    def file(notice: str, place: int, visitor: Here) -> Response:
        """An attachment, to keep."""
        site.require_scope(visitor, TOPIC)
        name, media_type, data = site.inboxes.file(visitor.account, notice, place)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return Response(data, media_type=media_type, headers=headers)

    @app.post("/notices/{notice}/answer")
    def answer(notice: str, visitor: Changing, says: Annotated[str, Form()]) -> Response:
        """Answer it, once."""
        site.require_scope(visitor, TOPIC)
        site.inboxes.answer(visitor.account, notice, says)
        return RedirectResponse(f"/notices/{notice}?answered=1", 303)


def _mount_ways(app: FastAPI, site: Site) -> None:
    waking = site.waking

    @app.get("/notices/ways")
    def ways(request: Request, visitor: Here) -> Response:
        """How somebody is told, quiet hours, and what senders may know."""
        wants = waking.preference(_own(visitor).account)
        return site.page(
            request, visitor, "notices_ways.html", topic=TOPIC, ways=waking.ways(visitor.account), wants=wants, hours=HOURS,
            mail=waking.post is not None, push_key=None if waking.push is None else waking.push.public_key,
        )  # fmt: skip

    @app.post("/notices/ways/wants")
    def want(
        visitor: Changing, quiet_from: Annotated[str, Form(max_length=2)] = "",
        quiet_until: Annotated[str, Form(max_length=2)] = "", tells_openings: Annotated[str, Form(max_length=3)] = "",
    ) -> Response:  # fmt: skip
        """Quiet hours, and whether senders may know what was opened."""
        waking.prefer(_own(visitor).account, _hour(quiet_from), _hour(quiet_until), bool(tells_openings))
        return RedirectResponse("/notices/ways", 303)

    @app.post("/notices/ways/mail")
    def add_mail(visitor: Changing, address: Annotated[str, Form(max_length=254)]) -> Response:
        """An address; a code goes there."""
        waking.add_mail(_own(visitor).account, address)
        return RedirectResponse("/notices/ways", 303)

    @app.post("/notices/ways/push")
    def add_push(visitor: Changing, subscription: Annotated[dict[str, Any], Body()]) -> dict[str, bool]:
        """This browser, as its push service knows it."""
        waking.add_push(_own(visitor).account, subscription)
        return {"added": True}

    @app.post("/notices/ways/{channel}/prove")
    def prove(channel: str, visitor: Changing, code: Annotated[str, Form(max_length=20)]) -> Response:
        """The code came back."""
        waking.prove(_own(visitor).account, channel, code)
        return RedirectResponse("/notices/ways", 303)

    @app.post("/notices/ways/{channel}/remove")
    def remove(channel: str, visitor: Changing) -> Response:
        """One way less."""
        waking.remove(_own(visitor).account, channel)
        return RedirectResponse("/notices/ways", 303)


def _own(visitor: Visitor) -> Visitor:
    if visitor.represents:
        raise Problem(
            "mandate.scope", "only the holder decides how they are told", advice="Go back to your own account."
        )
    return visitor


def _row(site: Site, letter: Letter, lang: str) -> dict[str, Any]:
    of = letter.kept.of
    return {
        "id": letter.kept.id,
        "title": letter.title(lang),
        "office": site.inboxes.office(of.institution, lang),
        "kind": word(lang, f"notices.kind.{of.kind}"),
        "urgent": of.kind == "emergency",
        "deadline": of.deadline,
        "delivered_at": letter.kept.delivered_at,
        "unread": letter.kept.opened_at is None,
    }


def _hour(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise Problem("value.invalid", text, "quiet_from", "an hour from 0 to 23")
    return int(text)


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Problem("value.invalid", text[:40], "before", "an instant")
    return found
