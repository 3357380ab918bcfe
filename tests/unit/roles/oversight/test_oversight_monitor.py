"""The oversight body holds the log to its word: good growth is silent, everything else raises its own alarm."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.merkle import leaf_hash, root_of_leaves
from kumihimo.domain.transparency.tiles import EntryBundle, Tile
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import LogPromise
from kumihimo.roles.oversight.service.alarms import AlarmKind
from kumihimo.roles.oversight.service.monitor import Monitor
from kumihimo.roles.oversight.store import WitnessStore
from kumihimo.roles.oversight.watching import Watching

SENTINEL = b"\x01" * 32


def test_a_log_that_only_grows_raises_no_alarm(overseer: Any) -> None:
    for count in (1, 2, 252, 1, 1, 3, 600, 30):
        for told in overseer.operator.log(count):
            overseer.hear(told, first_seq=told.index + 1)
            overseer.hear_promise(told.logged.promise, seq=told.index + 1)
        overseer.operator.publish()
        overseer.monitor.check()
    overseer.wait(20)
    counts = overseer.findings.counts("hub-1.kumihimo.internal/log")
    assert overseer.kinds() == []
    assert (counts.verified_size, counts.records, counts.promises, counts.promises_kept) == (890, 890, 890, 890)
    assert overseer.verified.root_at(890) == root_of_leaves(leaf_hash(entry) for entry in overseer.operator.entries_)


@pytest.mark.parametrize("tile", [Tile(0, 0, 256), Tile(0, 1, 44), Tile(1, 0, 1)])
def test_a_tampered_tile_is_found_wherever_it_stands(overseer: Any, tile: Tile) -> None:
    overseer.grow_well(200)
    overseer.hear(*overseer.operator.log(100), first_seq=201)
    overseer.operator.publish()
    true = overseer.operator.tile(tile.level, tile.index, tile.width)
    overseer.operator.altered[tile] = SENTINEL + true[32:]
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.TILE_ALTERED]
    assert overseer.verified.state().size == 200


def test_a_repaired_log_is_verified_again_and_the_alarm_stays(overseer: Any) -> None:
    overseer.hear(*overseer.operator.log(3))
    overseer.operator.publish()
    overseer.operator.altered[Tile(0, 0, 3)] = SENTINEL * 3
    overseer.monitor.check()
    overseer.operator.altered.clear()
    overseer.monitor.check()
    assert overseer.verified.state().size == 3
    assert overseer.kinds() == [AlarmKind.TILE_ALTERED]


def test_entries_served_without_one_of_them_are_found(overseer: Any) -> None:
    overseer.grow_well(5)
    overseer.hear(*overseer.operator.log(5), first_seq=6)
    overseer.operator.publish()
    kept = overseer.operator.entries_
    overseer.operator.altered[EntryBundle(0, 10)] = (*kept[:7], SENTINEL, *kept[8:])
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.ENTRIES_ALTERED]


def test_an_old_entry_served_differently_is_found_too(overseer: Any) -> None:
    overseer.grow_well(5)
    overseer.hear(*overseer.operator.log(1), first_seq=6)
    overseer.operator.publish()
    overseer.operator.altered[EntryBundle(0, 6)] = (SENTINEL, *overseer.operator.entries_[1:])
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.ENTRIES_ALTERED]


def test_an_entry_dropped_before_it_was_published_breaks_its_promise(overseer: Any) -> None:
    overseer.grow_well(2)
    dropped, after = overseer.operator.log(2)
    overseer.hear(dropped, after, first_seq=3)
    overseer.hear_promise(dropped.logged.promise)
    overseer.operator.entries_[2:4] = [SENTINEL, overseer.operator.entries_[3]]
    overseer.operator.publish()
    overseer.monitor.check()
    assert sorted(overseer.kinds()) == [AlarmKind.PROMISE_BROKEN, AlarmKind.RECORD_NOT_LOGGED]


def test_a_forked_checkpoint_is_a_split_view_with_both_notes_as_evidence(overseer: Any) -> None:
    overseer.grow_well(6)
    first = overseer.operator.note
    overseer.operator.rewrite([*overseer.operator.entries_[:3], SENTINEL, *overseer.operator.entries_[4:], SENTINEL])
    overseer.monitor.check()
    (alarm,) = overseer.findings.alarms()
    assert alarm.kind is AlarmKind.SPLIT_VIEW
    assert first in alarm.evidence
    assert overseer.operator.note in alarm.evidence


def test_another_root_of_the_same_size_is_a_split_view(overseer: Any) -> None:
    overseer.grow_well(6)
    overseer.operator.rewrite([*overseer.operator.entries_[:5], SENTINEL])
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.SPLIT_VIEW]


def test_showing_the_witness_another_history_than_the_public_is_a_split_view(overseer: Any) -> None:
    told = overseer.operator.log(4)
    overseer.operator.publish()
    overseer.witness.add_checkpoint(overseer.operator.request(0))
    overseer.operator.rewrite([*overseer.operator.entries_[:3], SENTINEL, SENTINEL])
    overseer.hear(*told[:3])
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.SPLIT_VIEW]


def test_a_log_that_shrinks_is_an_alarm(overseer: Any) -> None:
    overseer.grow_well(6)
    overseer.operator.rewrite(overseer.operator.entries_[:4])
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.LOG_SHRUNK]


def test_a_checkpoint_signed_by_somebody_else_is_an_alarm(overseer: Any) -> None:
    overseer.grow_well(1)
    overseer.operator.note = overseer.operator.note.replace("\n1\n", "\n2\n")
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.CHECKPOINT_INVALID]


def test_a_tile_that_the_log_refuses_to_serve_is_an_alarm(overseer: Any) -> None:
    overseer.hear(*overseer.operator.log(2))
    overseer.operator.publish()
    overseer.operator.altered[Tile(0, 0, 2)] = Problem("log.unknown_entry", "/tile/0/000.p/2")
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.LOG_WITHHELD]


def test_a_promise_not_kept_is_an_alarm_after_ten_seconds_and_not_before(overseer: Any) -> None:
    overseer.grow_well(1)
    overseer.hear_promise(overseer.operator.promise(1, SENTINEL))
    overseer.wait(10)
    assert overseer.kinds() == []
    overseer.wait(1)
    assert overseer.kinds() == [AlarmKind.PROMISE_OVERDUE]


def test_a_promise_kept_late_was_overdue_and_one_broken_late_is_broken(overseer: Any) -> None:
    (late,) = overseer.operator.log(1)
    overseer.hear(late)
    overseer.hear_promise(late.logged.promise)
    overseer.hear_promise(overseer.operator.promise(0, SENTINEL), seq=2)
    overseer.operator.down = True
    overseer.wait(30)
    assert overseer.kinds() == []  # nobody can tell while the log cannot be read
    overseer.operator.down = False
    overseer.operator.publish()
    overseer.monitor.check()
    assert overseer.kinds() == [AlarmKind.PROMISE_BROKEN]
    assert overseer.findings.counts("hub-1.kumihimo.internal/log").promises_kept == 1


def test_a_log_that_cannot_be_read_for_a_minute_is_an_alarm_once(overseer: Any) -> None:
    overseer.grow_well(1)
    overseer.operator.down = True
    overseer.wait(60)
    assert overseer.kinds() == []
    overseer.wait(5)
    assert overseer.kinds() == [AlarmKind.LOG_SILENT]


def test_an_entry_whose_record_is_kept_back_is_an_alarm(overseer: Any) -> None:
    hidden, shown = overseer.operator.log(2)
    overseer.operator.publish()
    overseer.hear(shown)
    overseer.wait(11)
    assert overseer.kinds() == [AlarmKind.RECORD_GAP]
    overseer.wait(1)
    assert set(overseer.kinds()) == {AlarmKind.RECORD_GAP, AlarmKind.RECORD_MISSING}
    overseer.hear(hidden, first_seq=2)
    overseer.monitor.check()
    assert AlarmKind.RECORD_NOT_LOGGED not in overseer.kinds()


def test_a_record_that_does_not_open_the_entry_is_an_alarm_and_not_kept(overseer: Any) -> None:
    (true,) = overseer.operator.log(1)
    record = true.logged.record.model_copy(update={"institution": "y-city"})
    false = true.model_copy(update={"logged": true.logged.model_copy(update={"record": record})})
    overseer.hear(false)
    assert overseer.kinds() == [AlarmKind.RECORD_INVALID]
    assert overseer.findings.counts("hub-1.kumihimo.internal/log").records == 0


def test_a_record_told_under_another_index_than_promised_is_an_alarm(overseer: Any) -> None:
    (true,) = overseer.operator.log(1)
    overseer.hear(true.model_copy(update={"index": 1}))
    assert overseer.kinds() == [AlarmKind.RECORD_INVALID]


def test_hearing_a_record_or_promise_twice_changes_nothing(overseer: Any) -> None:
    overseer.grow_well(1)
    overseer.hear(overseer.operator.told[0])
    overseer.hear_promise(overseer.operator.told[0].logged.promise)
    overseer.hear_promise(overseer.operator.told[0].logged.promise)
    counts = overseer.findings.counts("hub-1.kumihimo.internal/log")
    assert (counts.records, counts.promises, counts.alarms) == (1, 1, {})


def test_a_promise_in_operator_ones_name_by_somebody_else_is_an_alarm(overseer: Any) -> None:
    promise = LogPromise(index=0, entry="AAAA", logged_at=overseer.clock.now())
    overseer.hear_promise(seal_envelope(promise, overseer.edge.identity))
    assert overseer.kinds() == [AlarmKind.PROMISE_INVALID]


def test_a_restarted_monitor_goes_on_where_it_stood(overseer: Any) -> None:
    overseer.grow_well(300)
    again = Monitor(
        overseer.operator,
        overseer.verified,
        WitnessStore(overseer.engine),
        overseer.findings,
        overseer.operator.key.verifier_key,
        [],
        overseer.clock,
    )
    overseer.hear(*overseer.operator.log(300), first_seq=301)
    overseer.operator.publish()
    again.check()
    assert overseer.verified.state().size == 600
    assert overseer.kinds() == []


def test_the_watch_goes_on_after_a_round_that_failed() -> None:
    rounds, second = [], Event()

    def check() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            watching.wake()
            raise RuntimeError("the disk is full")
        second.set()

    watching = Watching(check, seconds=3600)
    watching.start()
    watching.wake()
    assert second.wait(10)
    watching.stop()
    assert rounds == [0, 1]
