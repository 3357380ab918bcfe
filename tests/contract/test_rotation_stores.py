"""What holders of codes and operators keep of rotations, on both engines: steps, codes of two epochs, generations of seeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, inspect, select, text

from kumihimo.domain.codes import OperatorSecrets, Point, person_point
from kumihimo.domain.kernel import AddresseeNumber, Problem
from kumihimo.plumbing.storage import downgrade, migrate, write_secret
from kumihimo.plumbing.wire.messages.rotation import Phase
from kumihimo.roles.gateway.store import exchange as ex
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore
from kumihimo.roles.gateway.store.rotations import RotationStore
from kumihimo.roles.hub.store import MIGRATIONS as HUB
from kumihimo.roles.hub.store import Domains, SeedStore
from kumihimo.roles.portal.store import MIGRATIONS as PORTAL
from kumihimo.roles.portal.store import PortalStore, metadata
from kumihimo.roles.portal.store_rotation import PortalRotations

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
NUMBERS = [AddresseeNumber.from_serial(serial).digits for serial in range(1, 8)]


def codes(epoch: int, count: int = 3) -> list[Point]:
    return [person_point(b"r" * 32, f"{number:011d}", epoch) for number in range(1, count + 1)]


@pytest.fixture
def exchange(engine: Engine) -> Engine:
    migrate(engine, ex.MIGRATIONS)
    with engine.begin() as conn:
        for number, code in zip(NUMBERS, codes(1), strict=False):
            row = {"institution": "y-city", "addressee_number": number, "code": code, "epoch": 1, "placed_at": NOON}
            conn.execute(insert(ex.link_code).values(row))
    return engine


def test_the_present_epoch_changes_in_one_step_and_only_when_nothing_lacks_its_place(exchange: Engine) -> None:
    store, links = RotationStore(exchange, "y-city", 1), LinkCodeStore(exchange, "y-city")
    assert store.start("漏えい", NOON, None).epoch == 2
    assert store.start("again", NOON, None).reason == "漏えい"
    pairs = list(zip(codes(1), codes(2), strict=True))
    assert store.place(pairs[:2], 2, NOON) == 2
    assert store.place(pairs[:2], 2, NOON) == 2  # again is as once
    assert store.counts(2) == (3, 2)
    assert not store.swap(2, NOON)
    assert store.present() == 1
    (left,) = store.lacking(2, "", 10)
    assert left.code == codes(1)[2]
    assert store.place(pairs, 2, NOON) == 3
    assert store.swap(2, NOON)
    assert store.present() == 2
    found = links.code_of(AddresseeNumber(NUMBERS[0]), 2)
    assert found is not None
    assert (found.code, found.epoch) == (codes(2)[0], 2)


def test_closing_deletes_the_old_codes_and_keeps_those_that_were_asked_with_sealed(exchange: Engine) -> None:
    store = RotationStore(exchange, "y-city", 1)
    with exchange.begin() as conn:
        asked = {
            "institution": "y-city", "transaction": "t", "addressee_number": NUMBERS[1], "case_reference": "c",
            "case_salt": b"s", "provider": "p", "affair": "a", "items": "[]", "epoch": 1, "subject_hash": "h",
            "asked_at": NOON, "staff": "s", "department": "d",
        }  # fmt: skip
        conn.execute(insert(ex.inquiry).values(asked))
    store.start("漏えい", NOON, None)
    store.place(list(zip(codes(1), codes(2), strict=True)), 2, NOON)
    store.swap(2, NOON)
    assert store.close(2, b"public", lambda number, _code: f"sealed {number}".encode(), NOON) == 3
    assert store.audit_code(NUMBERS[1], 1) == f"sealed {NUMBERS[1]}".encode()
    assert store.audit_code(NUMBERS[0], 1) is None
    assert store.old_public_key(1) == b"public"
    with exchange.connect() as conn:
        assert set(conn.execute(select(ex.link_code.c.epoch)).scalars()) == {2}
    newest = store.newest()
    assert newest is not None
    assert newest.closed_at == NOON


def test_an_order_is_carried_out_once_however_often_it_comes(exchange: Engine) -> None:
    store = RotationStore(exchange, "y-city", 1)
    with exchange.begin() as conn:
        assert store.begin(conn, "命令", NOON, NOON + timedelta(days=1), 7).order_number == 7
    store.note(2, swapped_at=NOON, closed_at=NOON)
    with exchange.begin() as conn:
        assert store.begin(conn, "命令", NOON, None, 7).epoch == 2
        assert store.begin(conn, "次の命令", NOON, None, 8).epoch == 3


def test_two_codes_of_one_person_become_the_newest_one_when_the_schema_goes_back(exchange: Engine) -> None:
    store = RotationStore(exchange, "y-city", 1)
    store.start("漏えい", NOON, None)
    store.place(list(zip(codes(1), codes(2), strict=True))[:2], 2, NOON)
    downgrade(exchange, ex.MIGRATIONS, "0004_partitions")
    with exchange.connect() as conn:
        held = conn.execute(text("SELECT addressee_number, epoch FROM link_code ORDER BY 1")).all()
    assert [row.epoch for row in held] == [2, 2, 1]
    migrate(exchange, ex.MIGRATIONS)
    key = inspect(exchange).get_pk_constraint("link_code")["constrained_columns"]
    assert set(key) == {"institution", "addressee_number", "epoch"}


@pytest.fixture
def domains(engine: Engine) -> Domains:
    migrate(engine, HUB)
    return Domains(engine, lambda _institution: 1, seconds=lambda: 0.0)


def test_a_domain_takes_its_steps_in_order_and_each_once(domains: Domains) -> None:
    steps = ((Phase.OPEN, 2), (Phase.SWAP, 2), (Phase.CLOSE, 1), (Phase.OPEN, 3), (Phase.SWAP, 3), (Phase.CLOSE, 2))
    opened = ([1, 2], [1, 2], [2], [2, 3], [2, 3], [3])
    for (phase, epoch), then in zip(steps, opened, strict=True):
        for _ in range(2):
            domains.move("y-city", phase, epoch, NOON)
        assert domains.open_epochs("y-city") == then
        assert not domains.would_change("y-city", phase, epoch)
    assert domains.label("y-city") == "y-city#3"
    assert domains.was_open("y-city#1")
    assert not domains.was_open("y-city#4")
    with pytest.raises(Problem, match=r"codes\.epoch_closed"):
        domains.label("y-city", 1)
    assert domains.open_epochs("x-city") == [1]


@pytest.mark.parametrize(
    ("phase", "epoch"), [(Phase.OPEN, 3), (Phase.SWAP, 2), (Phase.CLOSE, 1), (Phase.CLOSE, 2), (Phase.SWAP, 7)]
)
def test_a_step_out_of_turn_is_refused(domains: Domains, phase: Phase, epoch: int) -> None:
    with pytest.raises(Problem, match=r"rotation\.conflict"):
        domains.move("y-city", phase, epoch, NOON)
    assert domains.open_epochs("y-city") == [1]


def test_a_step_of_one_process_is_known_to_another_when_it_matters(engine: Engine, domains: Domains) -> None:
    other = Domains(engine, lambda _institution: 1, seconds=lambda: 0.0)
    other.move("y-city", Phase.OPEN, 2, NOON)
    assert domains.label("y-city", 2) == "y-city#2"


@pytest.fixture
def seeds(engine: Engine, domains: Domains, tmp_path: Path) -> SeedStore:
    assert domains.open_epochs("y-city") == [1]
    folder = tmp_path / "keys"
    for name in ("reshuffle", "rekey"):
        write_secret(folder / f"{name}.seed", name.encode().ljust(32, b"1"))
    return SeedStore(engine, folder)


def test_new_seeds_serve_what_is_opened_later_and_old_ones_go_when_nobody_needs_them(
    seeds: SeedStore, domains: Domains
) -> None:
    first = seeds.factors()
    before = first.key_share("y-city#1")
    registry = first.reshuffle_factor("registry#1")
    assert seeds.begin(["y-city#1", "registry#1"], lambda count: b"2" * count, NOON) == 2
    assert seeds.factors().key_share("y-city#1") == before
    domains.move("y-city", Phase.OPEN, 2, NOON)
    renewed = OperatorSecrets(b"2" * 32, b"2" * 32)
    assert seeds.factors().key_share("y-city#2") == renewed.key_share("y-city#2")
    assert seeds.factors().key_share("w-town#1") == renewed.key_share("w-town#1")
    assert [one.domains for one in seeds.shown(["y-city#1", "y-city#2"])] == [("y-city#1",), ("y-city#2",)]
    with pytest.raises(Problem, match=r"y-city#1.*seeds\.in_use"):
        seeds.destroy_unused(["y-city#1", "y-city#2"], NOON)
    assert seeds.factors().key_share("y-city#1") == before
    assert seeds.destroy_unused(["y-city#2"], NOON) == [1]
    assert seeds.destroy_unused(["y-city#2"], NOON) == []
    assert [one.destroyed_at for one in seeds.shown(["y-city#2"])] == [NOON, None]
    with pytest.raises(Problem, match=r"key\.missing"):
        seeds.factors().key_share("y-city#1")
    assert seeds.factors().reshuffle_factor("registry#2") == registry, "else all codes issued later would differ"


@pytest.fixture
def portal(engine: Engine) -> Engine:
    migrate(engine, PORTAL)
    return engine


class Model:
    """What the portal should know: which account belongs to which person, whatever their code is."""

    def __init__(self, engine: Engine) -> None:
        self.store, self.rotations = PortalStore(engine), PortalRotations(engine, 1)
        self.counter = dict.fromkeys(range(3), 0)
        self.epoch = self.hubs = 1
        with self.store.transaction() as transaction:
            for person in self.counter:
                transaction.open_account(f"account-{person}", f"ticket-{person}", "x-city", NOON)
                transaction.give_code(f"account-{person}", self.code(person, 1), 1)

    def code(self, person: int, epoch: int) -> bytes:
        return b"code of %d, counter %d, epoch %d" % (person, self.counter[person], epoch)

    def recode(self, person: int) -> None:
        """A pair arrives, twice, in the epoch that the hub calls the present one."""
        old = self.code(person, self.hubs)
        self.counter[person] += 1
        with self.store.transaction() as transaction:
            for _ in range(2):
                transaction.replace_code(old, self.code(person, self.hubs), self.hubs)

    def rotate(self, count: int) -> None:
        """Move some codes to the next epoch, as the hub would."""
        for one in self.rotations.lacking(self.epoch + 1, "", count):
            moved = one.code.replace(b"epoch %d" % self.epoch, b"epoch %d" % (self.epoch + 1))
            self.rotations.place([(one.code, moved)], self.epoch + 1, NOON)

    def close(self) -> None:
        self.rotations.start("r", NOON, None)
        self.rotate(10)
        assert self.rotations.swap(self.epoch + 1, NOON)
        self.rotations.close(self.epoch + 1, NOON)
        self.epoch = self.hubs = self.epoch + 1


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("recode"), st.integers(0, 2)),
        st.tuples(st.just("swap"), st.just(0)),
        st.tuples(st.just("rotate"), st.integers(1, 2)),
        st.tuples(st.just("close"), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_accounts_keep_their_persons_over_any_re_codings_and_rotations(
    portal: Engine, events: list[tuple[str, int]]
) -> None:
    with portal.begin() as conn:
        for table in ("ticket", "account", "replaced_code", "rotation"):
            conn.execute(delete(metadata.tables[table]))
    model = Model(portal)
    for kind, value in events:
        if kind == "recode":
            model.recode(value)
        elif kind == "swap":
            model.rotate(10)
            model.hubs = model.epoch + 1
        elif kind == "rotate":
            model.rotate(value)
        else:
            model.close()
    with portal.connect() as conn:
        held = {
            row.account: bytes(row.link_code) for row in conn.execute(text("SELECT account, link_code FROM account"))
        }
    for person in model.counter:
        possible = {model.code(person, epoch) for epoch in (model.epoch, model.epoch + 1)}
        assert held[f"account-{person}"] in possible
