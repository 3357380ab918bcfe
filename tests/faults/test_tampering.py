"""Whatever operator 1 does to its log, or has done to it, is found and said in a sentence; and a split view is proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kumihimo.cli import oversight as commands
from kumihimo.cli.main import app
from kumihimo.country.drills import tamper
from kumihimo.country.drills.drilling import Ground
from kumihimo.country.layout import Country
from kumihimo.country.log_check import contradiction, notes_in
from kumihimo.country.officer import Officer
from kumihimo.domain.kernel import Problem
from kumihimo.domain.transparency.checkpoint import Checkpoint
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.plumbing.storage import read_secret


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


def test_every_way_of_altering_the_log_is_found_and_told(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in tamper.play(Ground(silent, seed=3, scratch=tmp_path))}
    assert "signed two histories" in shown["split view"]
    assert "with root" in shown["split view"]
    assert "Entries of the log were altered" in shown["entry"]
    assert "refuses to start" in shown["tile"]
    assert "A tile of the log does not follow from its entries" in shown["tile, while up"]
    assert "a checkpoint that it has not signed" in shown["checkpoint"]
    assert "signed two histories" in shown["all, signed anew"]
    assert "fewer entries than it had" in shown["older store"]
    verified_wrong = [name for name, found in shown.items() if "log verify: " in found]
    assert len(verified_wrong) == 5


def signed(founded: Country, size: int, first_byte: int) -> str:
    """A checkpoint as only the log of this country can sign it."""
    name = VerifierKey.parse((founded.folder / "log.vkey").read_text().strip()).name
    key = NoteKey.from_seed(name, read_secret(founded.keys(tamper._HUB) / "log.key"))
    return str(Checkpoint(name, size, bytes([first_byte]) + bytes(31)).signed(key))


def test_two_checkpoints_of_one_size_prove_a_split_view_without_the_log(founded: Country, tmp_path: Path) -> None:
    both = f"{signed(founded, 7, 1)}\n{signed(founded, 7, 2)}"
    assert contradiction(founded, notes_in(both)) is not None
    file = tmp_path / "evidence.txt"
    file.write_text(both)
    with pytest.raises(Problem) as caught:
        CliRunner().invoke(
            app, ["log", "verify", "--country", str(founded.folder), "--against", str(file)], catch_exceptions=False
        )
    assert caught.value.code == "log.inconsistent"
    assert "has signed both: 7 entries with root 01" in caught.value.detail


def test_checkpoints_of_two_sizes_alone_prove_nothing(founded: Country) -> None:
    assert contradiction(founded, (signed(founded, 7, 1), signed(founded, 8, 2), signed(founded, 7, 1))) is None


def test_a_checkpoint_of_another_log_is_no_evidence(founded: Country) -> None:
    other = NoteKey.from_seed("hub-1.kumihimo.internal/log", bytes(32))
    forged = str(Checkpoint("hub-1.kumihimo.internal/log", 7, bytes(32)).signed(other))
    with pytest.raises(Problem) as caught:
        contradiction(founded, (signed(founded, 7, 1), forged))
    assert caught.value.code.startswith(("message.", "log."))


def test_the_status_says_each_alarm_in_a_sentence_and_writes_the_evidence(
    founded: Country, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands alone: what they print of findings that the oversight body would tell."""
    finding = {"kind": "split_view", "sentence": "Two histories.", "what": "7 entries", "evidence": "note\n"}
    monkeypatch.setattr(Officer, "status", lambda _self: {"alarms": 1, "alarms_by_kind": {"split_view": 1}})
    monkeypatch.setattr(Officer, "findings", lambda _self: [finding])
    said = CliRunner().invoke(commands.app, ["status", "--country", str(founded.folder)])
    assert said.exit_code == 1
    assert "ALARM  Two histories. 7 entries" in said.output
    done = CliRunner().invoke(commands.app, ["evidence", str(tmp_path / "out"), "--country", str(founded.folder)])
    assert done.exit_code == 0
    assert (tmp_path / "out" / "001-split_view.txt").read_text() == "note\n"
