"""Translation of issued codes (符号取得の変換): registry → operator 1 → operator 2 → the institution's feed.

番号法 第二十一条第二項, 令第二十条. The operators see one-time tickets and ciphertexts; the log keeps only for which
institution and how many. An item waits in operator 2's feed until its exchange has taken it, and is then deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import Final

import structlog

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64, check_fresh, from_b64, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued, CodesTranslated, RelayCodes, TranslateCodes
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import REGISTRY, holder_of_codes, is_first_operator, is_registry
from kumihimo.roles.hub.service.ports import Notify, Passages, RequireActive, Sender, send_to_operator
from kumihimo.roles.hub.service.records import codes_record
from kumihimo.roles.hub.store import Domains, News, Passage

CODES_KIND: Final = "codes"
# Readers take up to 500 items at once: small items keep a page of them within the largest message.
ITEM: Final = 100
log = structlog.get_logger()


class CodeHop:
    """One operator's half of the translation of a batch, from the registry's domain to an institution's."""

    def __init__(
        self, edge: Edge, translator: Translator, require_active: RequireActive, pool: Executor, domains: Domains
    ) -> None:
        self.domains = domains
        self._edge = edge
        self._translator = translator
        self._require_active = require_active
        self._pool = pool

    def translate(
        self, codes: Iterable[BlindCode], source_epoch: int | None, institution: str, epoch: int | None
    ) -> tuple[BlindCode, ...]:
        """The same tickets with ciphertexts translated to that epoch of the institution's domain.

        Raises Problem(institution.unknown, institution.suspended, peer.unknown, codes.epoch_closed, codes.identity_point,
        codes.not_a_point).
        """
        target = self.domains.label(institution, epoch)
        self._edge.directory.party(holder_of_codes(institution))
        self._require_active(institution)
        batch = tuple(codes)
        # A code that replaces another goes with it: both halves of a pair are translated alike.
        pairs = [(code.ciphertext, *(() if code.replaces is None else (code.replaces,))) for code in batch]
        ciphertexts = [from_b64(text, "ciphertext") for pair in pairs for text in pair]
        source = self.domains.label(institution_of(REGISTRY), source_epoch)
        done = iter(self._translator.hop(ciphertexts, source, target, pool=self._pool))
        return tuple(
            BlindCode(
                ticket=code.ticket,
                ciphertext=b64(next(done)),
                replaces=b64(next(done)) if code.replaces is not None else None,
            )
            for code in batch
        )


class FirstCodeDesk:
    """Operator 1 takes the registry's batches."""

    def __init__(self, edge: Edge, hop: CodeHop, journal: Journal, sender: Sender) -> None:
        self._edge = edge
        self._hop = hop
        self._journal = journal
        self._sender = sender

    def translate(self, body: bytes, peer: PartyId) -> CodesTranslated:
        """Log a signed TranslateCodes, translate it, and see it accepted by operator 2.

        Raises Problem, each logged as rejected: of a signature or age, message.replayed, those of `CodeHop.translate`,
        operator.unreachable.
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), TranslateCodes, peer, is_registry)
            batch = signed.value
            epoch = self._hop.domains.present(batch.institution)
            codes = self._hop.translate(batch.codes, batch.epoch, batch.institution, epoch)
            record = codes_record(signed, self._journal.now())
            logged = self._journal.write_once(record, f"codes/{batch.message_id}")
            if logged is None:
                raise Problem("message.replayed", f"batch {batch.message_id} was already sent")
            relay = self._edge.message(
                RelayCodes, OPERATORS[1], batch=signed.envelope, logged=logged, codes=codes, epoch=epoch
            )
            reply = send_to_operator(self._sender, "/relayed-codes", relay, CodesTranslated)
        log.info("codes", institution=batch.institution, count=reply.count)
        return CodesTranslated(in_reply_to=batch.message_id, count=reply.count)


class SecondCodeDesk:
    """Operator 2 finishes batches and hands them to the institution."""

    def __init__(self, edge: Edge, hop: CodeHop, passages: Passages, notify: Notify) -> None:
        self._edge = edge
        self._hop = hop
        self._passages = passages
        self._notify = notify

    def finish(self, envelope: Envelope, peer: PartyId) -> CodesTranslated:
        """Check a RelayCodes against the registry's own batch, finish the translation and put it on the feed.

        The same tickets sent again, because an answer was lost, are accepted without effect. Raises Problem: of a
        signature or age, log.proof_invalid (a promise or record of something else), message.malformed (other tickets than
        the registry's), those of `CodeHop.translate`.
        """
        relay = self._edge.open(envelope, RelayCodes, peer, is_first_operator).value
        signed = self._of_registry(relay.batch)
        batch, record = signed.value, relay.logged.record
        promise = check_logged(self._edge, relay.logged).signed
        if record != codes_record(signed, record.logged_at):
            raise Problem("log.proof_invalid", "the logged record says something else than the batch", where="record")
        tickets = [code.ticket for code in batch.codes]
        if [code.ticket for code in relay.codes] != tickets or len(set(tickets)) != len(tickets):
            raise Problem("message.malformed", "tickets differ from the registry's batch", where="codes")
        if [code.replaces is None for code in relay.codes] != [code.replaces is None for code in batch.codes]:
            raise Problem("message.malformed", "pairs differ from the registry's batch", where="codes")
        codes = self._hop.translate(relay.codes, batch.epoch, batch.institution, relay.epoch)
        holder = holder_of_codes(batch.institution)
        news = tuple(
            News(holder, CODES_KIND, CodesIssued(codes=codes[start : start + ITEM], epoch=relay.epoch))
            for start in range(0, len(codes), ITEM)
        )
        fingerprint = hashlib.sha256("\n".join((batch.institution, *sorted(tickets))).encode()).hexdigest()
        if self._passages.passes(Passage(f"codes/{fingerprint}", promise, news, self._edge.clock.now())):
            self._notify()
            log.info("codes", institution=batch.institution, count=len(codes))
        return CodesTranslated(in_reply_to=relay.message_id, count=len(codes))

    def _of_registry(self, envelope: Envelope) -> Signed[TranslateCodes]:
        signed = self._edge.read(envelope, TranslateCodes, REGISTRY)
        if signed.value.audience != OPERATORS[0]:
            raise Problem("message.wrong_signer", f"addressed to {signed.value.audience}", expected=OPERATORS[0])
        check_fresh(signed.value.sent_at, self._edge.clock.now())
        return signed
