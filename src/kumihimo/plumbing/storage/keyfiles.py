"""Key files (鍵ファイル): private keys and seeds that only their owner can read, and public ones that everybody may.

Safeguards in the system (安全措置): a key that another account could have read is no longer a key, so it is refused
before use. Files appear whole or not at all, and survive a power cut once written.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from kumihimo.domain.kernel.errors import Problem


def write_secret(path: Path, data: bytes) -> None:
    """Write `data` durably to a new file with mode 0600; its folder is made with 0700 when missing.

    Raises Problem `key.exists` when there is a file already: a key is never overwritten.
    """
    temporary = _durable_temporary(path, data, 0o600)
    try:
        # A hard link, unlike a rename, fails when the name is taken, also against a writer at the same moment.
        os.link(temporary, path)
    except FileExistsError as error:
        raise Problem(
            "key.exists",
            "there is a file already",
            where=str(path),
            expected="a path without a file",
            advice="A key is never overwritten. Move the old file away first, if it is really to be replaced.",
        ) from error
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def replace_secret(path: Path, data: bytes) -> None:
    """Write `data` durably with mode 0600, replacing what was there in one step: for keys that are replaced while in use."""
    _replace(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Write `data` durably with mode 0644, replacing what was there in one step."""
    _replace(path, data, 0o644)


def _replace(path: Path, data: bytes, mode: int) -> None:
    temporary = _durable_temporary(path, data, mode)
    try:
        temporary.replace(path)
    except OSError:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def read_secret(path: Path) -> bytes:
    """Read a key that nobody but this account can have read.

    Raises Problem `key.missing`, or `key.permissions` when the file is not ours, not a plain file, or open to others.
    """
    try:
        # Not blocking: opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Problem(
            "key.missing",
            "there is no such file",
            where=str(path),
            expected="a key file with mode 0600",
            advice="Check the path in the settings, or make the key.",
        ) from error
    except PermissionError as error:
        raise Problem(
            "key.permissions",
            "this account may not read it",
            where=str(path),
            expected=f"owned by user id {os.geteuid()}, mode 0600",
            advice=f"Run: chown {os.geteuid()} {path} && chmod 600 {path}",
        ) from error
    try:
        _require_private(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _require_private(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        found, advice = "not a plain file", "Put the key itself there."
    elif status.st_uid != os.geteuid():
        found, advice = f"owned by user id {status.st_uid}", f"Run: chown {os.geteuid()} {path}"
    elif mode & ~0o600:
        found, advice = f"mode {mode:04o}", f"Run: chmod 600 {path} (and replace the key if others may have read it)"
    else:
        return
    raise Problem(
        "key.permissions",
        found,
        where=str(path),
        expected=f"a plain file owned by user id {os.geteuid()}, mode 0600",
        advice=advice,
    )


def _durable_temporary(path: Path, data: bytes, mode: int) -> Path:
    """A file beside `path` with the bytes safely on disk; on failure nothing is left behind."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        temporary.unlink()
        raise
    return temporary


def sync_folder(folder: Path) -> None:
    """Make what was made, renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
