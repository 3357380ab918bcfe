"""The queue of answers by hand, answers that come again, and the migration that brings both, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, inspect, text

from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.plumbing.storage import downgrade, migrate
from kumihimo.plumbing.wire.envelope import Envelope, Signature, b64
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.roles.gateway.store import exchange
from kumihimo.roles.gateway.store.by_hand import ByHandStore, Decision, Waiting
from kumihimo.roles.gateway.store.commits import Together
from kumihimo.roles.gateway.store.copies import StoredFlag
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.outbox import OutboxStore, Report
from kumihimo.roles.gateway.store.provisions import Claim, Holdings, KeptAnswer, ProvisionStore
from kumihimo.roles.gateway.store.records import AccessRecord, RecordStore, Side

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
PERMIT = Envelope(payloadType="t", payload=b64(b"{}"), signatures=(Signature(keyid="hub-1/operator", sig="s"),))
TRANSACTION, REQUEST = "0" * 32, "f" * 64
NUMBER = AddresseeNumber.from_serial(1).digits
CLAIM = Claim(TRANSACTION, b"nobody's code", ("local-tax",), Period())
RECORD = AccessRecord(
    TRANSACTION, Side.PROVIDER, "x-city", "y-city", "child-allowance.payment", ("local-tax",), Period(), NOON, NOON,
    Outcome.PENDING, addressee_number=NUMBER,
)  # fmt: skip
DECISION = Decision(Outcome.NONE, (), "tanaka", "税務課")


@dataclass(frozen=True)
class Written:
    record: AccessRecord
    report: Report
    kept: KeptAnswer
    permit: Envelope = PERMIT
    due_at: datetime | None = None


def written(record: AccessRecord, sealed: bytes, until: datetime, request: str | None) -> Written:
    assert record.outcome is not None
    report = Report(TRANSACTION, "x-city", "y-city", record.outcome, None, PERMIT)
    return Written(record, report, KeptAnswer(sealed, request, until))


def final(waiting: Waiting, decision: Decision, _flags: Sequence[StoredFlag]) -> Written:
    record = replace(waiting.record, outcome=decision.outcome, staff=decision.staff)
    return written(record, b"final", NOON + timedelta(days=30), None)


def left_to_a_person(_holdings: Holdings) -> Written:
    return replace(written(RECORD, b"pending", NOON + timedelta(minutes=5), REQUEST), due_at=NOON + timedelta(days=14))


@pytest.fixture
def store(engine: Engine) -> ByHandStore:
    migrate(engine, exchange.MIGRATIONS)
    (written,) = ProvisionStore(engine, "y-city").release([(CLAIM, left_to_a_person)])
    assert not isinstance(written, Problem)
    return ByHandStore(engine, "y-city")


def test_an_inquiry_left_to_a_person_waits_here_and_nowhere_else(engine: Engine, store: ByHandStore) -> None:
    (waiting,) = store.undecided()
    assert (waiting.record, waiting.due_at, waiting.decision) == (RECORD, NOON + timedelta(days=14), None)
    assert ByHandStore(engine, "x-city").undecided() == []
    assert store.release(TRANSACTION, NOON, final) is None


def test_of_many_officers_one_decides(engine: Engine, store: ByHandStore) -> None:
    results: list[str] = []

    def decide() -> None:
        try:
            store.decide(TRANSACTION, DECISION, NOON)
            results.append("decided")
        except Problem as problem:
            results.append(problem.code)

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["answer.decided"] * 3 + ["decided"]
    assert store.undecided() == []


def test_an_answer_is_written_down_once_and_given_again_while_it_is_kept(engine: Engine, store: ByHandStore) -> None:
    store.decide(TRANSACTION, DECISION, NOON)
    commit = Together(engine)
    later = NOON + timedelta(hours=1)
    first, second = (ByHandStore(engine, "y-city", commit).release(TRANSACTION, later, final) for _ in range(2))
    commit.close()
    assert first == second
    assert first is not None
    assert (first.outcome, first.sealed, first.answered_at) == (Outcome.NONE, b"final", later)
    (record,) = RecordStore(engine, "y-city").everything()
    assert (record.outcome, record.staff) == (Outcome.NONE, "tanaka")
    (due,) = OutboxStore(engine, "y-city").due(later, 10)
    assert due.report.outcome is Outcome.NONE
    with pytest.raises(Problem) as caught:
        store.release(TRANSACTION, NOON + timedelta(days=31), final)
    assert caught.value.code == "permit.used"


def test_only_the_same_request_gets_its_answer_again_and_only_in_time(engine: Engine, store: ByHandStore) -> None:
    provisions = ProvisionStore(engine, "y-city")

    def again(request: str, minutes: int) -> bytes | None:
        found = provisions.again(CLAIM, request, NOON + timedelta(minutes=minutes), lambda _held: False)
        return found.sealed if found else None

    assert again(REQUEST, 4) == b"pending"
    assert again("0" * 64, 4) is None
    assert again(REQUEST, 5) is None
    assert ProvisionStore(engine, "x-city").again(CLAIM, REQUEST, NOON, lambda _held: False) is None


def test_inquiries_outlive_the_step_up_and_the_step_down(engine: Engine) -> None:
    migrate(engine, exchange.MIGRATIONS)
    downgrade(engine, exchange.MIGRATIONS, "0001")
    columns = {column["name"] for column in inspect(engine).get_columns("inquiry")}
    assert "request" not in columns
    row = (
        "INSERT INTO inquiry (institution, transaction, addressee_number, case_reference, case_salt, provider, affair,"
        " items, epoch, subject_hash, asked_at, staff, department) VALUES ('x-city', :t, :n, 'c', :s, 'y-city', 'a',"
        " '[]', 1, 'h', :at, 'tanaka', 'd')"
    ).replace("transaction", '"transaction"')
    at = NOON.replace(tzinfo=None) if engine.dialect.name == "sqlite" else NOON
    with engine.begin() as conn:
        conn.execute(text(row), {"t": TRANSACTION, "n": NUMBER, "s": b"s", "at": at})
    migrate(engine, exchange.MIGRATIONS)
    past = InquiryStore(engine, "x-city").past(TRANSACTION)
    assert past is not None
    assert (past.opened.staff, past.opened.request, past.pending) == ("tanaka", None, False)
    downgrade(engine, exchange.MIGRATIONS, "0001")
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM inquiry")).scalar_one() == 1
