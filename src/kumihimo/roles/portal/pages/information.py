"""Pages of own information (わたしの情報): asked at a press of the button; words, tables, pictures and files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.information import OWN, REPRESENTED
from kumihimo.roles.portal.pages.information_parts import TOPIC, InformationPages, joined
from kumihimo.roles.portal.rendering import word
from kumihimo.roles.portal.service.corrections import CorrectionsOf
from kumihimo.roles.portal.service.information import Information
from kumihimo.roles.portal.service.look_ups import Looked, State
from kumihimo.roles.portal.service.looked import as_csv, as_json
from kumihimo.roles.portal.service.own_items import ItemWords
from kumihimo.roles.portal.service.tax_sheet import tax_rows
from kumihimo.roles.portal.site import Changing, Here, Site


def mount(
    app: FastAPI, site: Site, information: Information | None = None, corrections: CorrectionsOf | None = None
) -> None:
    """Add the pages below `/information`."""
    pages = InformationPages(
        site,
        information or Information(site.store, site.edge, site.client, site.book, site.secret, site.randomness),
        corrections or CorrectionsOf(site.store, site.edge, site.client, site.randomness),
    )
    site.menu.add(TOPIC)
    site.home_cards[TOPIC] = pages.card
    site.at_end.append(pages.open.forget)
    _mount_look_up(app, pages)
    _mount_downloads(app, pages)
    _mount_corrections(app, pages)


def _mount_look_up(app: FastAPI, pages: InformationPages) -> None:
    site = pages.site

    @app.get("/information")
    def overview(request: Request, visitor: Here) -> Response:
        """What was found, or what can be asked."""
        looked, say, lang = pages.looked(visitor), pages.in_words(visitor), visitor.language
        values: dict[str, Any] = {"looked": looked, "topic": TOPIC}
        if looked is None:
            asked = pages.information.questions(REPRESENTED if visitor.represents else OWN)
            offices = dict.fromkeys(one.provider for one in asked)
            values["count"] = len(asked)
            values["questions"] = [
                (pages.office(office, lang), joined([say.name(q.item) for q in asked if q.provider == office], lang))
                for office in offices
            ]
        else:
            values["items"] = [_card(pages, looked, item, say, lang) for item in looked.items()]
            values["others"] = [
                {
                    "office": pages.office(one.question.provider, lang),
                    "name": say.name(one.question.item),
                    "says": word(lang, f"information.state.{one.state.value}"),
                }
                for one in looked.answers
                if one.state not in (State.PROVIDED, State.NONE)
            ] + [
                {
                    "office": joined([pages.office(p, lang) for p in dict.fromkeys(providers)], lang),
                    "name": say.name(item),
                    "says": word(lang, "information.state.none"),
                }
                for item, providers in _without(looked).items()
            ]
        return site.page(request, visitor, "information.html", **values)

    @app.post("/information/ask")
    def ask(visitor: Changing) -> Response:
        """Ask every office."""
        pages.ask(visitor)
        return RedirectResponse("/information", status_code=303)

    @app.get("/information/items/{item}")
    def item(request: Request, item: str, visitor: Here) -> Response:
        """One item with everything that offices hold of it."""
        looked = pages.looked(visitor)
        if looked is None:
            return RedirectResponse("/information", status_code=303)
        provided = looked.provided(item)
        if not provided:
            raise Problem("item.unknown", item[:40], "item", "something that was provided")
        say = pages.in_words(visitor)
        everything = [one for answered in provided for one in answered.items]
        return site.page(
            request,
            visitor,
            "information_item.html",
            topic=TOPIC,
            name=say.name(item),
            pictures=say.pictures(everything),
            answers=[pages.shown(one, say, visitor.language) for one in provided],
        )

    @app.get("/information/tax")
    def tax(request: Request, visitor: Here) -> Response:
        """The sheet for a tax return."""
        looked = pages.looked(visitor)
        if looked is None:
            return RedirectResponse("/information", status_code=303)
        say, lang = pages.in_words(visitor), visitor.language
        rows = [
            {
                "what": word(lang, f"information.tax.{row.key}"),
                "year": row.year,
                "amount": word(lang, "information.tax.people", count=row.amount)
                if row.counted
                else say.yen(row.amount),
                "office": pages.office(row.provider, lang),
            }
            for row in tax_rows(looked, site.clock.now())
        ]
        return site.page(request, visitor, "information_tax.html", topic=TOPIC, rows=rows)


def _mount_downloads(app: FastAPI, pages: InformationPages) -> None:
    @app.get("/information/download.json")
    def download_json(visitor: Here) -> Response:
        """Everything as JSON."""
        return _file(as_json(pages.needed(visitor)), "application/json", "my-information.json")

    @app.get("/information/download.csv")
    def download_csv(visitor: Here) -> Response:
        """Everything as CSV."""
        return _file(as_csv(pages.needed(visitor)), "text/csv; charset=utf-8", "my-information.csv")


def _mount_corrections(app: FastAPI, pages: InformationPages) -> None:
    site = pages.site

    @app.get("/information/correct")
    def correct(request: Request, transaction: str, visitor: Here) -> Response:
        """The form by which a correction is asked for."""
        one = pages.answered(pages.needed(visitor), transaction)
        return site.page(
            request,
            visitor,
            "information_correct.html",
            topic=TOPIC,
            transaction=one.transaction,
            item=one.question.item,
            name=pages.in_words(visitor).name(one.question.item),
            office=pages.office(one.question.provider, visitor.language),
        )

    @app.post("/information/correct")
    def send(visitor: Changing, transaction: Annotated[str, Form()], says: Annotated[str, Form()]) -> Response:
        """Ask for it."""
        one = pages.answered(pages.needed(visitor), transaction)
        pages.corrections.ask(visitor.account, one, says)
        return RedirectResponse("/information/corrections?sent=1", status_code=303)

    @app.get("/information/corrections")
    def show(request: Request, visitor: Here, sent: str = "") -> Response:
        """How all of them stand."""
        site.require_scope(visitor, TOPIC)
        say, lang = pages.in_words(visitor), visitor.language
        corrections = [
            {
                "name": say.name(one.item),
                "office": pages.office(one.provider, lang),
                "asked_at": one.asked_at,
                "state": word(lang, f"information.correct.{one.state.value if one.state else 'unreachable'}"),
                "answer": one.answer,
            }
            for one in pages.corrections.stand(visitor.account)
        ]
        return site.page(
            request, visitor, "information_corrections.html", topic=TOPIC, sent=bool(sent), corrections=corrections
        )


def _card(pages: InformationPages, looked: Looked, item: str, say: ItemWords, lang: str) -> dict[str, str]:
    """An item on the first page: what the newest of it says, and who holds it."""
    provided = looked.provided(item)
    newest = max((one for answered in provided for one in answered.items), key=lambda one: one.valid_from)
    offices = joined([pages.office(one.question.provider, lang) for one in provided], lang)
    return {"item": item, "name": say.name(item), "says": say.says(newest), "offices": offices}


def _without(looked: Looked) -> dict[str, list[str]]:
    """Items of which nobody has anything, with those who said so."""
    found: dict[str, list[str]] = {}
    for one in looked.answers:
        if one.state is State.NONE and not looked.provided(one.question.item):
            found.setdefault(one.question.item, []).append(one.question.provider)
    return found


def _file(content: bytes, media_type: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
