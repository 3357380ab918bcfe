"""The stores of batch and scheduled inquiries keep their promises on both engines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.domain.sealing import commit
from kumihimo.plumbing.storage import FeedItem, downgrade, migrate, read_feed
from kumihimo.plumbing.wire.chunks import PromisedEntries, PromisedEntry, packed
from kumihimo.plumbing.wire.envelope import Document, Envelope, Signature, Signed, b64
from kumihimo.plumbing.wire.messages.batch import ChunkRelayed, LogPromises, OversightRecords
from kumihimo.plumbing.wire.messages.batch_desk import Recurrence
from kumihimo.plumbing.wire.messages.by_hand import FlagKind
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord, Outcome, Period, Refusal
from kumihimo.plumbing.wire.messages.provision import CopyOf, DatedItem
from kumihimo.roles.gateway.store import exchange
from kumihimo.roles.gateway.store.batches import (
    AskedPerson,
    Batch,
    BatchStore,
    ChunkClosing,
    ChunkState,
    PersonOutcome,
)
from kumihimo.roles.gateway.store.chunk_provisions import (
    ChunkAnswered,
    ChunkClaim,
    ChunkProvided,
    ChunkProvisionStore,
)
from kumihimo.roles.gateway.store.chunk_reports import ChunkOutbox, ChunkReport
from kumihimo.roles.gateway.store.copies import CopyStore
from kumihimo.roles.gateway.store.exchange import link_code
from kumihimo.roles.gateway.store.holdings import codes_of, holdings_of
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.links import LinkStore
from kumihimo.roles.gateway.store.provisions import Claim, Holdings, ProvisionStore
from kumihimo.roles.gateway.store.records import AccessRecord, RecordStore, Side
from kumihimo.roles.gateway.store.schedules import AlreadyRun, Run, Schedule, ScheduleStore
from kumihimo.roles.hub import store as hub
from kumihimo.roles.hub.store.batch import ChunkPassage, ChunkPassageStore
from kumihimo.roles.hub.store.tables import feed, marks, promises
from kumihimo.roles.oversight import store as oversight
from kumihimo.roles.portal.store import MIGRATIONS as PORTAL_MIGRATIONS
from kumihimo.roles.portal.store import KeptWritten, PortalStore

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
X = "x-city"
NUMBERS = tuple(AddresseeNumber.from_serial(serial).digits for serial in range(1, 10))
CODES = {number: bytes([place + 1]) * 32 for place, number in enumerate(NUMBERS)}
PERMIT = Envelope(payloadType="t", payload=b64(b"{}"), signatures=(Signature(keyid="hub-1/operator", sig="s"),))
BATCH = Batch(
    "b" * 16, "tanaka", "子育て課", "件", "y-city", "a", ("local-tax",), Period(), 3, NOON, NOON + timedelta(1)
)


@pytest.fixture
def store(engine: Engine) -> Engine:
    migrate(engine, exchange.MIGRATIONS)
    return engine


def envelope_of(document: Document) -> Envelope:
    signature = Signature(keyid="hub-1/operator", sig="AAAA")
    return Envelope(payloadType=document.payload_type(), payload=b64(document.to_bytes()), signatures=(signature,))


def person(transaction: str, number: str, outcome: Outcome | None, problem: str | None = None) -> AskedPerson:
    record = AccessRecord(
        transaction, Side.REQUESTER, X, "y-city", "a", ("local-tax",), Period(), NOON, NOON, outcome, problem, number
    )
    return AskedPerson(transaction, number, "0" * 64, record)


def entered(store: Engine) -> BatchStore:
    batches = BatchStore(store, X)
    batches.enter(BATCH, {"1" * 32: {0: NUMBERS[0], 2: NUMBERS[2]}, "2" * 32: {3: NUMBERS[3]}}, [])
    return batches


def test_a_batch_comes_back_as_it_was_entered(store: Engine) -> None:
    batches = entered(store)
    assert batches.batches() == batches.batches(BATCH.batch) == [BATCH]
    assert batches.batches("c" * 16) == []
    first, second = batches.chunks(BATCH.batch)
    assert (first.addressees, first.state) == ({0: NUMBERS[0], 2: NUMBERS[2]}, ChunkState.WAITING)
    assert batches.unasked() == ["1" * 32, "2" * 32]
    assert BatchStore(store, "y-city").batches() == []
    assert second.addressees == {3: NUMBERS[3]}


def test_a_chunk_is_asked_closed_reopened_and_closed_again_with_one_record_for_each(store: Engine) -> None:
    batches, records = entered(store), RecordStore(store, X)
    chunk = batches.chunks(BATCH.batch)[0]
    asked = replace(chunk, case_salt=b"s" * 32, epoch=1, asked_at=NOON, request="{}")
    batches.asked(asked)
    failed = tuple(PersonOutcome(at, f"{at}" * 32, Outcome.UNDELIVERED, "provider.unreachable", at) for at in (0, 2))
    people = tuple(person(one.transaction, NUMBERS[one.place], one.outcome, one.problem) for one in failed)
    report = ChunkReport("1" * 32, X, "y-city", "UU", None, PERMIT)
    batches.close(
        BATCH, asked, ChunkClosing(failed, people, NOON, PERMIT, problem="provider.unreachable", report=report)
    )
    assert batches.unasked() == ["2" * 32]
    assert [one.problem for one in records.everything()] == ["provider.unreachable"] * 2
    assert [one.report for one in ChunkOutbox(store, X).due(NOON, 9)] == [report]
    batches.reopen("1" * 32)
    again = batches.chunk("1" * 32)
    assert again is not None
    assert (again.state, again.request, again.case_salt) == (ChunkState.ASKED, "{}", b"s" * 32)
    good = tuple(replace(one, outcome=Outcome.PENDING, problem=None) for one in failed)
    people = tuple(person(one.transaction, NUMBERS[one.place], one.outcome) for one in good)
    batches.close(BATCH, again, ChunkClosing(good, people, NOON, PERMIT, b"sealed"))
    assert [one.outcome for one in records.everything()] == [Outcome.PENDING] * 2
    past = InquiryStore(store, X).past("0" * 32)
    assert past is not None
    assert past.pending
    assert past.decision == PERMIT, "found with the chunk"
    assert batches.later_outcomes(["0" * 32, "9" * 32]) == {"0" * 32: Outcome.PENDING}


def test_a_batch_is_counted_by_what_came_of_its_closed_chunks(store: Engine) -> None:
    batches = entered(store)
    assert batches.tallies(BATCH.batch) == [None, None]
    chunk = replace(batches.chunks(BATCH.batch)[0], case_salt=b"s" * 32, epoch=1, asked_at=NOON)
    known = (
        PersonOutcome(0, "0" * 32, Outcome.PENDING, None, 1),
        PersonOutcome(2, "2" * 32, None, "peer.unreachable"),
    )
    batches.close(BATCH, chunk, ChunkClosing(known, (), NOON))
    counted = {(Outcome.PENDING, None): 1, (None, "peer.unreachable"): 1}
    (tally,) = (one for one in batches.tallies(BATCH.batch) if one is not None)
    assert (dict(tally.ended), tally.pending) == (counted, ("0" * 32,))
    batches.reopen(chunk.transaction)
    assert batches.tallies(BATCH.batch) == [None, None]
    assert batches.tallies("c" * 16) == []


def test_persons_of_a_closed_chunk_are_renewed_under_another_number(store: Engine) -> None:
    batches = entered(store)
    chunk = replace(batches.chunks(BATCH.batch)[0], case_salt=b"s" * 32, epoch=1, asked_at=NOON)
    known = (
        PersonOutcome(0, "0" * 32, Outcome.PROVIDED, None, 1),
        PersonOutcome(2, "2" * 32, None, "peer.unreachable"),
    )
    batches.close(BATCH, chunk, ChunkClosing(known, (), NOON))
    batches.renew(replace(chunk, outcomes={one.place: one for one in known}), "3" * 32, {2})
    by_number = {one.transaction: one for one in batches.chunks(BATCH.batch)}
    assert by_number["1" * 32].addressees == {0: NUMBERS[0]}
    assert set(by_number["1" * 32].outcomes) == {0}
    assert by_number["3" * 32].addressees == {2: NUMBERS[2]}
    assert set(batches.unasked()) == {"2" * 32, "3" * 32}


def test_answers_go_when_their_time_is_over_and_records_stay(store: Engine) -> None:
    batches = entered(store)
    chunk = replace(batches.chunks(BATCH.batch)[0], case_salt=b"s" * 32, epoch=1, asked_at=NOON)
    known = (PersonOutcome(0, "0" * 32, Outcome.PROVIDED, None, 1),)
    batches.close(
        BATCH, chunk, ChunkClosing(known, (person("0" * 32, NUMBERS[0], Outcome.PROVIDED),), NOON, None, b"x")
    )
    assert batches.forget_answers(BATCH.kept_until) == 0
    assert batches.forget_answers(BATCH.kept_until + timedelta(seconds=1)) == 1
    kept = batches.chunk("1" * 32)
    assert kept is not None
    assert kept.answer is None
    assert len(RecordStore(store, X).everything()) == 1


def test_nothing_of_a_batch_is_written_when_what_belongs_to_it_cannot_be(store: Engine) -> None:
    batches = BatchStore(store, X)

    def fails(_conn: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        batches.enter(BATCH, {"1" * 32: {0: NUMBERS[0]}}, [person("0" * 32, NUMBERS[0], None, "p").record], fails)
    assert batches.batches() == []
    assert batches.unasked() == []
    assert RecordStore(store, X).everything() == []


links = st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from((*NUMBERS, None)), max_size=6)
held = st.sets(st.tuples(st.sampled_from(NUMBERS), st.integers(2023, 2026), st.integers(0, 1)), max_size=12)
flags = st.sets(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(("*", "local-tax", "pension"))), max_size=4)


@given(links=links, held=held, flags=flags, later=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_persons_are_held_by_the_rules_for_one(
    store: Engine,
    links: dict[str, str | None],
    held: set[tuple[str, int, int]],
    flags: set[tuple[str, str]],
    later: bool,
) -> None:
    """Merges, duplicates, flags and contradicting copies: in bulk as singly."""
    institution = f"x-{abs(hash((frozenset(links.items()), frozenset(held), frozenset(flags), later)))}"
    copies, period = CopyStore(store, institution), Period(since=date(2024, 4, 1), until=date(2026, 3, 31))
    with store.begin() as conn:
        conn.execute(link_code.delete().where(link_code.c.institution == institution))
        for number, code in list(CODES.items())[:7]:
            values = {"addressee_number": number, "code": code, "epoch": 1, "placed_at": NOON}
            conn.execute(link_code.insert().values(institution=institution, **values))
    placed_at = NOON + timedelta(hours=1 if later else -1)
    for number, year, worth in sorted(held):
        item = DatedItem(
            item="local-tax", valid_from=date(year, 4, 1), valid_until=date(year + 1, 3, 31), body={"worth": worth}
        )
        copies.put([CopyOf(addressee_number=number, item=item)], placed_at)
    for number, item_id in flags:
        copies.set_flag(number, item_id, FlagKind.SUPPORT_MEASURE, NOON)
    links_store = LinkStore(store, institution)
    one_step = {one: other for one, other in links.items() if other is None or links.get(other, other) == other}
    links_store.link(one_step, NOON)
    singly = ProvisionStore(store, institution)
    codes = [*CODES.values(), b"\xff" * 32]
    with store.connect() as conn:
        conn.execute(select(1))
        together = holdings_of(conn, institution, copies, codes, ("local-tax", "pension"), period)
        alike = [singly._holdings(conn, Claim("t", code, ("local-tax", "pension"), period)) for code in codes]
        assert [in_order(one) for one in together] == [in_order(one) for one in alike]
        known = codes_of(conn, institution, NUMBERS, 1)
    one_by_one = LinkCodeStore(store, institution)
    alone = {number: one_by_one.code_of(AddresseeNumber(number)) for number in NUMBERS}
    assert known == {number: code for number, code in alone.items() if code is not None}


def in_order(one: Holdings) -> Holdings:
    """Flags have no order."""
    return replace(one, flags=tuple(sorted(one.flags, key=lambda flag: (flag.item, flag.kind))))


def provided(transactions: list[str], outcomes: str) -> ChunkProvided:
    by_letter = {"P": Outcome.PROVIDED, "H": Outcome.PENDING}
    records = tuple(
        AccessRecord(
            transaction, Side.PROVIDER, X, "y-city", "a", ("local-tax",), Period(), NOON, NOON, by_letter[letter]
        )
        for transaction, letter in zip(transactions, outcomes, strict=True)
    )
    return ChunkProvided(
        records,
        ChunkReport("c" * 32, X, "y-city", outcomes, "h" * 64, PERMIT),
        PERMIT,
        "r" * 64,
        NOON + timedelta(minutes=5),
        ChunkAnswered("c" * 32, outcomes, PERMIT.digest(), NOON, b"sealed"),
        {one.transaction: NOON for one in records if one.outcome is Outcome.PENDING},
    )


def test_a_chunk_is_answered_once_with_everything_that_belongs_to_it(store: Engine) -> None:
    provisions = ChunkProvisionStore(store, "y-city")
    transactions = ["1" * 32, "2" * 32]
    claim = ChunkClaim("c" * 32, dict(zip(transactions, CODES.values(), strict=False)), ("local-tax",), Period())
    given_ = provisions.release(claim, lambda held: provided(transactions, "PH" if len(held) == 2 else ""))
    assert given_.answer.outcomes == "PH"
    with pytest.raises(Problem) as caught:
        provisions.release(claim, lambda _held: provided(transactions, "PP"))
    assert caught.value.code == "permit.used"
    overlapping = replace(claim, codes={"2" * 32: b"", "3" * 32: b""})
    with pytest.raises(Problem):
        provisions.release(overlapping, lambda _held: provided(["2" * 32, "3" * 32], "PP"))
    assert [one.transaction for one in RecordStore(store, "y-city").everything()] == transactions
    again = provisions.again(claim, "r" * 64, NOON, lambda _outcomes, _held: False)
    assert again == given_.answer
    assert provisions.again(claim, "x" * 64, NOON, lambda _outcomes, _held: False) is None
    assert provisions.again(claim, "r" * 64, NOON, lambda _outcomes, _held: True) is None
    assert provisions.again(claim, "r" * 64, NOON + timedelta(minutes=5), lambda _o, _h: False) is None
    outbox = ChunkOutbox(store, "y-city")
    assert outbox.size() == 2
    (waiting,) = outbox.due(NOON, 9)
    outbox.postpone(waiting.report, 1, NOON + timedelta(seconds=1))
    assert outbox.due(NOON, 9) == []
    outbox.accepted(waiting.report)
    assert outbox.size() == 0


def test_a_scheduled_inquiry_is_due_until_it_has_run_and_runs_a_day_once(store: Engine) -> None:
    schedules = ScheduleStore(store, X)
    day = date(2026, 12, 31)
    one = Schedule(
        "s" * 16, "tanaka", "件", "y-city", "a", ("local-tax",), None, NUMBERS, Recurrence.MONTHLY, day, None, day, NOON
    )  # fmt: skip
    schedules.enter(one)
    assert schedules.find() == schedules.find(one.schedule) == [one]
    assert schedules.due(day - timedelta(days=1)) == []
    assert schedules.due(day) == [one]
    run = Run(one.schedule, day, NOON, None, "staff.not_entitled", ((NUMBERS[0], "addressee.no_code"),))
    schedules.failed(run, date(2027, 1, 31))
    assert schedules.due(day) == []
    assert schedules.runs([one.schedule]) == {one.schedule: [run]}
    with pytest.raises(AlreadyRun):
        schedules.failed(run, None)
    assert schedules.find()[0].next_on == date(2027, 1, 31)
    schedules.cancel(one.schedule, NOON)
    assert schedules.due(date(2030, 1, 1)) == []
    schedules.failed(replace(run, due_on=date(2027, 1, 31)), date(2027, 2, 28))
    assert schedules.find()[0].next_on is None, "a run that was under way does not revive what was cancelled"


def test_the_schema_goes_down_and_up_with_inquiries_in_it(store: Engine) -> None:
    entered(store)
    downgrade(store, exchange.MIGRATIONS, "0004_partitions")
    migrate(store, exchange.MIGRATIONS)
    assert BatchStore(store, X).batches() == []


@pytest.fixture
def hub_store(engine: Engine) -> Engine:
    migrate(engine, hub.MIGRATIONS)
    return engine


def promised(indexes: list[int]) -> PromisedEntries:
    entries = tuple(PromisedEntry(index, bytes([index]) * 32, b"s" * 32, b"{}") for index in indexes)
    document = LogPromises(indexes=tuple(indexes), entries=packed(one.commitment for one in entries))
    return PromisedEntries(entries, Signed(document, envelope_of(document)))


def test_a_chunk_passes_operator_2_once_and_its_promise_is_kept_once(hub_store: Engine) -> None:
    passages = ChunkPassageStore(hub_store, "oversight/body")
    answer = ChunkRelayed(in_reply_to="m", transaction="c")
    kept = hub.KeptAnswer("h" * 64, answer, NOON + timedelta(minutes=5))
    passage = ChunkPassage("c", (("t1", X), ("t2", X), ("t3", None)), promised([4, 5, 7]), (), NOON, kept)
    assert passages.passes(passage)
    assert not passages.passes(passage)
    assert not passages.passes(replace(passage, mark="d")), "a person of it has passed"
    assert passages.passes(replace(passage, mark="e", persons=(("t4", X),), promised=promised([7, 8])))
    assert passages.kept("c", "h" * 64, NOON) == answer.model_dump_json()
    assert passages.kept("c", "x" * 64, NOON) is None
    with hub_store.connect() as conn:
        counted = conn.execute(select(marks.c.mark).where(marks.c.requester == X)).scalars().all()
        rows = conn.execute(select(promises.c.entry_index, promises.c.envelope).order_by(promises.c.entry_index)).all()
        told = read_feed(conn, feed, "oversight/body", 0, 9)
    assert sorted(counted) == ["t1", "t2", "t4"]
    assert [row.entry_index for row in rows] == [4, 5, 7, 8]
    assert [json.loads(row.envelope).get("promised_with") for row in rows] == [None, 4, 4, None]
    assert [one.kind for one in told] == ["promises", "promises"]
    assert list(hub.requests_passed(hub_store, NOON)) == [(X, NOON)] * 3


def test_entries_of_a_chunk_are_told_together_and_opened_as_the_log_has_them(hub_store: Engine) -> None:
    log = hub.LogStore(hub_store, envelope_of, "oversight/body")
    records = [LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction=f"{n}") for n in range(5)]
    appends = [
        hub.Append(one, bytes([n]) * 32, mark=f"m{n}", written=one.to_bytes(), chunk="c" if n != 2 else None)
        for n, one in enumerate(records)
    ]
    first = log.enter_all(appends)
    assert [one.index for one in first if one] == list(range(5))
    assert log.enter_all(appends) == [None] * 5
    with hub_store.connect() as conn:
        items = read_feed(conn, feed, "oversight/body", 0, 99)
    told = {one.kind: one for one in log.told(items)}
    opened = OversightRecords.model_validate(told["records"].body)
    promise = LogPromises.model_validate_json(opened.promise.payload_bytes())
    assert promise.indexes == (0, 1, 3, 4)
    assert list(opened.records) == [records[n].to_bytes().decode() for n in (0, 1, 3, 4)]
    assert promise.entries == packed(commit(bytes([n]) * 32, records[n].to_bytes()) for n in (0, 1, 3, 4))
    assert told["record"].body["index"] == 2
    assert {mark: one.index for mark, one in log.entries_under(["m1", "m4", "m9"]).items()} == {"m1": 1, "m4": 4}
    log.close()


def test_no_page_of_the_overseer_names_too_many_entries(hub_store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kumihimo.roles.hub.store.log.MOST_TOLD", 5)
    log = hub.LogStore(hub_store, envelope_of, "oversight/body")
    for chunk in range(4):
        records = [LogRecord(entry=EntryKind.REQUEST, logged_at=NOON) for _ in range(3)]
        log.enter_all([hub.Append(one, b"s" * 32, chunk=str(chunk)) for one in records])
    with hub_store.connect() as conn:
        items: list[FeedItem] = read_feed(conn, feed, "oversight/body", 0, 99)
    assert len(log.told(items)) == 2
    assert len(log.told(items[2:])) == 2
    log.close()


@pytest.fixture
def portal(engine: Engine) -> PortalStore:
    migrate(engine, PORTAL_MIGRATIONS)
    return PortalStore(engine)


def test_the_portal_keeps_many_records_as_it_keeps_one(portal: PortalStore) -> None:
    code, replaced, other = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
    record = LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction="t")
    refusal = Refusal(code="quota.exceeded", reason_ja="", reason_en="")
    many = [
        KeptWritten(index, "t", bytes([index]) * 32, b"s" * 32, record.to_bytes().decode(), NOON, given_refusal)
        for index, given_refusal in ((1, None), (2, refusal), (3, None))
    ]
    with portal.transaction() as transaction:
        transaction.open_account("a", "ab" * 32, X, NOON)
        transaction.give_code("a", replaced, 1)
        transaction.replace_code(replaced, code, 1)
        for _ in range(2):
            transaction.keep_accesses([(many[0], code), (many[1], replaced), (many[2], other)], 1)
            transaction.keep_outcomes(many)
    with portal.reading() as transaction:
        found = transaction.accesses("a")
        outcomes = transaction.outcomes(["t"])
    assert [(one.index, one.refusal) for one in found] == [(2, refusal), (1, None)]
    assert found[1].record == record
    assert [one.index for one in outcomes["t"]] == [1, 2, 3]


def test_the_oversight_body_keeps_many_statements_and_finds_the_promise_behind_each(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    findings = oversight.Findings(engine)
    entries = [bytes([index]) * 32 for index in range(4)]
    with engine.begin() as conn:
        statements = oversight.Statements(conn)
        statements.take_records(
            [oversight.StoredRecord(index, one, b"s" * 32, "{}", "{}") for index, one in enumerate(entries)], NOON
        )
        assert statements.next_index() == 4
        for _ in range(2):
            statements.take_promises(range(4), entries, '{"payload": "whole"}', NOON)
    findings.compare_promises(NOON + timedelta(seconds=1), NOON + timedelta(seconds=2))
    assert findings.counts("o").promises == 4
    alarms = findings.alarms()
    assert len(alarms) == 4
    assert {one.evidence for one in alarms} == {'{"payload": "whole"}'}


def of_chunk(index: int) -> oversight.StoredRecord:
    number = f"{index}" * 32
    record = LogRecord(entry=EntryKind.REQUEST, logged_at=NOON, transaction=number).to_bytes().decode()
    return oversight.StoredRecord(index, bytes([index]) * 32, b"s" * 32, record, PERMIT.model_dump_json(), number)


def test_the_oversight_body_finds_a_person_of_a_chunk_by_the_transaction_number(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    with engine.begin() as conn:
        oversight.Statements(conn).take_records([of_chunk(index) for index in range(3)], NOON)
    assert [one.index for one in oversight.AuditStore(engine).records_about("1" * 32)] == [1]


def test_records_of_chunks_that_were_kept_without_their_number_are_found_after_the_migration(engine: Engine) -> None:
    migrate(engine, oversight.MIGRATIONS)
    downgrade(engine, oversight.MIGRATIONS, "0004_witness")
    with engine.begin() as conn:
        known = replace(of_chunk(3), about="another")
        oversight.Statements(conn).take_records([*(replace(of_chunk(at), about=None) for at in range(3)), known], NOON)
    audits = oversight.AuditStore(engine)
    assert not audits.records_about("1" * 32)
    migrate(engine, oversight.MIGRATIONS)
    assert [one.index for one in audits.records_about("1" * 32)] == [1]
    assert [one.index for one in audits.records_about("another")] == [3], "what has a number keeps it"
