"""Access records (アクセス記録): every request about me as a sentence, with its rule, its outcome and a proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from kumihimo.domain.kernel import Problem
from kumihimo.roles.portal.rendering import day, word
from kumihimo.roles.portal.service.charts import Point, bars, timeline
from kumihimo.roles.portal.service.complaints import ComplaintsOf
from kumihimo.roles.portal.service.proofs import Proof
from kumihimo.roles.portal.service.record_list import (
    Listed,
    RecordList,
    Wanted,
    as_csv,
    as_json,
    by_requester,
    months,
)
from kumihimo.roles.portal.service.sentences import Name, Result
from kumihimo.roles.portal.site import Changing, Here, HomeCard, Site
from kumihimo.roles.portal.visiting import Visitor

TOPIC: Final = "records"
_A_PAGE: Final = 50
_ON_THE_START_PAGE: Final = 3
_MONTHS_DRAWN: Final = 24


@dataclass(frozen=True)
class _Choice:
    """One entry of a list to choose from."""

    value: str
    text: str


def mount(app: FastAPI, site: Site) -> None:
    """The list, one record, its proof, the files, and the check of proofs in the browser."""
    records = site.records
    site.menu.add(TOPIC)
    site.home_cards[TOPIC] = lambda visitor: _card(visitor, records)
    _mount_lists(app, site, records)
    _mount_proofs(app, site, records)


def _mount_lists(app: FastAPI, site: Site, records: RecordList) -> None:
    @app.get("/records")
    def show(request: Request, visitor: Here, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
        site.require_scope(visitor, TOPIC)
        wanted, language = _wanted(request), visitor.language
        everything = records.all(visitor.account)
        chosen = [one for one in everything if wanted.fits(one)]
        pages = max(1, -(-len(chosen) // _A_PAGE))
        drawn = [one for one in chosen if one.month >= _first_drawn(chosen)]
        names = records.names.institutions
        rows = [(_said(names, office, language), days) for office, days in by_requester(drawn)]
        pictures = _pictures(drawn, rows, language) if drawn else None
        return site.page(
            request,
            visitor,
            "records.html",
            topic=TOPIC,
            wanted=wanted,
            shown=chosen[(page - 1) * _A_PAGE : page * _A_PAGE],
            count=len(chosen),
            whole=len(everything),
            own=sum(one.own for one in everything),
            page=page,
            pages=pages,
            pictures=pictures,
            by_office=[(name, len(days)) for name, days in rows],
            by_month=months(drawn),
            choices=_choices(everything, records, language),
            link=lambda number: "/records?" + urlencode({**_asked(wanted), "page": number}),
            files=urlencode(_asked(wanted)),
        )

    @app.get("/records.csv")
    def table(request: Request, visitor: Here) -> Response:
        return _file(request, visitor, "csv", "text/csv; charset=utf-8", as_csv)

    @app.get("/records.json")
    def document(request: Request, visitor: Here) -> Response:
        return _file(request, visitor, "json", "application/json", as_json)

    def _file(
        request: Request, visitor: Visitor, ending: str, media: str, written: Callable[[Sequence[Listed], str], bytes]
    ) -> Response:
        site.require_scope(visitor, TOPIC)
        wanted = _wanted(request)
        chosen = [one for one in records.all(visitor.account) if wanted.fits(one)]
        headers = {"Content-Disposition": f'attachment; filename="access-records.{ending}"'}
        return Response(written(chosen, visitor.language), media_type=media, headers=headers)


def _mount_proofs(app: FastAPI, site: Site, records: RecordList) -> None:
    complained = ComplaintsOf(site.store, records, site.edge, site.client, site.randomness)
    keys: dict[str, Any] = {"log_key": site.settings.log_key, "witness_keys": "\n".join(site.settings.witness_keys)}

    @app.get("/records/check")
    def check(request: Request, visitor: Here) -> Response:
        return site.page(request, visitor, "records_check.html", topic=TOPIC, **keys)

    @app.get("/records/complaints")
    def complaints(request: Request, visitor: Here, sent: str = "") -> Response:
        """What was complained about, and how it stands."""
        site.require_scope(visitor, TOPIC)
        shown = [
            {
                "sentence": records.one(visitor.account, one.kept.log_index).said(visitor.language),
                "state": word(visitor.language, f"complaints.state.{one.state.value if one.state else 'unreachable'}"),
                "complained_at": one.kept.complained_at,
                "changed_at": one.changed_at,
                "answer": one.answer,
                "reference": one.kept.reference,
                "index": one.kept.log_index,
            }
            for one in complained.stand(visitor.account)
        ]
        return site.page(
            request, visitor, "records_complaints.html", topic=TOPIC, complaints=shown, sent=bool(sent)
        )  # fmt: skip

    @app.post("/records/{index}/complaint")
    def complain(visitor: Changing, index: int, says: Annotated[str, Form()]) -> Response:
        """I do not recognise this."""
        if visitor.represents:
            raise Problem("mandate.scope", "only the holder complains", advice="Go back to your own account.")
        complained.complain(visitor.account, index, says)
        return RedirectResponse("/records/complaints?sent=1", 303)

    @app.get("/records/{index}")
    def one(request: Request, visitor: Here, index: int) -> Response:
        site.require_scope(visitor, TOPIC)
        found = records.one(visitor.account, index)
        prover = records.prover()
        proof = prover.prove(found.kept)
        came = Proof() if found.outcome is None else prover.prove(found.outcome)
        return site.page(
            request, visitor, "records_one.html", topic=TOPIC, one=found, proof=proof, came=came, names=records.names,
            problem=proof.problem or came.problem, **keys,
        )  # fmt: skip

    @app.get("/records/{index}/proof.json")
    def proof(visitor: Here, index: int) -> Response:
        site.require_scope(visitor, TOPIC)
        found = records.one(visitor.account, index)
        return _proof_file(records.prover().prove(found.kept), f"access-proof-{index}.json")

    @app.get("/records/{index}/outcome-proof.json")
    def outcome_proof(visitor: Here, index: int) -> Response:
        site.require_scope(visitor, TOPIC)
        found = records.one(visitor.account, index)
        if found.outcome is None:
            raise Problem("log.unknown_entry", "no outcome was reported yet", advice="Look again later.")
        return _proof_file(records.prover().prove(found.outcome), f"access-proof-{found.outcome.index}.json")


def _proof_file(proof: Proof, name: str) -> Response:
    if proof.file is None:
        raise Problem(
            proof.problem or "log.unknown_entry", "the proof is not there yet", advice="The log proves it in a moment."
        )
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(proof.file, media_type="application/json", headers=headers)


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    return Wanted(
        asked.get("office", "")[:60],
        asked.get("result", "")[:20],
        asked.get("month", "")[:7],
        asked.get("q", "").strip()[:100],
        asked.get("own") == "1",
    )


def _asked(wanted: Wanted) -> dict[str, str]:
    asked = {"office": wanted.office, "result": wanted.result, "month": wanted.month, "q": wanted.text}
    return {name: value for name, value in asked.items() if value} | ({"own": "1"} if wanted.own else {})


def _first_drawn(chosen: Sequence[Listed]) -> str:
    """The first of the last two years' months: more would be dust."""
    return ([month for month, _ in months(chosen)][-_MONTHS_DRAWN:] or [""])[0]


def _pictures(drawn: Sequence[Listed], rows: Sequence[tuple[str, Sequence[date]]], language: str) -> tuple[Markup, ...]:
    points = [Point(month, count) for month, count in months(drawn)]
    return (
        bars(word(language, "records.by_month"), points, lambda count: f"{count:.0f}"),
        timeline(word(language, "records.by_office"), rows, lambda when: day(when, language)),
    )


def _choices(everything: Sequence[Listed], records: RecordList, language: str) -> dict[str, list[_Choice]]:
    names = records.names.institutions
    offices = {one for listed in everything for one in (listed.record.requester, listed.record.provider) if one}
    found = {one.result for one in everything}
    return {
        "office": [_Choice(one, _said(names, one, language)) for one in sorted(offices)],
        "result": [_Choice(one.value, word(language, f"records.result.{one.value}")) for one in Result if one in found],
        "month": [_Choice(month, month) for month, count in reversed(months(everything)) if count],
    }


def _said(names: Mapping[str, Name], one: str, language: str) -> str:
    name = names.get(one, Name(one, one))
    return name.en if language == "en" else name.ja


def _card(visitor: Visitor, records: RecordList) -> HomeCard:
    language = visitor.language
    latest = [one for one in records.all(visitor.account) if not one.own][:_ON_THE_START_PAGE]
    lines = tuple(one.said(language) for one in latest) or (word(language, "records.none"),)
    return HomeCard(word(language, "records.latest"), lines, "/records", word(language, "records.all"))
