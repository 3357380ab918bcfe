"""The card's disk (カードの記憶装置): the few operations on files that a card does, with what each of them promises.

Small on purpose: a test puts in a disk that loses power between any two of them.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kumihimo.domain.kernel.errors import Problem


class Disk(Protocol):
    """Files by name in one folder. Nothing is durable before the operation that says so; `OSError` says it did not work."""

    def read(self, name: str) -> bytes | None:
        """The file's bytes, None where there is none."""
        ...

    def names(self) -> list[str]:
        """The names of all files, in no order."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Make or overwrite a file that its owner alone can read. Not durable."""
        ...

    def sync(self, name: str) -> None:
        """The file's bytes are durable afterwards; its name is not."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Replace `new` in one step. Not durable."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file if it is there. Not durable."""
        ...

    def sync_folder(self) -> None:
        """All names are durable afterwards as they are now."""
        ...


class FolderDisk:
    """A folder on a file system; it belongs to one process at a time.

    Raises Problem(card.busy) where another process has the card in use, Problem(key.permissions) on reading a file that
    is open to others.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # On the folder itself: a lock file would be one more file that could be missing.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._descriptor)
            raise Problem(
                "card.busy",
                "the card is in use by another process",
                where=str(folder),
                advice="Take the card out of the reader it is in, or end the process that holds it.",
            ) from error

    def close(self) -> None:
        """Let another process have the card."""
        os.close(self._descriptor)

    def read(self, name: str) -> bytes | None:
        # Here and not above: it brings database libraries along, which take 0.3 s to load, and terminals use this package too.
        from kumihimo.plumbing.storage import read_secret

        try:
            return read_secret(self._folder / name)
        except Problem as problem:
            if problem.code == "key.missing":
                return None
            raise

    def names(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()]

    def write(self, name: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        descriptor = os.open(name, flags, 0o600, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def sync(self, name: str) -> None:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._descriptor)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: str, new: str) -> None:
        os.replace(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def sync_folder(self) -> None:
        os.fsync(self._descriptor)
