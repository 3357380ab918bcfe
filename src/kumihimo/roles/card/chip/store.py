"""How a card's state lies on its disk (状態の保存): one small root file that is replaced in one step, and contents beside it.

The root holds PIN counters and everything small, and names the contents it belongs with by file, length and SHA-256. New
contents are written and made durable, with their names, before the root that names them; contents no root names any more
are removed afterwards, durable or not. So whatever a loss of power leaves behind, there is one root and all it names:

    contents written → each made durable → folder durable → new root written → made durable → renamed → folder durable

A commit without new contents (a PIN counter) skips the first three.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from kumihimo.domain.kernel.errors import Problem
from kumihimo.roles.card.chip.disk import Disk
from kumihimo.roles.card.chip.layout import Access
from kumihimo.roles.card.chip.state import KEYS, CardState, Ordinance, PinRecord

ROOT: Final = "state"
NEXT_ROOT: Final = "state.next"
NOTICE: Final = "SOFTWARE-CARD.txt"
_CONTENT: Final = "content-"
_SECRET: Final = "secret-"  # noqa: S105 (a file name)
_VERSION: Final = 1


@dataclass(frozen=True)
class _Kept:
    """A content as it lies on the disk."""

    file: str
    content: bytes
    digest: str


class Store:
    """The state of one card on one disk. Raises Problem(card.absent) where there is no card, Problem(store.damaged)."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._kept: dict[str, _Kept] = {}
        self._generation = 0

    @classmethod
    def create(cls, disk: Disk, state: CardState) -> Store:
        """A new card. Raises Problem(card.exists) where there is one already."""
        if disk.read(ROOT) is not None:
            raise Problem("card.exists", "there is a card in this folder already", expected="an empty folder")
        store = cls(disk)
        disk.write(NOTICE, _NOTICE_TEXT.encode())
        disk.sync(NOTICE)
        store.commit(state)
        return store

    def load(self) -> CardState:
        """The state of the last commit that became durable."""
        raw = self._disk.read(ROOT)
        if raw is None:
            raise Problem("card.absent", "there is no card in this folder", expected=f"a file {ROOT!r}")
        try:
            body, _, digest = raw.rpartition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                raise ValueError("its hash does not fit")
            root = json.loads(body)
            if root["version"] != _VERSION:
                raise ValueError(f"version {root['version']}")
            self._generation = int(root["generation"])
            self._kept = {name: self._read(*entry) for name, entry in root["contents"].items()}
            return _state(root, {name: kept.content for name, kept in self._kept.items()})
        except (ValueError, KeyError, TypeError) as error:
            raise Problem(
                "store.damaged", f"the card's state cannot be read: {error}", advice="Issue the resident a new card."
            ) from error

    def commit(self, state: CardState) -> None:
        """Make `state` the state of the card, durably. After an OSError either the old or the new state is the one."""
        generation = self._generation + 1
        kept: dict[str, _Kept] = {}
        written: list[str] = []
        for name, content in state.contents.items():
            old = self._kept.get(name)
            if old is not None and old.content is content:
                kept[name] = old
                continue
            file = f"{_SECRET if name.startswith(KEYS) else _CONTENT}{generation:08d}-{len(written):02d}"
            self._disk.write(file, content)
            written.append(file)
            kept[name] = _Kept(file, content, hashlib.sha256(content).hexdigest())
        for file in written:
            self._disk.sync(file)
        if written:
            self._disk.sync_folder()
        self._disk.write(NEXT_ROOT, _root(state, generation, kept))
        self._disk.sync(NEXT_ROOT)
        self._disk.rename(NEXT_ROOT, ROOT)
        self._disk.sync_folder()
        self._generation = generation
        dropped = {one.file for one in self._kept.values()} - {one.file for one in kept.values()}
        self._kept = kept
        for file in dropped:
            self._disk.remove(file)

    def sweep(self) -> None:
        """Remove what a commit that was cut short left behind: nothing names it. Call it after `load`."""
        # A process may have been killed after the renaming: the root read is made durable before what it replaced goes.
        self._disk.sync_folder()
        named = {one.file for one in self._kept.values()}
        for name in self._disk.names():
            if (name.startswith((_CONTENT, _SECRET)) and name not in named) or name == NEXT_ROOT:
                self._disk.remove(name)

    def _read(self, file: str, length: int, digest: str) -> _Kept:
        content = self._disk.read(file)
        if content is None or len(content) != length or hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"content {file} is missing or altered")
        return _Kept(file, content, digest)


def _root(state: CardState, generation: int, kept: Mapping[str, _Kept]) -> bytes:
    root = {
        "version": _VERSION,
        "generation": generation,
        "serial": state.serial,
        "latest_day": state.latest_day.isoformat(),
        "municipality": state.municipality,
        "capacity": state.capacity,
        "pins": {
            at: {"verifier": None if pin.verifier is None else pin.verifier.hex(), "tries": pin.tries}
            for at, pin in state.pins.items()
        },
        "ordinances": {
            aid: {"municipality": one.municipality, "access": one.access.name} for aid, one in state.ordinances.items()
        },
        "contents": {name: [one.file, len(one.content), one.digest] for name, one in kept.items()},
    }
    body = json.dumps(root, separators=(",", ":")).encode()
    return body + b"\n" + hashlib.sha256(body).hexdigest().encode()


def _state(root: dict[str, Any], contents: Mapping[str, bytes]) -> CardState:
    pins = {
        at: PinRecord(None if pin["verifier"] is None else bytes.fromhex(pin["verifier"]), int(pin["tries"]))
        for at, pin in root["pins"].items()
    }
    ordinances = {aid: Ordinance(one["municipality"], Access[one["access"]]) for aid, one in root["ordinances"].items()}
    if not ordinances.keys() <= contents.keys():
        raise ValueError("an ordinance application without content")
    return CardState(
        serial=root["serial"],
        latest_day=date.fromisoformat(root["latest_day"]),
        municipality=root["municipality"],
        capacity=int(root["capacity"]),
        pins=pins,
        ordinances=ordinances,
        contents=contents,
    )


_NOTICE_TEXT: Final = """\
This folder is a SOFTWARE CARD: a stand-in for an IC card, not one.
Its private keys are files that whoever owns this folder can copy. A real card does not let them out.
このフォルダはソフトウェアで作ったカードの代用品です。本物の IC カードと違い、鍵を複写から守れません。
"""
