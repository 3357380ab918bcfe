"""A witness's door (立会人の窓口): it cosigns the log's checkpoints, and shows anybody the newest it cosigned.

C2SP tlog-witness. The oversight body is one witness; others, run by whoever wants to (the press, a university), run this
program alone: it knows sizes and roots of the log, and nothing that stands in it. Witnesses that compare what they cosigned find
out a log that shows each of them another history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from kumihimo.domain.kernel import Clock, Problem, SystemClock
from kumihimo.domain.transparency.note import NoteKey, VerifierKey
from kumihimo.domain.transparency.witness import WitnessRefusal
from kumihimo.plumbing.storage import migrate, open_engine, read_secret, require_current
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.remote_log import LOGGER
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import KeysVital, StoreVital, watch
from kumihimo.roles.oversight.service.witness import Witness
from kumihimo.roles.oversight.settings import WitnessSettings
from kumihimo.roles.oversight.store import MIGRATIONS, Findings, WitnessStore

SIZE_TYPE = "text/x.tlog.size"
WITNESS_KEY = "witness.key"
COSIGNED = "/witness/cosigned"


def prepare(settings: WitnessSettings) -> None:
    """Create and migrate the store."""
    migrate(open_engine(settings.store), MIGRATIONS)


def build(settings: WitnessSettings, clock: Clock | None = None) -> FastAPI:
    """The application of a witness that is nothing else. Raises Problem(store.not_migrated) and those of keys."""
    engine = open_engine(settings.store)
    require_current(engine, MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    signer = NoteKey.from_seed(settings.witness_name, read_secret(edge.identity.folder / WITNESS_KEY))
    witnessed = WitnessStore(engine)
    witness = Witness(witnessed, Findings(engine), VerifierKey.parse(settings.log_key), signer, edge.clock)
    app = application("witness")
    watch(app, edge, StoreVital(engine, MIGRATIONS), KeysVital(edge, (WITNESS_KEY,)))
    mount_witness(app, edge, witness, witnessed, settings.log_origin)
    return app


def mount_witness(
    app: FastAPI,
    edge: Edge,
    witness: Witness,
    witnessed: WitnessStore,
    origin: str,
    cosigned: Callable[[], None] = lambda: None,
) -> None:
    """Add the routes of a witness; `cosigned` is called after each cosignature."""

    @app.post("/witness/add-checkpoint")
    def add_checkpoint(body: PlainBody, peer: Peer) -> Response:
        """C2SP tlog-witness: cosign a checkpoint of operator 1 that extends the one known here."""
        if peer != LOGGER:
            raise Problem("peer.not_allowed", f"{peer} runs no log", expected=LOGGER)
        try:
            line = witness.add_checkpoint(body.decode())
        except WitnessRefusal as refusal:
            return _refused(refusal)
        except UnicodeDecodeError:
            return PlainTextResponse("not UTF-8\n", status_code=400)
        cosigned()
        return PlainTextResponse(line)

    @app.get(COSIGNED)
    def newest(peer: Peer) -> Response:
        """The newest checkpoint cosigned here, as the log signed it; any party of the country may compare it."""
        edge.directory.party(peer)
        note = witnessed.note(origin)
        if note is None:
            raise Problem("log.unknown_entry", "no checkpoint has been cosigned here yet")
        return PlainTextResponse(note)


async def _body(request: Request) -> bytes:
    return await request.body()


# Whatever content type the log gives it: the witness protocol's body is plain text.
PlainBody = Annotated[bytes, Depends(_body)]


def _refused(refusal: WitnessRefusal) -> Response:
    """The answers of C2SP tlog-witness: the known size alone when the old size differs, words otherwise."""
    if refusal.stored_size is not None:
        return Response(f"{refusal.stored_size}\n", status_code=refusal.witness_status, media_type=SIZE_TYPE)
    return PlainTextResponse(f"{refusal}\n", status_code=refusal.witness_status)
