"""Late refusals (不許可の後送): what was refused while operator 2 could not be reached is told to the resident later.

A request that operator 1 logged and operator 2 never heard of would be seen by the requester and the log alone. It is kept
with its entry, sent until operator 2 has it, and then forgotten, ciphertext and all.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Final, Protocol

import structlog

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Background, Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.inquiry import PortalAccess, RefusalRelayed, RelayRefusal
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.batch_refusals import ChunkRefusals, is_chunk
from kumihimo.roles.hub.service.parties import is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Passages, Sender, send_to_operator
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck, Seeds
from kumihimo.roles.hub.service.records import request_record
from kumihimo.roles.hub.service.rulings import Ruling
from kumihimo.roles.hub.service.second import ACCESS_KIND, requested
from kumihimo.roles.hub.service.towards_portal import ends_towards_portal
from kumihimo.roles.hub.store import Domains, News, Passage, Unrelayed

_PAGE: Final = 100
_PORTAL: Final = institution_of(PORTAL)
_SHORTEST, _LONGEST = 1.0, 5.0  # seconds between rounds
log = structlog.get_logger()


class Outbox(Protocol):
    """Refusals operator 2 has not heard of: `store.LogStore`."""

    def unrelayed(self, after: int, limit: int) -> list[tuple[int, Unrelayed]]: ...
    def forget_unrelayed(self, index: int) -> None: ...


class RefusalRelay(Background):
    """Operator 1's sender, in a thread of its own. One that is not accepted does not hold up the others."""

    def __init__(
        self,
        edge: Edge,
        outbox: Outbox,
        translator: Translator,
        seeds: Seeds,
        sender: Sender,
        domains: Domains,
        chunks: ChunkRefusals | None = None,
    ) -> None:
        self._domains = domains
        self._edge = edge
        self._chunks = chunks
        self._translator = translator
        self._seeds = seeds
        self._outbox = outbox
        self._sender = sender
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(_LONGEST)

    def send_all(self) -> int:
        """Send what waits, once; how many still wait because they were not accepted or operator 2 is not there."""
        after, waiting = -1, 0
        while page := self._outbox.unrelayed(after, _PAGE):
            for index, unrelayed in page:
                after = index
                try:
                    self._send(unrelayed)
                except Problem as problem:
                    log.warning("refusal.waiting", index=index, code=problem.code)
                    if problem.code == "codes.identity_point":  # nobody's: there is no resident to tell
                        self._outbox.forget_unrelayed(index)
                        continue
                    waiting += 1
                    if problem.code == "operator.unreachable":
                        return waiting
                    continue
                self._outbox.forget_unrelayed(index)
        return waiting

    def _send(self, unrelayed: Unrelayed) -> None:
        if self._chunks is not None and is_chunk(unrelayed.request):
            self._chunks.send(unrelayed.request)
            return
        request, epoch = requested(self._edge, unrelayed.request).value, self._domains.present(_PORTAL)
        source, target = ends_towards_portal(self._domains, request, epoch)
        seed = self._seeds.seed(request.transaction, self._edge.clock.now())
        half = self._translator.hop([from_b64(request.subject, "subject")], source, target, seed=seed)[0]
        relay = self._edge.message(
            RelayRefusal, OPERATORS[1], request=unrelayed.request, logged=unrelayed.logged, for_portal=b64(half),
            portal_epoch=epoch,
        )  # fmt: skip
        send_to_operator(self._sender, "/relayed-refusals", relay, RefusalRelayed)

    def _run(self) -> None:
        pause = _SHORTEST
        while not self._stopping.wait(pause):
            try:
                waiting = self.send_all()
            except Exception:  # the thread must live: what waits is kept, and tried again
                log.exception("refusals.failed")
                waiting = 1
            pause = min(pause * 2, _LONGEST) if waiting else _SHORTEST


class SecondRefusalDesk:
    """Operator 2 tells the portal of a refusal it hears of late."""

    def __init__(
        self,
        edge: Edge,
        passages: Passages,
        translator: Translator,
        notify: Notify,
        seeds: Seeds,
        check: ProofCheck,
        domains: Domains,
    ) -> None:
        self._domains = domains
        self._check = check
        self._edge = edge
        self._passages = passages
        self._translator = translator
        self._seeds = seeds
        self._notify = notify

    def pass_on(self, envelope: Envelope, peer: PartyId) -> RefusalRelayed:
        """Check a RelayRefusal and put it on the portal's feed, once.

        Raises Problem: of a signature, peer.not_allowed, log.proof_invalid (promise, a record that is no refusal of this
        request), codes.proof_invalid. The request's age does not matter: it has waited for us, and nothing is permitted by it.
        """
        relay = self._edge.open(envelope, RelayRefusal, peer, is_first_operator).value
        signed = requested(self._edge, relay.request)
        request, record = signed.value, relay.logged.record
        promised = check_logged(self._edge, relay.logged)
        subject = from_b64(request.subject, "subject")
        told = Ruling(record.rule_book or "", (), (), record.refusal, subject)
        if record.refusal is None or record != request_record(signed, told, record.logged_at):
            raise Problem("log.proof_invalid", "the logged record is no refusal of this request", where="record")
        source, target = ends_towards_portal(self._domains, request, relay.portal_epoch)
        hop = Hop(source, target, request.subject, relay.for_portal)
        self._check.sample(request.transaction, (hop,), envelope)
        half, seed = from_b64(relay.for_portal, "ciphertext"), self._seeds.seed(request.transaction, self._now())
        for_portal = self._translator.hop([half], source, target, seed=seed)[0]
        access = PortalAccess(
            transaction=request.transaction, subject=b64(for_portal), logged=relay.logged, epoch=relay.portal_epoch
        )
        passage = Passage(
            f"refused/{promised.index}", promised.signed, (News(PORTAL, ACCESS_KIND, access),), self._now()
        )
        if self._passages.passes(passage):
            self._notify()
        return RefusalRelayed(in_reply_to=relay.message_id, transaction=request.transaction)

    def _now(self) -> datetime:
        return self._edge.clock.now()
