"""Rotation by hand (更新の実施): of an institution's link codes by its desk, of an operator's seeds and the registry's key on
their own machines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk
from kumihimo.country.layout import Country
from kumihimo.domain.codes import CONSTANT_INSTITUTION, domain_label
from kumihimo.domain.kernel import Problem, SystemClock, SystemRandomness
from kumihimo.plumbing.storage import open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.rotation import (
    CloseRotation,
    Phase,
    RotationShown,
    ShowRotation,
    StartRotation,
)
from kumihimo.plumbing.wire.moving_codes import MovingCodes
from kumihimo.roles.hub.settings import Settings as HubSettings
from kumihimo.roles.hub.store import MIGRATIONS, Domains, Generation, SeedStore


class RotationDesk(Desk):
    """The desk of an institution that rotates its link codes."""

    @classmethod
    def of(cls, country: Country, institution: str) -> RotationDesk:
        """Raises Problem(institution.unknown)."""
        return cls(country, topology.desk_of(Desk.of(country, institution).institution))

    def start(self, reason: str, close_at: datetime | None) -> RotationShown:
        """Begin a rotation, which the exchange carries on by itself; the one under way, where there is one."""
        exchange = topology.exchange_of(self.institution)
        return self.ask(exchange, "/rotations", StartRotation, RotationShown, reason=reason, close_at=close_at)

    def show(self) -> RotationShown:
        """How far the newest rotation is."""
        return self.ask(topology.exchange_of(self.institution), "/shown-rotations", ShowRotation, RotationShown)

    def close(self, at_once: bool) -> RotationShown:
        """Close the old epoch. Raises Problem(rotation.none, rotation.too_early)."""
        exchange = topology.exchange_of(self.institution)
        return self.ask(exchange, "/closed-rotations", CloseRotation, RotationShown, at_once=at_once)


@dataclass(frozen=True)
class OperatorsSeeds:
    """The seeds of one operator, on its own machine, beside the service that may be running."""

    store: SeedStore
    domains: Domains
    directory: Directory

    def begin(self) -> int:
        """Draw new seeds for every domain that is opened from now on; their generation. Raises Problem(key.exists)."""
        return self.store.begin(self.open_labels(), SystemRandomness().token_bytes, SystemClock().now())

    def shown(self) -> list[Generation]:
        """Every generation, and the open domains that still need it."""
        return self.store.shown(self.open_labels())

    def destroy_unused(self) -> list[int]:
        """Destroy all generations but the newest. Raises Problem(seeds.in_use) and destroys nothing then."""
        return self.store.destroy_unused(self.open_labels(), SystemClock().now())

    def open_labels(self) -> list[str]:
        """Every open domain of everybody who holds codes."""
        holders = [one.id for one in self.directory.institutions() if self._holds_codes(one.id)]
        return [domain_label(holder, epoch) for holder in holders for epoch in self.domains.open_epochs(holder)]

    def _holds_codes(self, institution: str) -> bool:
        holder = {"registry": topology.REGISTRY, "portal": topology.PORTAL}.get(institution)
        return self.directory.has(holder or topology.exchange_of(institution))


@contextmanager
def seeds_of(settings_file: Path) -> Iterator[OperatorsSeeds]:
    """The seeds of the operator with these settings. Raises Problem(file.unreadable, value.invalid, store.not_migrated)."""
    settings = programs.load_settings(Role.HUB, settings_file)
    assert isinstance(settings, HubSettings)  # noqa: S101 - what the program of that role has
    engine = open_engine(settings.store)
    try:
        require_current(engine, MIGRATIONS)
        directory = settings.edge(SystemClock()).directory
        yield OperatorsSeeds(SeedStore(engine, settings.keys), Domains(engine, directory.epoch), directory)
    finally:
        engine.dispose()


def renew_registry_key(settings_file: Path, reason: str) -> int:
    """Open the next epoch of the registry's domain and fetch its key, for the registry to use from its next start; the epoch.

    The registry keeps no codes, so there is nothing to move. Again after a failure goes on. Raises Problem.
    """
    with _registry(settings_file) as (moving, keys, present):
        epoch = present + 1
        moving.step(Phase.OPEN, epoch, reason)
        moving.step(Phase.SWAP, epoch, reason)
        keys.secret(domain_label(CONSTANT_INSTITUTION, epoch))  # last: its file says that all this is done
    return epoch


def close_registry_key(settings_file: Path, reason: str) -> int:
    """Close the epoch before the newest, once the registry has started with the newest, and destroy its key; the epoch.

    Raises Problem(rotation.none) where there is but one.
    """
    with _registry(settings_file) as (moving, keys, newest):
        if newest == 1:
            raise Problem("rotation.none", "the registry has had one key only")
        moving.step(Phase.CLOSE, newest - 1, reason)
        keys.destroy(domain_label(CONSTANT_INSTITUTION, newest - 1))
    return newest - 1


@contextmanager
def _registry(settings_file: Path) -> Iterator[tuple[MovingCodes, LinkKeys, int]]:
    settings = programs.load_settings(Role.REGISTRY, settings_file)
    edge = settings.edge(SystemClock())
    client = PeerClient(edge)
    keys = LinkKeys(edge, client)
    newest = keys.newest_epoch(CONSTANT_INSTITUTION) or edge.directory.epoch(CONSTANT_INSTITUTION)
    try:
        yield MovingCodes(edge, client, keys.secret), keys, newest
    finally:
        client.close()
