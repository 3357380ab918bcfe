"""Numbers are stored alike on both engines: every one once, to the digit and the instant."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from kumihimo.domain.kernel import FixedClock, ResidentCode, SeededRandomness
from kumihimo.plumbing.storage import migrate
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import MIGRATIONS, NumberingStore, assignment, used_number

NOON = datetime(2026, 6, 1, 3, 0, 0, 250, tzinfo=UTC)


def test_a_bulk_assignment_is_stored_as_it_was_answered(engine: Engine) -> None:
    migrate(engine, MIGRATIONS)
    numbering = Numbering(NumberingStore(engine), SeededRandomness(7), FixedClock(NOON))
    codes = [ResidentCode.random(SeededRandomness(number)).digits for number in range(300)]
    assigned = numbering.assign("x-city", codes)
    with engine.connect() as conn:
        held = {row.resident_code: row for row in conn.execute(select(assignment))}
        drawn = {row.number: row.drawn_at for row in conn.execute(select(used_number))}
    assert {code: f"{row.number:012d}" for code, row in held.items()} == {
        one.resident_code.digits: one.number.digits for one in assigned
    }
    assert {(row.municipality, row.since, row.until) for row in held.values()} == {("x-city", NOON, None)}
    assert drawn == {row.number: NOON for row in held.values()}


def test_a_second_request_adds_only_those_without_a_number(engine: Engine) -> None:
    migrate(engine, MIGRATIONS)
    numbering = Numbering(NumberingStore(engine), SeededRandomness(7), FixedClock(NOON))
    codes = [ResidentCode.random(SeededRandomness(number)).digits for number in range(20)]
    first = numbering.assign("x-city", codes[:10])
    both = numbering.assign("y-city", codes)
    assert [one.number for one in both[:10]] == [one.number for one in first]
    assert [one.newly for one in both] == [False] * 10 + [True] * 10
    assert numbering.counts() == (20, 20)
