"""What an operator watches about itself (運営者の稼働状態): its log's sequencer, beside store, keys and feeds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from fastapi import FastAPI

from kumihimo.domain.kernel.clock import Clock
from kumihimo.plumbing.wire.feeds import FeedDesk
from kumihimo.plumbing.wire.meters import Reading
from kumihimo.plumbing.wire.vitals import FeedDeskVital, KeysVital, StoreVital, Vital, watch
from kumihimo.roles.hub.api.shared import Operator
from kumihimo.roles.hub.service.sequencer import Sequencer
from kumihimo.roles.hub.store import MIGRATIONS, SeedStore, TreeStore

ROUND_SECONDS: Final = 30.0  # a round waits up to ten seconds for a witness, and again for the store


class SequencerVital:
    """The sequencer goes round: what is promised gets under a checkpoint."""

    name = "sequencer"

    def __init__(self, sequencer: Sequencer, tree: TreeStore, clock: Clock) -> None:
        self._sequencer = sequencer
        self._tree = tree
        self._clock = clock

    def fault(self) -> str | None:
        ended = self._sequencer.round_ended
        if ended is None:
            return "no round since the start"
        age = self._age(ended)
        return f"last round {age:.0f} s ago, expected within {ROUND_SECONDS:.0f} s" if age > ROUND_SECONDS else None

    def readings(self) -> Iterable[Reading]:
        yield Reading("log_entries", float(self._tree.size()))
        yield Reading("checkpoint_missing_cosignatures", float(self._sequencer.missing_cosignatures))
        if self._sequencer.round_ended is not None:
            yield Reading("sequencer_round_age_seconds", self._age(self._sequencer.round_ended))
        latest = self._tree.latest()
        if latest is not None:
            yield Reading("checkpoint_entries", float(latest.size))
            published = self._tree.published_at(latest.size)
            if published is not None:
                yield Reading("checkpoint_age_seconds", self._age(published))

    def _age(self, at: datetime) -> float:
        return (self._clock.now() - at).total_seconds()


class SeedsVital:
    """The newest seeds can be read, by this operator and nobody else."""

    name = "seeds"

    def __init__(self, seeds: SeedStore) -> None:
        self._seeds = seeds

    def fault(self) -> str | None:
        self._seeds.factors()
        return None

    def readings(self) -> Iterable[Reading]:
        return ()


def watch_operator(
    app: FastAPI, operator: Operator, feeds: FeedDesk, *more: Vital, secrets: tuple[str, ...] = ()
) -> None:
    """Add what every operator is watched by, and `more`."""
    edge = operator.edge
    store, keys = StoreVital(operator.engine, MIGRATIONS), KeysVital(edge, secrets)
    watch(app, edge, store, keys, SeedsVital(operator.seed_store), FeedDeskVital(feeds, edge), *more)
