"""A disk without room: nothing half written, one clear problem, and the same work done once there is room again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kumihimo.country.drills import disk
from kumihimo.country.drills.drilling import Ground
from kumihimo.country.drills.small_disk import SmallDisk, can_mount, small_disk
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import write_public, write_secret

pytestmark = pytest.mark.skipif(can_mount() is not None, reason=f"NOT RUN: {can_mount()}")
COMMAND = "from kumihimo.cli.main import main; main()"


def silent(_name: str, _done: int, _total: int) -> None:
    """No progress in tests."""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk on which there is no room; 64 KiB until `fill`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 64 * 1024) as mounted:
        yield mounted


def kumihimo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_every_store_may_fill_up_and_nothing_is_half_written(tmp_path: Path) -> None:
    shown = {one.what: one.found for one in disk.play(Ground(silent, seed=4, scratch=tmp_path))}
    full = [found for found in shown.values() if "store.full" in found]
    assert len(full) == 9
    assert shown["stores"] == "28 stores whole, nothing half written"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_secret, write_public])
def test_a_key_that_does_not_fit_leaves_nothing(full: SmallDisk, write: object) -> None:
    full.fill()
    before = sorted(full.folder.iterdir())
    with pytest.raises(OSError, match="No space left"):
        write(full.folder / "some.key", bytes(32))  # type: ignore[operator]
    assert sorted(full.folder.iterdir()) == before
    full.empty()
    write(full.folder / "some.key", bytes(32))  # type: ignore[operator]
    assert (full.folder / "some.key").read_bytes() == bytes(32)


def test_a_public_file_that_cannot_be_replaced_stays_as_it_was(full: SmallDisk) -> None:
    write_public(full.folder / "directory.json", b"the old one")
    full.fill()
    with pytest.raises(OSError, match="No space left"):
        write_public(full.folder / "directory.json", b"x" * 8192)
    assert (full.folder / "directory.json").read_bytes() == b"the old one"


def test_a_backup_that_does_not_fit_leaves_nothing(founded: Country, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 512 * 1024):
        done = kumihimo("backup", founded.folder, "--to", folder / "archive")
        assert done.returncode == 1
        assert "file.unwritable" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(folder.iterdir()) == []


def test_a_country_that_does_not_fit_is_not_founded(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 2 * 1024 * 1024):
        done = kumihimo("country", "new", folder / "country", "--residents", "12")
        assert done.returncode == 1
        assert "store.full" in done.stderr or "file.unwritable" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(folder.iterdir()) == []


def test_a_program_log_without_room_stops_nobody(full: SmallDisk) -> None:
    written = full.folder / "program.log"
    script = (
        "import sys, structlog; from pathlib import Path; from kumihimo.plumbing import program_log\n"
        "with Path(sys.argv[1]).open('a', buffering=1) as stream:\n"
        "    program_log.configure('x-city/ledger', stream)\n"
        "    for number in range(3000): structlog.get_logger().info('problem', count=number)\n"
        "    input('written\\n')\n"
        "    structlog.get_logger().info('problem', count=-1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(written)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        full.fill()
        (full.folder / "ballast").unlink(missing_ok=True)
        written.write_bytes(b"")
        process.communicate("\n")
    assert process.returncode == 0
    assert json.loads(written.read_text().splitlines()[-1])["count"] == -1


def test_a_small_disk_cannot_be_had_without_the_right_to_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(Problem) as caught, small_disk(tmp_path):
        pass
    assert caught.value.code == "drill.impossible"
