"""A batch inquiry from the desk to the opened answers: each person as if asked about alone, each chunk by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from gateway_country import (
    AFFAIR,
    CLERK,
    FISCAL_2025,
    HUB_1,
    HUB_2,
    ITEM,
    Desk,
    GatewayCountry,
    hanako,
)
from sqlalchemy import select

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.envelope import Envelope, Reply
from kumihimo.plumbing.wire.messages.audits import Audited
from kumihimo.plumbing.wire.messages.batch import ChunkAnswer, ChunkDecision
from kumihimo.plumbing.wire.messages.batch_desk import (
    BatchEntered,
    Batches,
    BatchPart,
    BatchResumed,
    BatchShown,
    EnterBatch,
    FetchBatch,
    PersonResult,
    ResumeBatch,
    ShowBatches,
    WithRejected,
)
from kumihimo.plumbing.wire.messages.by_hand import AnswerByHand, FetchAnswer, FlagKind, Protect, Protections
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord, Outcome
from kumihimo.plumbing.wire.messages.provision import Inquired
from kumihimo.roles.gateway.store.batches import BatchStore
from kumihimo.roles.gateway.store.records import AccessRecord, Side
from kumihimo.roles.hub.store.tables import entries

GIVEN = ("花子", "春子", "夏子", "秋子", "冬子", "月子", "雪子", "桜子")


class Many:
    """A few residents whom both cities know; Y City has tax copies of them."""

    def __init__(self, country: GatewayCountry) -> None:
        self.country, self.x, self.y = country, country.desk("x-city"), country.desk("y-city")
        residents = [self.x.register(hanako(given=name)) for name in GIVEN]
        for desk in (self.x, self.y):
            numbers = [desk.take_in(one).addressee_number for one in residents]
            desk.ask_for_codes()
            desk.receive_codes()
            setattr(self, f"at_{desk.city[0]}", numbers)
        self.x.grant()
        self.y.grant()
        for number in self.at_y:
            self.y.put_tax(number)

    at_x: list[str]
    at_y: list[str]

    def entering(self, numbers: list[str], **changes: Any) -> EnterBatch:
        fields: dict[str, Any] = {
            "staff": CLERK,
            "case_reference": "2026-一括-1",
            "addressee_numbers": tuple(numbers),
            "provider": "y-city",
            "affair": AFFAIR,
            "items": (ITEM,),
            "period": FISCAL_2025,
        }
        message: EnterBatch = self.x.message(EnterBatch, self.x.exchange, **{**fields, **changes})
        return message

    def enter(self, numbers: list[str], **changes: Any) -> BatchEntered:
        return self.x.client.send("/batches", self.entering(numbers, **changes), BatchEntered).value

    def work_off(self) -> None:
        """Let the exchange ask what waits."""
        self.x.services().worker.work_off()

    def show(self, batch: str | None) -> BatchShown:
        message = self.x.message(ShowBatches, self.x.exchange, batch=batch)
        return self.x.client.send("/batches/shown", message, Batches).value.batches[0]

    def resume(self, batch: str) -> int:
        message = self.x.message(ResumeBatch, self.x.exchange, staff=CLERK, batch=batch)
        return self.x.client.send("/batches/resumed", message, BatchResumed).value.persons

    def fetch(self, batch: str, staff: str = CLERK) -> list[PersonResult]:
        found: list[PersonResult] = []
        part, parts = 0, 1
        while part < parts:
            message = self.x.message(FetchBatch, self.x.exchange, staff=staff, batch=batch, part=part)
            reply = self.x.client.send("/batches/fetched", message, BatchPart).value
            found += reply.results
            part, parts = part + 1, reply.parts
        return sorted(found, key=lambda one: one.place)

    def asked(self, numbers: list[str] | None = None, **changes: Any) -> str:
        """Enter and work off; the number of the batch."""
        entered = self.enter(self.at_x if numbers is None else numbers, **changes)
        assert entered.batch is not None, entered.rejected
        self.work_off()
        return entered.batch

    def protect(self, number: str, flag: FlagKind) -> None:
        """Y City puts a flag before everything it holds about somebody."""
        message = self.y.message(Protect, self.y.exchange, addressee_number=number, flag=flag)
        self.y.client.send("/protections", message, Protections)

    def log(self) -> list[LogRecord]:
        with self.country.engine(HUB_1).connect() as conn:
            rows = conn.execute(select(entries.c.record).order_by(entries.c.entry_index)).scalars().all()
        return [LogRecord.model_validate_json(row) for row in rows]

    def report(self, desk: Desk) -> None:
        """Let an exchange's outbox be sent."""
        sender = desk.services().sender
        sender._chunks.send_due()
        sender._outcomes.send_due()


@pytest.fixture
def many(country: GatewayCountry) -> Many:
    return Many(country)


def records(desk: Desk, side: Side) -> list[AccessRecord]:
    return [one for one in desk.services().records.everything() if one.side is side]


def test_everybody_of_a_batch_is_answered_with_an_entry_and_a_record_each(many: Many) -> None:
    batch = many.asked()
    results = many.fetch(batch)
    assert [one.addressee_number for one in results] == many.at_x
    assert {one.outcome for one in results} == {Outcome.PROVIDED}
    assert all(one.items[0].body["taxable_income"] == 1_860_000 for one in results)
    shown = many.show(batch)
    assert (shown.outcomes, shown.waiting, shown.failed) == ({"provided": 8}, 0, 0)
    log = many.log()
    for one in results:
        assert one.log_index is not None
        assert log[one.log_index].transaction == one.transaction
    for desk, side, numbers in ((many.x, Side.REQUESTER, many.at_x), (many.y, Side.PROVIDER, many.at_y)):
        kept = records(desk, side)
        assert sorted(one.addressee_number or "" for one in kept) == sorted(numbers)
        assert {one.transaction for one in kept} == {one.transaction for one in results}
    many.report(many.y)
    outcomes = [one for one in many.log() if one.entry is EntryKind.OUTCOME]
    assert {one.transaction for one in outcomes} == {one.transaction for one in results}
    assert {one.payload_hash for one in outcomes} == {one.payload_hash for one in records(many.y, Side.PROVIDER)}


def test_a_batch_says_of_each_person_what_a_single_inquiry_says(many: Many) -> None:
    y = many.y
    many.protect(many.at_y[1], FlagKind.SUPPORT_MEASURE)
    many.protect(many.at_y[2], FlagKind.ANSWER_BY_HAND)
    with many.country.engine(y.exchange).begin() as conn:
        conn.exec_driver_sql("DELETE FROM copy WHERE addressee_number = ?", (many.at_y[3],))
        conn.exec_driver_sql("DELETE FROM link_code WHERE addressee_number = ?", (many.at_y[4],))
        conn.exec_driver_sql("UPDATE copy SET body = '{}' WHERE addressee_number = ?", (many.at_y[5],))
        conn.exec_driver_sql(
            "INSERT INTO flag (institution, addressee_number, item, kind, since) VALUES ('y-city', ?, '?', '?', '2026')",
            (many.at_y[6],),
        )
    singles = [many.x.inquire(number) for number in many.at_x]
    alone = {one.transaction: one for one in records(many.y, Side.PROVIDER)}
    results = many.fetch(many.asked())
    assert [(one.outcome, one.items) for one in results] == [(one.outcome, one.items) for one in singles]
    assert [one.outcome for one in results] == [
        Outcome.PROVIDED, Outcome.WITHHELD, Outcome.PENDING, Outcome.NONE, Outcome.NONE, Outcome.PENDING,
        Outcome.WITHHELD, Outcome.PROVIDED,
    ]  # fmt: skip
    apart: dict[str, Any] = {"transaction": "", "payload_hash": None, "log_index": None, "case_reference": None}
    together = {one.transaction: one for one in records(many.y, Side.PROVIDER)}
    for single, one in zip(singles, results, strict=True):
        assert replace(alone[single.transaction], **apart) == replace(together[one.transaction or ""], **apart)
    mine = {one.transaction: one for one in records(many.x, Side.REQUESTER)}
    for single, one in zip(singles, results, strict=True):
        assert replace(mine[single.transaction], **apart) == replace(mine[one.transaction or ""], **apart)
    for desk in (many.y, many.x):
        many.report(desk)
    told = {one.transaction: one for one in many.log() if one.entry is EntryKind.OUTCOME}
    for single, one in zip(singles, results, strict=True):
        assert told[single.transaction].outcome is told[one.transaction].outcome is one.outcome


def test_a_pending_person_of_a_batch_is_answered_by_hand_and_fetched_singly(many: Many) -> None:
    many.protect(many.at_y[2], FlagKind.ANSWER_BY_HAND)
    batch = many.asked()
    pending = many.fetch(batch)[2]
    assert pending.outcome is Outcome.PENDING
    fetch = many.x.message(FetchAnswer, many.x.exchange, staff=CLERK, transaction=pending.transaction)
    assert many.x.client.send("/inquiries/later", fetch, Inquired).value.outcome is Outcome.PENDING
    answer = many.y.message(AnswerByHand, many.y.exchange, staff=CLERK, transaction=pending.transaction)
    from kumihimo.plumbing.wire.messages.by_hand import DecidedByHand

    many.y.client.send("/pending/answered", answer, DecidedByHand)
    fetch = many.x.message(FetchAnswer, many.x.exchange, staff=CLERK, transaction=pending.transaction)
    got = many.x.client.send("/inquiries/later", fetch, Inquired).value
    assert got.outcome is Outcome.PROVIDED
    assert got.items[0].body["taxable_income"] == 1_860_000
    assert many.fetch(batch)[2].outcome is Outcome.PROVIDED
    assert many.show(batch).outcomes == {"provided": 8}
    many.report(many.y)
    final = [one for one in many.log() if one.entry is EntryKind.OUTCOME and one.transaction == pending.transaction]
    assert [one.outcome for one in final][-1] is Outcome.PROVIDED


def test_each_person_of_a_batch_can_be_opened_to_an_auditor(many: Many) -> None:
    many.asked()
    services = many.x.services()
    for one in records(many.x, Side.REQUESTER):
        opening = services.audit.open(Audited(transaction=one.transaction))
        assert opening.addressee_number.digits == one.addressee_number
        logged = next(entry for entry in many.log() if entry.transaction == one.transaction)
        assert opening.subject_hash == logged.subject_hash


def test_what_the_law_does_not_allow_is_refused_for_each_with_the_reason(many: Many) -> None:
    batch = many.asked(affair="library.cards")
    results = many.fetch(batch)
    assert {one.outcome for one in results} == {Outcome.REFUSED}
    assert {one.refusal.code for one in results if one.refusal} == {"affair.unknown"}
    assert {one.problem for one in records(many.x, Side.REQUESTER)} == {"affair.unknown"}
    assert many.resume(batch) == 0, "nothing would come of asking again"


@pytest.mark.parametrize(
    ("numbers", "codes"),
    [
        ((0, 0), {1: "value.invalid"}),
        ((0, "12"), {1: "addressee_number.format"}),
        ((0, "unknown"), {1: "addressee.no_code"}),
    ],
)
def test_a_batch_with_somebody_who_cannot_be_asked_about_is_not_entered(
    many: Many, numbers: tuple[Any, ...], codes: dict[int, str]
) -> None:
    without_code = many.x.take_in(many.x.register(hanako(given="他子"))).addressee_number
    listed = [many.at_x[one] if isinstance(one, int) else without_code if one == "unknown" else one for one in numbers]
    entered = many.enter(listed)
    assert entered.batch is None
    assert {one.place: one.code for one in entered.rejected} == codes
    with pytest.raises(Problem) as caught:
        many.show("0" * 16)
    assert caught.value.code == "batch.unknown"
    assert records(many.x, Side.REQUESTER) == []
    kept = many.enter(listed, with_rejected=WithRejected.LEAVE_OUT)
    assert kept.persons == 1
    assert [one.problem for one in records(many.x, Side.REQUESTER)] == (
        ["addressee.no_code"] if "unknown" in numbers else []
    )
    many.work_off()
    assert [one.outcome for one in many.fetch(kept.batch or "")] == [Outcome.PROVIDED]


@pytest.mark.parametrize("count", [0, 10_001])
def test_nobody_or_too_many_are_no_batch(many: Many, count: int) -> None:
    with pytest.raises(Problem) as caught:
        many.enter(many.at_x[:1] * count)
    assert caught.value.code == "value.invalid"
    assert str(count) in caught.value.detail


def test_a_staff_member_without_the_right_asks_about_nobody_and_it_is_on_record(many: Many) -> None:
    with pytest.raises(Problem) as caught:
        many.enter(many.at_x, staff="suzuki")
    assert caught.value.code == "staff.not_entitled"
    assert [one.problem for one in records(many.x, Side.REQUESTER)] == ["staff.not_entitled"] * 8
    batch = many.asked()
    with pytest.raises(Problem) as caught:
        many.fetch(batch, staff="suzuki")
    assert caught.value.code == "staff.not_entitled"


def test_a_provider_that_is_down_fails_its_chunk_and_the_same_request_is_sent_again(
    many: Many,
) -> None:
    provider = PartyId("y-city/exchange")
    entered = replace(many.x.services().batches, chunk=3).enter(many.entering(many.at_x))
    assert entered.batch is not None
    first, *rest = many.x.services().batches.store.unasked()
    many.x.services().worker._ask(first)
    many.country.down.add(provider)
    for transaction in rest:
        many.x.services().worker._ask(transaction)
    shown = many.show(entered.batch)
    assert shown.outcomes == {"provided": 3, "undelivered": 5}
    assert (shown.failed, shown.problems) == (5, {"provider.unreachable": 5})
    assert [one.outcome for one in many.fetch(entered.batch)].count(Outcome.UNDELIVERED) == 5
    requests = len(many.log())
    many.country.down.clear()
    assert many.resume(entered.batch) == 5
    many.work_off()
    assert many.show(entered.batch).outcomes == {"provided": 8}
    assert len(many.log()) == requests, "the same requests, to the byte: no second entries"
    assert len(records(many.x, Side.REQUESTER)) == 8
    assert len(records(many.y, Side.PROVIDER)) == 8


def test_after_five_minutes_the_failed_are_asked_about_under_new_numbers(many: Many) -> None:
    many.country.down.add(PartyId("y-city/exchange"))
    batch = many.asked()
    assert many.show(batch).failed == 8
    many.country.down.clear()
    many.country.clock.at += timedelta(minutes=6)
    assert many.resume(batch) == 8
    many.work_off()
    assert many.show(batch).outcomes == {"provided": 8}
    assert [one.outcome for one in many.fetch(batch)] == [Outcome.PROVIDED] * 8
    assert len(records(many.x, Side.REQUESTER)) == 16, "both attempts are on record"


def test_an_operator_that_is_down_fails_a_chunk_with_its_reason(many: Many) -> None:
    many.x.services().codes.domain.present()
    many.country.down.add(HUB_2)
    batch = many.asked()
    assert many.show(batch).problems == {"operator.unreachable": 8}
    many.country.down.clear()
    assert many.resume(batch) == 8
    many.work_off()
    assert many.show(batch).outcomes == {"provided": 8}


def test_a_chunk_that_was_cut_off_goes_on_after_a_restart(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of the operator is lost: the process dies between sending and writing down."""
    entered = many.enter(many.at_x)

    def die(*_args: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(BatchStore, "close", die)
        with pytest.raises(SystemExit):
            many.work_off()
    assert many.show(entered.batch).waiting == 8
    answered = len(records(many.y, Side.PROVIDER))
    many.work_off()
    assert many.show(entered.batch).outcomes == {"provided": 8}
    assert len(records(many.y, Side.PROVIDER)) == answered == 8


def test_a_chunk_cut_off_too_long_ago_has_failed_and_can_be_asked_again(
    many: Many, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = many.enter(many.at_x)

    def die(*_args: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(BatchStore, "close", die)
        with pytest.raises(SystemExit):
            many.work_off()
    many.country.clock.at += timedelta(minutes=6)
    many.work_off()
    assert many.show(entered.batch).problems == {"inquiry.interrupted": 8}
    assert many.resume(entered.batch or "") == 8
    many.work_off()
    assert many.show(entered.batch).outcomes == {"provided": 8}


def test_data_protected_between_two_deliveries_are_not_given_again(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    many.country.altered["y-city/exchange/provisions-of-chunks"] = lambda _body: b"lost"
    batch = many.asked()
    assert many.show(batch).failed == 8
    many.country.altered.clear()
    many.protect(many.at_y[0], FlagKind.NON_DISCLOSURE)
    assert many.resume(batch) == 8
    many.work_off()
    assert many.show(batch).problems == {"permit.used": 8}
    many.country.clock.at += timedelta(minutes=6)
    assert many.resume(batch) == 8
    many.work_off()
    assert many.show(batch).outcomes == {"withheld": 1, "provided": 7}


@pytest.mark.parametrize("path", ["/chunks", "/provisions-of-chunks"])
def test_an_answer_that_was_altered_on_the_way_is_not_taken(many: Many, path: str) -> None:
    party = HUB_1 if path == "/chunks" else PartyId("y-city/exchange")
    edge = many.country.edge(party)

    def altered(body: bytes) -> bytes:
        envelope = Envelope.model_validate_json(body)
        if path == "/chunks":
            decision = edge.read(envelope, ChunkDecision).value
            changed: Reply = decision.model_copy(update={"subjects": decision.subjects[::-1].lstrip("=")})
        else:
            answer = edge.read(envelope, ChunkAnswer).value
            changed = answer.model_copy(update={"outcomes": "N" * len(answer.outcomes)})
        return edge.answer(changed).model_dump_json().encode()

    many.country.altered[f"{party}{path}"] = altered
    batch = many.asked()
    shown = many.show(batch)
    assert shown.failed == 8
    assert set(shown.problems) <= {"message.malformed", "permit.subject_mismatch"}


def test_a_chunks_permit_serves_its_requester_only_and_for_its_persons_only(many: Many) -> None:
    from kumihimo.plumbing.wire.messages.batch import ChunkProvisionRequest

    many.asked()
    (sent,) = [one for one in many.country.carried if one[2] == "/provisions-of-chunks"]
    document = json.loads(Envelope.model_validate_json(sent[3]).payload_bytes())
    shown = ChunkProvisionRequest.model_validate_json(json.dumps(document))
    z = many.country.edge(PartyId("z-town/exchange"))
    fields = {"permit": shown.permit, "subjects": shown.subjects, "log_indexes": shown.log_indexes}
    stolen = z.message(ChunkProvisionRequest, PartyId("y-city/exchange"), **fields)
    with pytest.raises(Problem) as caught:
        PeerClient(z).send("/provisions-of-chunks", stolen, ChunkAnswer)
    assert caught.value.code == "permit.wrong_requester"
    x = many.country.edge(PartyId("x-city/exchange"))
    swapped = (shown.log_indexes[1], shown.log_indexes[0], *shown.log_indexes[2:])
    for changed, code in (({"log_indexes": swapped}, "permit.subject_mismatch"), ({}, "permit.used")):
        message = x.message(ChunkProvisionRequest, PartyId("y-city/exchange"), **{**fields, **changed})
        with pytest.raises(Problem) as caught:
            PeerClient(x).send("/provisions-of-chunks", message, ChunkAnswer)
        assert caught.value.code == code


def test_answers_are_kept_sealed_and_forgotten_in_time(many: Many) -> None:
    batch = many.asked()
    raw = many.country.stores.joinpath("x-city-exchange.db").read_bytes()
    raw += many.country.stores.joinpath("x-city-exchange.db-wal").read_bytes()
    assert b"taxable_income" not in raw
    many.country.clock.at += timedelta(days=15)
    with pytest.raises(Problem) as caught:
        many.fetch(batch)
    assert caught.value.code == "answers.forgotten"
    assert many.x.services().batches.store.forget_answers(many.country.clock.now()) == 1
    assert len(records(many.x, Side.REQUESTER)) == 8


def test_the_outcomes_of_a_chunk_wait_for_an_operator_that_is_down(many: Many) -> None:
    many.asked()
    many.country.down.add(HUB_1)
    many.report(many.y)
    many.country.down.clear()
    many.country.clock.at += timedelta(seconds=2)
    many.report(many.y)
    assert len([one for one in many.log() if one.entry is EntryKind.OUTCOME]) == 8
    assert many.y.services().sender._chunks.store.size() == 0
