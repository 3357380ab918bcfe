"""The oversight body looks again at what it verified, and at what other witnesses cosigned."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.tiles import EntryBundle, Tile
from kumihimo.roles.oversight.service.alarms import AlarmKind, plain
from kumihimo.roles.oversight.service.other_witnesses import PATIENCE, OtherWitnesses
from kumihimo.roles.oversight.service.patrol import Patrol

AUDITOR = PartyId("auditor/witness")


@dataclass
class Elsewhere:
    """What the other witness shows: signed notes, or nothing."""

    notes: list[str] = field(default_factory=list)

    def get(self, party: PartyId, path: str) -> bytes:
        assert (party, path) == (AUDITOR, "/witness/cosigned")
        if not self.notes:
            raise Problem("peer.unreachable", party)
        return self.notes[-1].encode()


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def compared(overseer: Any, elsewhere: Elsewhere) -> OtherWitnesses:
    return OtherWitnesses(
        [AUDITOR], elsewhere, overseer.verified, overseer.findings, overseer.operator.key.verifier_key, overseer.clock
    )


def kinds(overseer: Any) -> list[AlarmKind]:
    return [alarm.kind for alarm in overseer.findings.alarms()]


def test_the_same_history_elsewhere_is_no_alarm(overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses) -> None:
    overseer.grow_well(3)
    elsewhere.notes.append(overseer.operator.note)
    overseer.grow_well(2)
    compared.compare()
    assert kinds(overseer) == []


def test_another_history_elsewhere_is_a_split_view_with_both_notes(
    overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses
) -> None:
    overseer.grow_well(3)
    key = overseer.operator.key
    forged = str(Checkpoint(key.name, 2, bytes(32)).signed(key))
    elsewhere.notes.append(forged)
    compared.compare()
    (alarm,) = overseer.findings.alarms()
    assert alarm.kind is AlarmKind.SPLIT_VIEW
    assert forged in alarm.evidence
    assert overseer.operator.note in alarm.evidence


def test_what_is_ahead_elsewhere_is_awaited_and_then_an_alarm(
    overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses
) -> None:
    overseer.grow_well(3)
    key = overseer.operator.key
    elsewhere.notes.append(str(Checkpoint(key.name, 9, bytes(32)).signed(key)))
    compared.compare()
    assert kinds(overseer) == []
    overseer.clock.at += PATIENCE + timedelta(seconds=1)
    compared.compare()
    assert kinds(overseer) == [AlarmKind.SPLIT_VIEW]


def test_what_is_ahead_elsewhere_is_compared_once_we_are_there(
    overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses
) -> None:
    overseer.grow_well(3)
    key = overseer.operator.key
    elsewhere.notes.append(str(Checkpoint(key.name, 5, bytes(32)).signed(key)))
    compared.compare()
    overseer.grow_well(4)
    compared.compare()
    assert kinds(overseer) == [AlarmKind.SPLIT_VIEW]


@pytest.mark.parametrize("note", ["", "nonsense", "hub-1.kumihimo.internal/log\n2\nAAAA\n\n— x AAAA\n"])
def test_what_the_log_has_not_signed_is_nobodys_fault(
    overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses, note: str
) -> None:
    overseer.grow_well(3)
    elsewhere.notes.append(note)
    compared.compare()
    assert kinds(overseer) == []


def test_a_witness_that_cannot_be_reached_is_asked_again(
    overseer: Any, elsewhere: Elsewhere, compared: OtherWitnesses
) -> None:
    overseer.grow_well(3)
    compared.compare()
    elsewhere.notes.append(str(Checkpoint(overseer.operator.key.name, 2, bytes(32)).signed(overseer.operator.key)))
    compared.compare()
    assert kinds(overseer) == [AlarmKind.SPLIT_VIEW]


def test_the_patrol_goes_round_all_bundles_and_finds_what_was_changed_long_ago(overseer: Any) -> None:
    overseer.grow_well(600)
    patrol = Patrol(overseer.operator, overseer.verified, overseer.findings, overseer.clock)
    for _ in range(4):
        patrol.round()
    assert kinds(overseer) == []
    place = EntryBundle(1, 256)
    truth = overseer.operator.entries(place)
    overseer.operator.altered[place] = (bytes(32), *truth[1:])
    overseer.operator.altered[Tile(0, 2, 88)] = bytes(88 * 32)
    for _ in range(3):
        patrol.round()
    assert sorted(kinds(overseer)) == [AlarmKind.ENTRIES_ALTERED, AlarmKind.TILE_ALTERED]


def test_a_patrol_of_an_empty_log_finds_nothing(overseer: Any) -> None:
    Patrol(overseer.operator, overseer.verified, overseer.findings, overseer.clock).round()
    assert kinds(overseer) == []


def test_every_kind_of_alarm_has_a_sentence() -> None:
    assert all(plain(kind).endswith(".") for kind in AlarmKind)
