"""Numbering: random, unique, never reused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kumihimo.domain.kernel import FixedClock, IndividualNumber, Problem, ResidentCode, SeededRandomness
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.roles.numbering.service import Numbering
from kumihimo.roles.numbering.store import MIGRATIONS, NumberingStore

CLOCK = FixedClock(datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> NumberingStore:
    engine = open_engine(f"sqlite:///{tmp_path}/numbering.db")
    migrate(engine, MIGRATIONS)
    return NumberingStore(engine)


def codes(count: int, seed: int = 1) -> list[str]:
    randomness = SeededRandomness(seed)
    return [ResidentCode.random(randomness).digits for _ in range(count)]


def test_every_resident_gets_a_number_of_their_own(store: NumberingStore) -> None:
    assigned = Numbering(store, SeededRandomness(7), CLOCK).assign("x-city", codes(1_000))
    assert len({one.number.digits for one in assigned}) == 1_000
    assert all(one.newly for one in assigned)


def test_asking_again_gives_the_same_number(store: NumberingStore) -> None:
    numbering = Numbering(store, SeededRandomness(7), CLOCK)
    first = numbering.assign("x-city", codes(3))
    again = numbering.assign("y-city", codes(3))
    assert [one.number for one in first] == [one.number for one in again]
    assert not any(one.newly for one in again)
    assert numbering.counts() == (3, 3)


def test_the_same_code_twice_in_one_request_gets_one_number(store: NumberingStore) -> None:
    code = codes(1)[0]
    assigned = Numbering(store, SeededRandomness(7), CLOCK).assign("x-city", [code, code])
    assert assigned[0].number == assigned[1].number


class StuckGenerator:
    """Draws the same bodies over and over, then goes on: a generator that repeats itself."""

    def __init__(self, bodies: Sequence[int]) -> None:
        self._bodies = list(bodies)

    def token_bytes(self, n: int) -> bytes:
        # 37 bits in five bytes: a body is drawn as 1 + a number below 10^11 - 1, so that it is never all zeros
        return b"".join(((self._bodies.pop(0) - 1) << 3).to_bytes(5) for _ in range(n // 5))

    def randbelow(self, n: int) -> int:
        raise AssertionError("numbers are drawn from bytes")


def test_a_number_once_drawn_is_never_given_to_anybody_else(store: NumberingStore) -> None:
    first, second = codes(2)
    given = Numbering(store, StuckGenerator([62149832025]), CLOCK).assign("x-city", [first])[0].number
    other = Numbering(store, StuckGenerator([62149832025, 98320567321]), CLOCK).assign("x-city", [second])[0].number
    assert given == IndividualNumber.parse("621498320257")
    assert other == IndividualNumber.parse("983205673214")


def test_a_generator_that_repeats_itself_stops_numbering(store: NumberingStore) -> None:
    first, second = codes(2)
    Numbering(store, StuckGenerator([62149832025]), CLOCK).assign("x-city", [first])
    with pytest.raises(Problem) as caught:
        Numbering(store, StuckGenerator([62149832025] * 50), CLOCK).assign("x-city", [second])
    assert caught.value.code == "number.none_left"


def test_one_wrong_resident_code_leaves_the_whole_batch_unassigned(store: NumberingStore) -> None:
    numbering = Numbering(store, SeededRandomness(7), CLOCK)
    good = codes(1)[0]
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    with pytest.raises(Problem) as caught:
        numbering.assign("x-city", [good, wrong])
    assert caught.value.code == "resident_code.check_digit"
    assert caught.value.where == "resident_codes[1]"
    assert numbering.counts() == (0, 0)


def test_a_body_gets_one_corporate_number_however_it_is_written(store: NumberingStore) -> None:
    numbering = Numbering(store, SeededRandomness(7), CLOCK)
    number, newly = numbering.assign_corporate("株式会社 組紐", "甲県X市中央1-2-3")
    again, second = numbering.assign_corporate("株式会社組紐", "甲県X市中央１-２-３")
    assert newly
    assert not second
    assert again == number


def test_a_body_without_name_gets_no_number(store: NumberingStore) -> None:
    with pytest.raises(Problem) as caught:
        Numbering(store, SeededRandomness(7), CLOCK).assign_corporate("　", "甲県X市")
    assert caught.value.code == "name.empty"
