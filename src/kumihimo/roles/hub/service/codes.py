"""Translation of issued codes (符号取得の変換): registry → operator 1 → operator 2 → the institution's feed.

Mailboxes at the portal go the same way from an exchange, with handles in the place of tickets.

番号法 第二十一条第二項, 令第二十条. The operators see one-time tickets and ciphertexts; the log keeps only for which
institution and how many. An item waits in operator 2's feed until its exchange has taken it, and is then deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import structlog

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Signed, b64, check_fresh, from_b64, parse_envelope
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued, CodesTranslated, RelayCodes, TranslateCodes
from kumihimo.plumbing.wire.messages.notices import MailboxesOpened, OpenMailboxes
from kumihimo.plumbing.wire.remote_log import check_logged
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.journal import Journal
from kumihimo.roles.hub.service.parties import holder_of_codes, is_exchange, is_first_operator, is_registry
from kumihimo.roles.hub.service.ports import Notify, Passages, RequireActive, Sender, send_to_operator
from kumihimo.roles.hub.service.records import codes_record
from kumihimo.roles.hub.store import Domains, News, Passage

CODES_KIND: Final = "codes"
MAILBOXES_KIND: Final = "mailboxes"
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
        self, codes: Iterable[BlindCode], source: str, institution: str, epoch: int | None
    ) -> tuple[BlindCode, ...]:
        """The same tickets with ciphertexts translated from a domain to that epoch of the institution's.

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
        done = iter(self._translator.hop(ciphertexts, source, target, pool=self._pool))
        return tuple(
            BlindCode(
                ticket=code.ticket,
                ciphertext=b64(next(done)),
                replaces=b64(next(done)) if code.replaces is not None else None,
            )
            for code in batch
        )

    def source(self, signed: Signed[TranslateCodes]) -> str:
        """The domain that a batch's codes are in: its signer's. Raises Problem(institution.suspended, codes.epoch_closed)."""
        sender = institution_of(signed.signer)
        self._require_active(sender)
        return self.domains.label(sender, signed.value.epoch)


@dataclass(frozen=True)
class Errand:
    """What kind of batch is translated: who may sign it, where operator 2 takes it, and for whom it is."""

    kind: type[TranslateCodes]
    may_sign: Callable[[PartyId], bool]
    relayed: str
    of_portal: bool

    def check(self, batch: TranslateCodes) -> None:
        """Raises Problem(message.malformed) for a batch for somebody else."""
        if self.of_portal and (batch.institution != institution_of(PORTAL) or any(one.replaces for one in batch.codes)):
            raise Problem("message.malformed", f"mailboxes at {batch.institution[:40]}", "institution", "the portal")

    def news(self, signed: Signed[TranslateCodes], codes: tuple[BlindCode, ...], epoch: int | None) -> News:
        """What the receiver's feed is told."""
        if self.of_portal:
            opened = MailboxesOpened(institution=institution_of(signed.signer), codes=codes, epoch=epoch)
            return News(PORTAL, MAILBOXES_KIND, opened)
        return News(holder_of_codes(signed.value.institution), CODES_KIND, CodesIssued(codes=codes, epoch=epoch))


ISSUING: Final = Errand(TranslateCodes, is_registry, "/relayed-codes", of_portal=False)
MAILBOXES: Final = Errand(OpenMailboxes, is_exchange, "/relayed-mailboxes", of_portal=True)


class FirstCodeDesk:
    """Operator 1 takes the registry's batches, or the exchanges' of mailboxes."""

    def __init__(self, edge: Edge, hop: CodeHop, journal: Journal, sender: Sender, errand: Errand = ISSUING) -> None:
        self._errand = errand
        self._edge = edge
        self._hop = hop
        self._journal = journal
        self._sender = sender

    def translate(self, body: bytes, peer: PartyId) -> CodesTranslated:
        """Log a signed batch, translate it, and see it accepted by operator 2.

        Raises Problem, each logged as rejected: of a signature or age, message.replayed, those of `CodeHop.translate`,
        operator.unreachable.
        """
        with self._journal.rejecting(peer):
            signed = self._edge.open(parse_envelope(body), self._errand.kind, peer, self._errand.may_sign)
            batch = signed.value
            self._errand.check(batch)
            epoch = self._hop.domains.present(batch.institution)
            codes = self._hop.translate(batch.codes, self._hop.source(signed), batch.institution, epoch)
            record = codes_record(signed, self._journal.now())
            logged = self._journal.write_once(record, f"codes/{batch.message_id}")
            if logged is None:
                raise Problem("message.replayed", f"batch {batch.message_id} was already sent")
            relay = self._edge.message(
                RelayCodes, OPERATORS[1], batch=signed.envelope, logged=logged, codes=codes, epoch=epoch
            )
            reply = send_to_operator(self._sender, self._errand.relayed, relay, CodesTranslated)
        log.info("codes", institution=batch.institution, count=reply.count)
        return CodesTranslated(in_reply_to=batch.message_id, count=reply.count)


class SecondCodeDesk:
    """Operator 2 finishes batches and hands them to the institution."""

    def __init__(self, edge: Edge, hop: CodeHop, passages: Passages, notify: Notify, errand: Errand = ISSUING) -> None:
        self._errand = errand
        self._edge = edge
        self._hop = hop
        self._passages = passages
        self._notify = notify

    def finish(self, envelope: Envelope, peer: PartyId) -> CodesTranslated:
        """Check a RelayCodes against the sender's own batch, finish the translation and put it on the feed.

        The same tickets sent again, because an answer was lost, are accepted without effect. Raises Problem: of a
        signature or age, log.proof_invalid (a promise or record of something else), message.malformed (other tickets than
        the registry's), those of `CodeHop.translate`.
        """
        relay = self._edge.open(envelope, RelayCodes, peer, is_first_operator).value
        signed = self._of_sender(relay.batch)
        batch, record = signed.value, relay.logged.record
        promise = check_logged(self._edge, relay.logged).signed
        if record != codes_record(signed, record.logged_at):
            raise Problem("log.proof_invalid", "the logged record says something else than the batch", where="record")
        tickets = [code.ticket for code in batch.codes]
        if [code.ticket for code in relay.codes] != tickets or len(set(tickets)) != len(tickets):
            raise Problem("message.malformed", "tickets differ from the signed batch", where="codes")
        if [code.replaces is None for code in relay.codes] != [code.replaces is None for code in batch.codes]:
            raise Problem("message.malformed", "pairs differ from the signed batch", where="codes")
        codes = self._hop.translate(relay.codes, self._hop.source(signed), batch.institution, relay.epoch)
        news = tuple(
            self._errand.news(signed, codes[start : start + ITEM], relay.epoch) for start in range(0, len(codes), ITEM)
        )
        of = (batch.institution, *((signed.signer,) if self._errand.of_portal else ()), *sorted(tickets))
        fingerprint = hashlib.sha256("\n".join(of).encode()).hexdigest()
        if self._passages.passes(Passage(f"codes/{fingerprint}", promise, news, self._edge.clock.now())):
            self._notify()
            log.info("codes", institution=batch.institution, count=len(codes))
        return CodesTranslated(in_reply_to=relay.message_id, count=len(codes))

    def _of_sender(self, envelope: Envelope) -> Signed[TranslateCodes]:
        signed = self._edge.read(envelope, self._errand.kind)
        if not self._errand.may_sign(signed.signer) or envelope.signers() != (signed.signer,):
            raise Problem("message.wrong_signer", f"signed by {', '.join(envelope.signers())}")
        self._errand.check(signed.value)
        if signed.value.audience != OPERATORS[0]:
            raise Problem("message.wrong_signer", f"addressed to {signed.value.audience}", expected=OPERATORS[0])
        check_fresh(signed.value.sent_at, self._edge.clock.now())
        return signed
