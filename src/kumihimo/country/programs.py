"""Which program each kind of service runs (役割と実装): the one place where role names meet role packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import structlog
from fastapi import FastAPI

from kumihimo.country.boundaries import Role
from kumihimo.domain.kernel.clock import Clock, ShiftedClock, SystemClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.settings import RoleSettings

CLOCK_OFF: Final = "KUMIHIMO_CLOCK_OFF"
log = structlog.get_logger()

# role -> (module with `build` and `prepare`, module and name of its settings)
PROGRAMS: Final[dict[Role, tuple[str, str, str]]] = {
    Role.NUMBERING: ("kumihimo.roles.numbering.api", "kumihimo.roles.numbering.settings", "Settings"),
    Role.REGISTRY: ("kumihimo.roles.registry.api", "kumihimo.roles.registry.settings", "Settings"),
    Role.HUB: ("kumihimo.roles.hub.api", "kumihimo.roles.hub.settings", "Settings"),
    Role.OVERSIGHT: ("kumihimo.roles.oversight.api", "kumihimo.roles.oversight.settings", "Settings"),
    Role.WITNESS: ("kumihimo.roles.oversight.witness_api", "kumihimo.roles.oversight.settings", "WitnessSettings"),
    Role.PORTAL: ("kumihimo.roles.portal.api", "kumihimo.roles.portal.settings", "Settings"),
    Role.LEDGER: ("kumihimo.roles.gateway.api.ledger", "kumihimo.roles.gateway.settings", "LedgerSettings"),
    Role.JPKI: ("kumihimo.roles.jpki.api", "kumihimo.roles.jpki.settings", "Settings"),
    Role.RESPONDER: ("kumihimo.roles.jpki.responder_api", "kumihimo.roles.jpki.settings", "ResponderSettings"),
    Role.EXCHANGE: ("kumihimo.roles.gateway.api.exchange", "kumihimo.roles.gateway.settings", "ExchangeSettings"),
}


def load_settings(role: Role, path: Path) -> RoleSettings:
    """The settings of a service. Raises Problem(file.unreadable)."""
    _, module, name = PROGRAMS[role]
    kind: type[RoleSettings] = getattr(import_module(module), name)
    return kind.load(path)


def build(role: Role, settings: RoleSettings, clock: Clock | None = None) -> FastAPI:
    """The application of a service. Raises Problem where keys, directory or store are not as they must be."""
    make: Callable[[Any, Clock], FastAPI] = import_module(PROGRAMS[role][0]).build
    try:
        return make(settings, clock or _present_clock())
    except Problem as problem:
        if problem.code != "store.not_migrated" or problem.advice is not None:
            raise
        advice = f"Run: kumihimo migrate {role} --settings {settings.file or 'FILE'}"
        raise replace(problem, advice=advice) from None


def _present_clock() -> Clock:
    """The machine's clock, or for drills one that is wrong by KUMIHIMO_CLOCK_OFF seconds, which the program log then says."""
    off = os.environ.get(CLOCK_OFF)
    if not off:
        return SystemClock()
    log.warning("clock off", seconds=float(off))
    return ShiftedClock(timedelta(seconds=float(off)))


def prepare(role: Role, settings: RoleSettings) -> None:
    """Create and migrate the store of a service."""
    make: Callable[[Any], None] = import_module(PROGRAMS[role][0]).prepare
    make(settings)


def modules() -> list[str]:
    """Everything a service may import: loaded once, before the processes are forked."""
    return sorted({module for program in PROGRAMS.values() for module in program[:2]})
