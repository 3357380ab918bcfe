"""The HTTP edge of an operator of the hub (情報連携基盤): one package, run once as operator 1 and once as operator 2."""

from __future__ import annotations

from fastapi import FastAPI

from kumihimo.domain.kernel.clock import Clock, SystemClock
from kumihimo.plumbing.storage import migrate, open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.roles.hub.api.first import build_first
from kumihimo.roles.hub.api.second import build_second
from kumihimo.roles.hub.api.shared import Operator
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import MIGRATIONS


def build(settings: Settings, clock: Clock = SystemClock()) -> FastAPI:  # noqa: B008 - a clock has no state
    """The application of one operator. Raises Problem where keys, directory, rule books or store are not as they must be."""
    edge = settings.edge(clock)
    operator = Operator.open(settings, edge, PeerClient(edge))
    return build_first(operator) if settings.operator == 1 else build_second(operator)


def prepare(settings: Settings) -> None:
    """Create and migrate the store."""
    engine = open_engine(settings.store)
    migrate(engine, MIGRATIONS)
    engine.dispose()
