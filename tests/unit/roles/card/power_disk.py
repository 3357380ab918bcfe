"""A disk in memory that loses power, for tests of the card: what was not made durable may be there, torn, or gone.

Each operation is a boundary at which power can be lost. Bytes not synced are lost, torn or kept; names not synced are kept
in any subset. That is more cruel than any file system, and what the card's promise is made for.
"""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field


class PowerLost(BaseException):
    """The power is gone. Not an Exception: no code of the card gets to see it."""


@dataclass
class _File:
    cached: bytes = b""
    durable: bytes = b""
    synced: bool = True


@dataclass
class PowerDisk:
    """Implements `Disk`. `fails_at` is the operation (from 0) before which power is lost, None for never."""

    fails_at: int | None = None
    steps: int = 0
    _files: dict[int, _File] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)
    _durable_names: dict[str, int] = field(default_factory=dict)
    _pending: list[tuple[str, str, int | str]] = field(default_factory=list)

    def read(self, name: str) -> bytes | None:
        return self._files[self._names[name]].cached if name in self._names else None

    def names(self) -> list[str]:
        return list(self._names)

    def write(self, name: str, data: bytes) -> None:
        self._step()
        if name not in self._names:
            self._names[name] = len(self._files)
            self._files[self._names[name]] = _File()
            self._pending.append(("link", name, self._names[name]))
        file = self._files[self._names[name]]
        file.cached, file.synced = bytes(data), False

    def sync(self, name: str) -> None:
        self._step()
        file = self._files[self._names[name]]
        file.durable, file.synced = file.cached, True

    def rename(self, old: str, new: str) -> None:
        self._step()
        self._names[new] = self._names.pop(old)
        self._pending.append(("move", old, new))
        self._pending.append(("link", new, self._names[new]))

    def remove(self, name: str) -> None:
        self._step()
        if name in self._names:
            del self._names[name]
            self._pending.append(("unlink", name, ""))

    def sync_folder(self) -> None:
        self._step()
        self._durable_names, self._pending = dict(self._names), []

    def fresh(self, fails_at: int | None = None) -> PowerDisk:
        """A copy of this disk, as it is, that loses power at another boundary."""
        disk = deepcopy(self)
        disk.fails_at, disk.steps = fails_at, 0
        return disk

    def after_loss(self, draw: random.Random) -> PowerDisk:
        """What stands on the disk when power is back."""
        names = dict(self._durable_names)
        pending = iter(self._pending)
        for kind, name, value in pending:
            persisted = draw.random() < 0.5
            if kind == "move":  # one step with the link that follows it
                _, new, file = next(pending)
                if persisted:
                    names.pop(name, None)
                    names[new] = int(file)
            elif persisted and kind == "link":
                names[name] = int(value)
            elif persisted:
                names.pop(name, None)
        disk = PowerDisk()
        for name, number in names.items():
            content = self._survivor(self._files[number], draw)
            disk._names[name] = len(disk._files)
            disk._files[disk._names[name]] = _File(content, content)
        disk._durable_names = dict(disk._names)
        return disk

    @staticmethod
    def _survivor(file: _File, draw: random.Random) -> bytes:
        if file.synced:
            return file.cached
        cut = draw.randrange(len(file.cached) + 1)
        return draw.choice(
            (
                file.durable,
                b"",
                file.cached[:cut],
                file.cached[:cut] + bytes(len(file.cached) - cut),
                file.cached[:cut] + file.durable[cut:],
                file.cached,
            )
        )

    def _step(self) -> None:
        if self.steps == self.fails_at:
            raise PowerLost
        self.steps += 1
