"""A small disk (小容量ディスク): a tmpfs under one party's folder, which can be filled to the last byte and emptied again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kumihimo.domain.kernel import Problem

ROOM: Final = 4 * 1024 * 1024  # beside what lies there already
_BALLAST: Final = "ballast"
_MOUNT, _UMOUNT = "/usr/bin/mount", "/usr/bin/umount"


@dataclass(frozen=True)
class SmallDisk:
    """A mounted disk; `fill` leaves no room on it, `empty` gives it back."""

    folder: Path

    def fill(self) -> None:
        """Take every byte that is left, with the write-ahead log of a store written back before: it would be room, too."""
        for store in self.folder.glob("*.db"):
            with sqlite3.connect(store, timeout=5) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
        with suppress(OSError), (self.folder / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (65_536, 4_096, 1):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(size))

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink(missing_ok=True)


def can_mount() -> str | None:
    """Why a small disk cannot be mounted here; None where it can."""
    if os.geteuid() != 0:
        return "mounting a small disk takes root"
    return None if Path(_MOUNT).exists() else f"there is no {_MOUNT}"


@contextmanager
def small_disk(folder: Path, room: int = ROOM) -> Iterator[SmallDisk]:
    """A disk under `folder`, with what lies there and `room` bytes more, for the length of a `with` block.

    What is on it afterwards is put back into the folder. Raises Problem(drill.impossible).
    """
    why = can_mount()
    if why is not None:
        raise Problem("drill.impossible", why, expected="root on Linux, in a place that is not in use")
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    size = room + sum(file.stat().st_size // 4096 * 4096 + 8192 for file in aside.rglob("*"))
    mounted = subprocess.run(  # noqa: S603 - paths of our own making
        [_MOUNT, "-t", "tmpfs", "-o", f"size={size},mode=0700", "kumihimo-drill", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode != 0:
        folder.rmdir()
        aside.rename(folder)
        raise Problem("drill.impossible", mounted.stderr.strip(), expected="the right to mount a tmpfs")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield SmallDisk(folder)
        (folder / _BALLAST).unlink(missing_ok=True)
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
    finally:
        subprocess.run([_UMOUNT, "--lazy", str(folder)], check=False)  # noqa: S603
        folder.rmdir()
        aside.rename(folder)
