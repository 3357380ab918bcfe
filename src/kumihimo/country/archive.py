"""Archives (控えの保管): what a backup consists of on disk, and how it is known to be whole.

ARCHIVE/manifest.json                            what there is, with SHA-256, and what each store holds
ARCHIVE/files/…                                  settings, directory, public keys, by their path in the country's folder
ARCHIVE/stores/INSTITUTION.SERVICE               one snapshot for each store

Keys are an archive of their own, in another folder, made only when asked for: who finds one of the two has not both.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import sha256_of

MANIFEST: Final = "manifest.json"
FILES: Final = "files"
STORES: Final = "stores"


class Kept(BaseModel):
    """One file of the archive: `path` in the archive, `home` where it belongs in the country's folder ("" for a store)."""

    model_config = ConfigDict(frozen=True)
    path: str
    home: str
    sha256: str
    size: int
    mode: int


class KeptStore(BaseModel):
    """One store of the archive: whose it is, its file, its schema's revision and the rows of each table."""

    model_config = ConfigDict(frozen=True)
    party: str
    path: str
    engine: Literal["sqlite", "postgresql"]
    revision: str
    rows: dict[str, int]


class Manifest(BaseModel):
    """What an archive says of itself. `log_size` and `log_root` (hex) are of operator 1's newest checkpoint."""

    model_config = ConfigDict(frozen=True)
    format: Literal["kumihimo-backup.v1"] = "kumihimo-backup.v1"
    made_at: datetime
    program: str
    files: tuple[Kept, ...]
    stores: tuple[KeptStore, ...] = ()
    log_size: int | None = None
    log_root: str | None = None


class ArchiveWriter:
    """Fills a new archive; `finish` writes the manifest last, so that an archive with one is whole."""

    def __init__(self, folder: Path) -> None:
        """Raises Problem(backup.exists, file.unwritable)."""
        self.folder = folder
        self._kept: list[Kept] = []
        try:
            folder.mkdir(parents=True, mode=0o700)
            (folder / FILES).mkdir(mode=0o700)
        except FileExistsError:
            raise Problem(
                "backup.exists", str(folder), expected="a folder that does not exist yet",
                advice="Give every backup a folder of its own.",
            ) from None  # fmt: skip
        except OSError as error:
            raise Problem("file.unwritable", error.strerror or str(error), where=str(folder)) from None

    def place_for_store(self, party: str) -> Path:
        """Where the snapshot of a party's store goes."""
        folder = self.folder / STORES
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / party.replace("/", ".")

    def keep(self, source: Path, home: str) -> None:
        """Copy a file durably, with its mode."""
        target = self.folder / FILES / home
        target.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        _write(target, source.read_bytes(), 0o600)
        self.note(target, home, source.stat().st_mode & 0o644)

    def note(self, file: Path, home: str = "", mode: int = 0o600) -> str:
        """Put a file that is in the archive already into the manifest; its path there."""
        path = file.relative_to(self.folder).as_posix()
        self._kept.append(Kept(path=path, home=home, sha256=sha256_of(file), size=file.stat().st_size, mode=mode))
        return path

    def finish(
        self, made_at: datetime, program: str, stores: tuple[KeptStore, ...] = (), log: tuple[int, str] | None = None
    ) -> Manifest:
        """Write the manifest."""
        size, root = log or (None, None)
        manifest = Manifest(
            made_at=made_at, program=program, files=tuple(self._kept), stores=stores, log_size=size, log_root=root
        )
        _write(self.folder / MANIFEST, manifest.model_dump_json(indent=1).encode(), 0o600)
        return manifest


def open_archive(folder: Path) -> Manifest:
    """Read a manifest and hold every file against it. Raises Problem(file.unreadable, backup.damaged)."""
    file = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        detail = error.strerror or "" if isinstance(error, OSError) else f"{error.error_count()} faults"
        raise Problem(
            "file.unreadable", detail, where=str(file), expected="the manifest of a backup that was finished"
        ) from None
    for kept in manifest.files:
        if not _inside(kept.path) or not _inside(kept.home or "store"):
            raise Problem("backup.damaged", "a path that leads out of the archive", where=kept.path)
        found = folder / kept.path
        if not found.is_file() or found.stat().st_size != kept.size or sha256_of(found) != kept.sha256:
            raise Problem(
                "backup.damaged", "missing, or not what was backed up", where=str(found), expected=kept.sha256,
                advice="Use another backup: nothing was restored from this one.",
            )  # fmt: skip
    listed = {kept.path for kept in manifest.files}
    if any(store.path not in listed for store in manifest.stores):
        raise Problem("backup.damaged", "a store without its file", where=str(file))
    return manifest


def put_back(archive: Path, kept: Kept, folder: Path) -> None:
    """Write one file of an archive to its place, with its mode; one that is there already stays. Raises OSError."""
    target = folder / kept.home
    if target.exists():
        return
    target.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    _write(target, (archive / kept.path).read_bytes(), kept.mode & 0o644)


def _inside(path: str) -> bool:
    parts = Path(path).parts
    return bool(parts) and not Path(path).is_absolute() and ".." not in parts


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
