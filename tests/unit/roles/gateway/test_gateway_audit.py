"""The institution's end of an opening audit: what it opens, to whom, and what it does not open without an order."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from gateway_country import HUB_1, HUB_2, Case
from sqlalchemy import select

from kumihimo.domain.codes import encrypt
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.sealing import commit, open_sealed
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.audits import (
    Audited,
    AuditOrdered,
    DomainKey,
    InquiriesOpened,
    KeyOf,
    OpeningOf,
    OpenInquiries,
)
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LoggedRecord, LogPromise, LogRecord
from kumihimo.plumbing.wire.messages.oversight import Measure, Order, OrderCarriedOut, Ordered
from kumihimo.plumbing.wire.openings import opening_binding
from kumihimo.roles.gateway.store.exchange import inquiry, link_code

BODY, X = PartyId("oversight/body"), PartyId("x-city/exchange")


def demand(case: Case, transaction: str, **changes: Any) -> InquiriesOpened:
    """The body demands an opening, after both operators have seen the order; `changes` make something of it false."""
    country = case.country
    body, now = country.edge(BODY), country.clock.at
    audit = AuditOrdered(
        inquiries=(Audited(transaction=transaction, position=changes.get("position", 0)),),
        disclose=False,
        due_at=now + changes.get("within", timedelta(days=1)),
    )
    ordered = Ordered(measure=Measure.AUDIT, institution=changes.get("about", "x-city"), reason="苦情", audit=audit)
    order = body.answer(Order(number=7, ordered=ordered, ordered_at=now))
    record = LogRecord(
        entry=EntryKind.ORDER, logged_at=now, institution="x-city", affair="oversight.audit", count=7,
        request_hash=changes.get("logged_hash", order.digest()), peer=BODY,
    )  # fmt: skip
    promise = LogPromise(index=99, entry=b64(commit(bytes(32), record.to_bytes())), logged_at=now)
    logger = country.edge(changes.get("logger", HUB_1))
    seen = OrderCarriedOut(in_reply_to="1", number=7, order_hash=changes.get("seen_hash", order.digest()))
    message = body.message(
        OpenInquiries,
        X,
        order=order,
        logged=LoggedRecord(record=record, salt=b64(bytes(32)), promise=logger.answer(promise)),
        seen=country.edge(changes.get("seer", HUB_2)).answer(seen),
    )
    country.clock.at += changes.get("later", timedelta())
    if changes.get("later"):
        message = message.model_copy(update={"sent_at": country.clock.at})
    return PeerClient(body).send("/openings", message, InquiriesOpened).value


def read(case: Case, told: InquiriesOpened) -> OpeningOf:
    """What the body finds under its seal."""
    (one,) = told.opened
    assert one.opening is not None
    info = opening_binding(one.inquiry, "x-city", BODY, told.order_hash)
    key = case.country.edge(BODY).identity.sealing_key
    return OpeningOf.model_validate_json(open_sealed(from_b64(one.opening, "opening"), key, info))


def subject_hash(case: Case, transaction: str) -> str:
    with case.country.engine(X).connect() as conn:
        query = select(inquiry.c.subject_hash).where(inquiry.c.transaction == transaction)
        return str(conn.execute(query).scalar_one())


def gives_the_logged_hash(case: Case, opening: OpeningOf, transaction: str) -> bool:
    """As an auditor computes it: with the public key that both operators state."""
    body = case.country.edge(BODY)
    keys = {
        PeerClient(body)
        .send("/domain-keys", body.message(KeyOf, hub, label=f"x-city#{opening.epoch}"), DomainKey)
        .value.key
        for hub in (HUB_1, HUB_2)
    }
    (key,) = keys
    subject = encrypt(from_b64(opening.code, "c"), from_b64(key, "k"), from_b64(opening.randomness, "r"))
    return hashlib.sha256(subject).hexdigest() == subject_hash(case, transaction)


def test_an_inquiry_is_opened_to_the_body_and_gives_the_hash_that_was_logged(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    told = demand(case, transaction)
    opening = read(case, told)
    assert opening.held
    assert gives_the_logged_hash(case, opening, transaction)
    assert told.opened[0].disclosed is None
    assert opening.code not in told.model_dump_json()


def test_an_inquiry_from_before_a_re_coding_is_opened_and_said_to_be_held_no_more(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    with case.country.engine(X).begin() as conn:
        conn.execute(link_code.update().values(code=_another(case)))
    opening = read(case, demand(case, transaction))
    assert not opening.held
    assert gives_the_logged_hash(case, opening, transaction)


def _another(case: Case) -> bytes:
    with case.country.engine(PartyId("y-city/exchange")).connect() as conn:
        return bytes(conn.execute(select(link_code.c.code)).scalars().first() or b"")


def test_what_was_never_asked_is_answered_with_its_problem_and_so_is_a_place_that_no_batch_has(case: Case) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    for told in (demand(case, "0" * 32), demand(case, transaction, position=1)):
        assert (told.opened[0].opening, told.opened[0].problem) == (None, "transaction.unknown")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"about": "y-city"}, "audit.not_ordered"),
        ({"logged_hash": "0" * 64}, "audit.not_ordered"),
        ({"seen_hash": "0" * 64}, "audit.not_ordered"),
        ({"seer": HUB_1}, "message.wrong_signer"),
        ({"logger": HUB_2}, "message.wrong_signer"),
        ({"within": timedelta(seconds=1), "later": timedelta(seconds=2)}, "audit.not_ordered"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else value,
)
def test_nothing_is_opened_where_anything_of_the_order_is_missing(
    case: Case, changes: dict[str, Any], code: str
) -> None:
    transaction = case.x.inquire(case.at_x).transaction
    with pytest.raises(Problem) as refused:
        demand(case, transaction, **changes)
    assert refused.value.code == code


def test_only_the_body_is_told_public_keys(case: Case) -> None:
    edge = case.country.edge(X)
    with pytest.raises(Problem, match=r"peer\.not_allowed"):
        PeerClient(edge).send("/domain-keys", edge.message(KeyOf, HUB_1, label="y-city#1"), DomainKey)
