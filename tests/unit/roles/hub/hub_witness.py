"""A witness as the oversight body runs one, with its state in memory, and a reader of the log's tiles."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from hub_country import HUB_1, OVERSIGHT, Caller, HubCountry

from kumihimo.domain.transparency.note import NoteKey
from kumihimo.domain.transparency.tiles import EntryBundle, Tile
from kumihimo.domain.transparency.witness import AddCheckpoint, WitnessedState, WitnessRefusal, decide
from kumihimo.roles.hub.api.first import log_key, witnesses
from kumihimo.roles.hub.service.sequencer import Sequencer
from kumihimo.roles.hub.store import TreeStore

WITNESS = NoteKey.from_seed("oversight.kumihimo.internal/witness", b"w" * 32)
IMPOSTOR = NoteKey.from_seed("oversight.kumihimo.internal/witness", b"i" * 32)


@dataclass
class OversightBody:
    """Cosigns with `signer` what the log shows to have only grown."""

    country: HubCountry
    signer: NoteKey = WITNESS
    states: dict[str, WitnessedState] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    cosigned: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        key = log_key(self.country.operators[HUB_1].settings).verifier_key
        app = FastAPI()

        @app.post("/witness/add-checkpoint")
        async def add_checkpoint(request: Request) -> Response:
            try:
                asked = AddCheckpoint.parse((await request.body()).decode())
                self.asked.append(asked.old_size)
                accepted = decide(asked, {key.name: key}, self.states, self.signer, self.country.clock.now())
            except WitnessRefusal as refusal:
                size = "" if refusal.stored_size is None else f"{refusal.stored_size}\n"
                return Response(size, status_code=refusal.witness_status)
            self.states[accepted.origin] = accepted.state
            self.cosigned.set()
            return Response(accepted.cosignature.line())

        self.country.apps[OVERSIGHT] = app


@dataclass
class LogReader:
    """Reads the log as anybody may: through its checkpoint and tiles."""

    caller: Caller

    def checkpoint(self) -> str:
        return self.caller.wire.get(HUB_1, "/log/checkpoint").decode()

    def tile(self, level: int, index: int, width: int) -> bytes:
        return self.caller.wire.get(HUB_1, f"/log{Tile(level, index, width).path}")

    def bundle(self, index: int, width: int) -> bytes:
        return self.caller.wire.get(HUB_1, f"/log{EntryBundle(index, width).path}")


def sequencer(country: HubCountry, seconds: float = 1.0) -> Sequencer:
    """The sequencer of operator 1 as it is when the process has just started."""
    operator = country.operators[HUB_1]
    tree = TreeStore(operator.engine)
    return Sequencer(tree, log_key(operator.settings), witnesses(operator), country.clock, seconds)
