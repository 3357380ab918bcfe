"""The log: checkpoints that a witness cosigns, tiles that anybody reads, and a restart that loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hub_country import HUB_1, NOON, OVERSIGHT, PORTAL, HubCountry, X
from hub_witness import IMPOSTOR, WITNESS, LogReader, OversightBody, sequencer
from sqlalchemy import insert, select, update

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.checkpoint import OpenedCheckpoint, open_checkpoint
from kumihimo.domain.transparency.merkle import inclusion_proof, leaf_hash, root_of_leaves
from kumihimo.domain.transparency.proof import TlogProof, Trust
from kumihimo.domain.transparency.tiles import TiledTree, tile_from, tiles_for, unpack_entries
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogPromise, LogRecord
from kumihimo.roles.hub.api.first import log_key
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.store import LogStore
from kumihimo.roles.hub.store.tables import checkpoints, entries, tiles


@pytest.fixture
def country(hub_keys: Path, tmp_path: Path) -> Iterator[HubCountry]:
    made = HubCountry(
        hub_keys, tmp_path, overrides={1: {"witnesses": (OVERSIGHT,), "witness_keys": (str(WITNESS.witness_key),)}}
    )
    yield made
    for operator in made.operators.values():
        operator.engine.dispose()


def write(country: HubCountry, count: int) -> None:
    """Let operator 1 log `count` records, many at a time."""
    store = LogStore(country.engine(HUB_1), country.edge(HUB_1).answer, OVERSIGHT)
    journal = Journal(store, country.clock, lambda: None)
    record = LogRecord(entry=EntryKind.RULE_BOOK, logged_at=NOON, rule_book="0" * 64)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(journal.write, [record] * count))
    store.close()


def leaves(country: HubCountry) -> list[bytes]:
    with country.engine(HUB_1).connect() as conn:
        return [
            leaf_hash(entry)
            for entry in conn.execute(select(entries.c.commitment).order_by(entries.c.entry_index)).scalars()
        ]


def opened(country: HubCountry) -> OpenedCheckpoint:
    key = log_key(country.operators[HUB_1].settings).verifier_key
    return open_checkpoint(LogReader(country.party(PORTAL)).checkpoint(), key, (WITNESS.witness_key,))


def test_before_the_first_checkpoint_there_is_nothing_to_read(country: HubCountry) -> None:
    assert sequencer(country).tick() is None
    with pytest.raises(Problem, match=r"log\.unknown_entry"):
        LogReader(country.party(PORTAL)).checkpoint()


def test_a_resident_s_portal_proves_an_access_from_tiles_alone(country: HubCountry) -> None:
    OversightBody(country)
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako)
    write(country, 300)
    sequencer(country).tick()
    promise = country.party(PORTAL).edge.read(decision.promise, LogPromise, HUB_1).value
    reader = LogReader(country.party(PORTAL))
    size = opened(country).checkpoint.size
    hashes = inclusion_proof(TiledTree(reader, size), promise.index, size)
    trust = Trust.in_all(log_key(country.operators[HUB_1].settings).verifier_key, [WITNESS.witness_key])
    entry = from_b64(promise.entry, "entry")
    verified = TlogProof(promise.index, hashes, reader.checkpoint()).verify(entry, trust)
    assert [witness.key for witness in verified.witnesses] == [WITNESS.witness_key]
    assert entry in unpack_entries(reader.bundle(0, 256), 256)


def test_every_tile_is_served_as_the_entries_say_and_only_full_ones_are_kept(country: HubCountry) -> None:
    OversightBody(country)
    clerk = sequencer(country)
    for count in (1, 255, 300):
        write(country, count)
        clerk.tick()
        every = leaves(country)
        assert opened(country).checkpoint.root == root_of_leaves(every)
    reader = LogReader(country.party(PORTAL))
    tree = TiledTree(reader, 556)
    for tile in tiles_for(556):
        assert reader.tile(tile.level, tile.index, tile.width) == tile_from(tree, tile)
    with country.engine(HUB_1).connect() as conn:
        kept = conn.execute(select(tiles.c.level, tiles.c.tile_index).order_by(tiles.c.tile_index)).all()
    assert [tuple(row) for row in kept] == [(0, 0), (0, 1)]


def test_a_log_of_three_levels_is_served_too(country: HubCountry) -> None:
    OversightBody(country)
    rows = [
        {"entry_index": n, "commitment": n.to_bytes(32, "big"), "salt": bytes(32), "record": "{}", "logged_at": NOON}
        for n in range(65_536 + 300)
    ]
    with country.engine(HUB_1).begin() as conn:
        conn.execute(insert(entries), rows)
    clerk = sequencer(country)
    first, second = clerk.tick(), clerk.tick()
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (65_536, 65_836)
    assert second.root == root_of_leaves(leaf_hash(row["commitment"]) for row in rows)
    reader = LogReader(country.party(PORTAL))
    assert len(reader.tile(2, 0, 1)) == 32
    assert len(reader.tile(1, 1, 1)) == 32
    assert len(reader.tile(0, 257, 44)) == 44 * 32
    assert sequencer(country).tick() == second


@pytest.mark.parametrize(
    "path", ["/tile/0/001", "/tile/0/000.p/6", "/tile/1/000.p/1", "/tile/entries/000.p/6", "/tile/0/0"]
)
def test_what_the_newest_checkpoint_does_not_cover_is_not_served(country: HubCountry, path: str) -> None:
    OversightBody(country)
    write(country, 5)
    sequencer(country).tick()
    write(country, 1)
    with pytest.raises(Problem, match=r"log\.unknown_entry"):
        country.party(PORTAL).wire.get(HUB_1, f"/log{path}")


def test_without_the_witness_the_log_goes_on_and_is_cosigned_later(country: HubCountry) -> None:
    country.down.add(OVERSIGHT)
    clerk = sequencer(country)
    write(country, 3)
    clerk.tick()
    assert (opened(country).checkpoint.size, opened(country).cosigned) == (3, ())
    country.down.clear()
    body = OversightBody(country)
    clerk.tick()
    assert body.asked == [], "the witness is not asked again before the pause is over"
    country.clock.at = NOON + timedelta(seconds=2)
    clerk.tick()
    assert [witness.key for witness in opened(country).cosigned] == [WITNESS.witness_key]
    write(country, 1)
    clerk.tick()
    assert (opened(country).checkpoint.size, len(opened(country).cosigned)) == (4, 1)


def test_a_cosignature_by_another_key_is_not_taken(country: HubCountry) -> None:
    OversightBody(country, signer=IMPOSTOR)
    write(country, 3)
    sequencer(country).tick()
    assert opened(country).cosigned == ()
    assert len(opened(country).note.signatures) == 1


def test_a_restarted_log_goes_on_where_it_was_and_finds_out_what_the_witness_has_seen(country: HubCountry) -> None:
    body = OversightBody(country)
    write(country, 300)
    sequencer(country).tick()
    write(country, 7)
    restarted = sequencer(country)
    restarted.tick()
    assert body.asked == [0, 0, 300]
    assert (opened(country).checkpoint.size, len(opened(country).cosigned)) == (307, 1)
    assert opened(country).checkpoint.root == root_of_leaves(leaves(country))


def test_a_checkpoint_lost_in_a_crash_is_made_again(country: HubCountry) -> None:
    """The witness cosigned it, then the power failed before the log stored it; more entries came since."""
    body = OversightBody(country)
    write(country, 5)
    sequencer(country).tick()
    with country.engine(HUB_1).begin() as conn:
        conn.execute(checkpoints.delete())
    write(country, 2)
    sequencer(country).tick()
    assert body.asked == [0, 0, 5]
    assert (opened(country).checkpoint.size, len(opened(country).cosigned)) == (7, 1)


def test_a_store_whose_entries_were_changed_does_not_start(country: HubCountry) -> None:
    OversightBody(country)
    write(country, 5)
    sequencer(country).tick()
    with country.engine(HUB_1).begin() as conn:
        conn.execute(update(entries).where(entries.c.entry_index == 2).values(commitment=bytes(32)))
    with pytest.raises(Problem, match=r"log\.inconsistent"):
        sequencer(country)


def test_a_started_sequencer_publishes_by_itself_and_finishes_what_it_began_when_stopped(country: HubCountry) -> None:
    body = OversightBody(country)
    write(country, 4)
    clerk = sequencer(country, seconds=0.01)
    clerk.start()
    assert body.cosigned.wait(30)
    clerk.stop()
    assert (opened(country).checkpoint.size, len(opened(country).cosigned)) == (4, 1)
