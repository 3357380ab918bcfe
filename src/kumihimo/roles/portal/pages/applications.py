"""Pages of applications (申請・手続): a life event, what no office knows, who gets what, the signature, and how it stands."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from kumihimo.domain.kernel import Institution, Problem, legal_day
from kumihimo.roles.portal.rendering import day as day_written
from kumihimo.roles.portal.rendering import word
from kumihimo.roles.portal.service.applying import Draft, Tracked
from kumihimo.roles.portal.service.procedures import Asked, Kind, life_events, papers
from kumihimo.roles.portal.site import Changing, Here, HomeCard, Site
from kumihimo.roles.portal.visiting import Visitor

TOPIC: Final = "apply"
_MUNICIPALITY: Final = "municipality"
_MOST_FIELDS: Final = 50


def mount(app: FastAPI, site: Site) -> None:
    """Add the pages below `/apply`."""
    site.menu.add(TOPIC)
    site.home_cards[TOPIC] = lambda visitor: _card(site, visitor)
    site.at_end.append(site.applications.forget)
    _mount_drafts(app, site)
    _mount_signing(app, site)
    _mount_sent(app, site)


def _card(site: Site, visitor: Visitor) -> HomeCard:
    lang = visitor.language
    found = site.applications.all(visitor.account)
    drafts, sent = (
        sum(one.kept.signed_at is None for one in found),
        sum(one.kept.signed_at is not None for one in found),
    )
    lines = [word(lang, "apply.lead")]
    if drafts:
        lines.append(word(lang, "apply.drafts_left", count=drafts))
    if sent:
        lines.append(word(lang, "apply.sent_count", count=sent))
    return HomeCard(word(lang, "site.menu.apply"), tuple(lines), "/apply", word(lang, "apply.open"))


def _mount_drafts(app: FastAPI, site: Site) -> None:
    applications = site.applications

    @app.get("/apply")
    def start(request: Request, visitor: Here) -> Response:
        """Life events, drafts, and what was sent."""
        site.require_scope(visitor, TOPIC)
        found, lang = applications.all(visitor.account), visitor.language
        return site.page(
            request, visitor, "apply.html", topic=TOPIC,
            events=[(one.id, one.said(lang), one.lead(lang)) for one in life_events().values()],
            drafts=[_row(one, lang) for one in found if one.kept.signed_at is None],
            sent=[_row(one, lang) for one in found if one.kept.signed_at is not None],
        )  # fmt: skip

    @app.post("/apply/events/{event}")
    def begin(event: str, visitor: Changing) -> Response:
        """A new draft."""
        site.require_scope(visitor, TOPIC)
        return RedirectResponse(f"/apply/{applications.begin(visitor.account, event)}", 303)

    @app.get("/apply/{name}")
    def draft(request: Request, name: str, visitor: Here, change: str = "") -> Response:
        """What is to be answered next; when nothing is, what would be sent; and how it stands once it was."""
        site.require_scope(visitor, TOPIC)
        one = applications.one(visitor.account, name)
        if one.kept.signed_at is not None:
            return _sent(request, site, visitor, one)
        if one.complete and not change:
            return _summary(request, site, visitor, one)
        lang = visitor.language
        asked = one.event.asked(one.answers)
        first = one.municipality is None or bool(change)
        wanted = asked if change else [question for question in asked if question.id not in one.answers]
        return site.page(
            request, visitor, "apply_questions.html", topic=TOPIC, draft=_row(one, lang),
            questions=[_question(question, one.answers, lang) for question in wanted],
            municipalities=[(m.id, _name(m, lang)) for m in applications.municipalities()] if first else (),
            municipality=one.municipality, nothing=not asked or (not wanted and not first),
        )  # fmt: skip

    @app.post("/apply/{name}/answers")
    async def answer(request: Request, name: str, visitor: Changing) -> Response:
        """Some answers; the draft keeps them."""
        site.require_scope(visitor, TOPIC)
        form = await request.form(max_fields=_MOST_FIELDS, max_files=0)
        given = {key: value for key, value in form.items() if isinstance(value, str) and value.strip()}
        await run_in_threadpool(applications.answer, visitor.account, name, given.get(_MUNICIPALITY), given)
        return RedirectResponse(f"/apply/{name}", 303)

    @app.post("/apply/{name}/discard")
    def discard(name: str, visitor: Changing) -> Response:
        """A draft is thrown away."""
        site.require_scope(visitor, TOPIC)
        applications.discard(visitor.account, name)
        return RedirectResponse("/apply", 303)


def _mount_signing(app: FastAPI, site: Site) -> None:
    @app.post("/apply/{name}/prepare")
    def prepare(name: str, visitor: Changing, certificate: Annotated[str, Body(embed=True)]) -> dict[str, str]:
        """The hash that the card is to sign."""
        site.require_scope(visitor, TOPIC)
        prepared = site.applications.prepare(visitor.session, visitor.account, name, certificate, visitor.represents)
        return prepared.to_sign

    @app.post("/apply/{name}/sign")
    def sign(name: str, visitor: Changing, signature: Annotated[str, Body(embed=True)]) -> dict[str, str]:
        """Signed: it is sent."""
        site.require_scope(visitor, TOPIC)
        return {"next": f"/apply/{site.applications.finish(visitor.session, visitor.account, name, signature)}"}


def _mount_sent(app: FastAPI, site: Site) -> None:
    @app.get("/apply/{name}/receipts/{receipt}.json")
    def receipt(name: str, receipt: str, visitor: Here) -> Response:
        """A body's receipt, signed by its exchange."""
        site.require_scope(visitor, TOPIC)
        content = site.applications.receipt(visitor.account, name, receipt)
        return _file(content, "application/json", f"receipt-{receipt[:8]}.json")

    @app.get("/apply/{name}/signed/{file}")
    def signed(name: str, file: str, visitor: Here) -> Response:
        """What was signed, and the signature, to keep: any program that knows CMS checks them."""
        site.require_scope(visitor, TOPIC)
        one = site.applications.one(visitor.account, name)
        files = {
            "application.json": (one.manifest, "application/json"),
            "signature.p7s": (one.signature, "application/pkcs7-signature"),
        }
        content, kind = files.get(file, (None, ""))
        if content is None:
            raise Problem("application.unknown", file[:40], "file", ", ".join(files))
        return _file(content, kind, file)


def _summary(request: Request, site: Site, visitor: Visitor, one: Draft) -> Response:
    lang, day = visitor.language, legal_day(site.clock.now())
    procedures = []
    for procedure in one.event.chosen(one.answers):
        body = site.applications.body_of(one, procedure)
        found = papers(procedure, body, site.book, day)
        procedures.append(
            {
                "name": procedure.said(lang), "law": procedure.law, "deadline": procedure.deadline(one.answers),
                "body": _name(body, lang),
                "not_needed": [(paper.attachment.said(lang), paper.article) for paper in found if paper.article],
                "needed": [paper.attachment.said(lang) for paper in found if not paper.article],
            }
        )  # fmt: skip
    asked = one.event.asked(one.answers)
    answers = [(question.said(lang), _said(question, one.answers[question.id], lang)) for question in asked]
    return site.page(
        request, visitor, "apply_check.html", topic=TOPIC, draft=_row(one, lang), procedures=procedures, today=day,
        answers=answers,
    )  # fmt: skip


def _sent(request: Request, site: Site, visitor: Visitor, one: Draft) -> Response:
    lang = visitor.language
    names = {procedure.id: procedure.said(lang) for procedure in one.event.procedures}
    parts = [
        _part(site, part, names, lang) for part in site.applications.tracked(visitor.account, one.kept.application)
    ]
    return site.page(request, visitor, "apply_sent.html", topic=TOPIC, draft=_row(one, lang), parts=parts)


def _part(site: Site, one: Tracked, names: dict[str, str], lang: str) -> dict[str, Any]:
    state = one.state.value if one.state else ("unreachable" if one.part.taken_at else "waiting")
    return {
        "name": names.get(one.part.procedure, one.part.procedure),
        "body": site.inboxes.office(one.part.institution, lang),
        "state": word(lang, f"apply.state.{state}"),
        "taken_at": one.part.taken_at,
        "changed_at": one.changed_at,
        "says": one.says,
        "number": one.number,
        "receipt": one.part.receipt,
        "hash": one.part.hash,
    }


def _name(institution: Institution, lang: str) -> str:
    return institution.name_ja if lang == "ja" else institution.name_en


def _row(one: Draft, lang: str) -> dict[str, Any]:
    return {
        "id": one.kept.application, "name": one.event.said(lang), "changed_at": one.kept.changed_at,
        "signed_at": one.kept.signed_at, "answered": bool(one.answers or one.municipality),
    }  # fmt: skip


def _question(asked: Asked, answers: dict[str, str], lang: str) -> dict[str, Any]:
    choices = [(one.id, one.said(lang)) for one in asked.choices]
    if asked.kind is Kind.YES_NO:
        choices = [(one, word(lang, f"apply.{one}")) for one in ("yes", "no")]
    return {
        "id": asked.id, "kind": asked.kind.value, "text": asked.said(lang), "choices": choices,
        "given": answers.get(asked.id, ""),
    }  # fmt: skip


def _said(asked: Asked, answer: str, lang: str) -> str:
    if asked.kind is Kind.YES_NO:
        return word(lang, f"apply.{answer}")
    if asked.kind is Kind.DATE:
        return day_written(date.fromisoformat(answer), lang)
    return next((one.said(lang) for one in asked.choices if one.id == answer), answer)


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
