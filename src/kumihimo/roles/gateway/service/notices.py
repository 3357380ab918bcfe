"""Notices (お知らせ): taken from the own business systems, delivered to the portal in chunks, and what became of them.

    business system ──recipients──▶ exchange ──handles, codes──▶ operators ──handles, codes──▶ portal   (once an addressee)
                                       └──────content, handles──────────────────────────────────▶ portal   (every notice)

What is handed in is written down first; a thread goes on until each recipient has it or turned out to have no link code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from kumihimo.domain.codes import encrypt_own, random_scalar
from kumihimo.domain.kernel import AddresseeNumber, Problem, RandomSource, institution_of
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesTranslated
from kumihimo.plumbing.wire.messages.notices import (
    CHUNK,
    AnnounceNotice,
    AnswerNotice,
    DeliverNotices,
    LookAtNotices,
    NoticeAnnounced,
    NoticeContent,
    NoticeFor,
    NoticesDelivered,
    NoticesStand,
    NoticeStands,
    OpenMailboxes,
    answer_binding,
)
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.said import open_said
from kumihimo.roles.gateway.service.lines import HUB_1, Line
from kumihimo.roles.gateway.service.link_codes import OwnDomain
from kumihimo.roles.gateway.store.link_codes import LinkCode
from kumihimo.roles.gateway.store.notices import Delivery, Mailbox, Notice, NoticeStore, To

HANDLE_BYTES: Final = 32
PLACEHOLDER: Final = re.compile(r"\{([a-z_]{1,30})\}")
log = structlog.get_logger()


@dataclass(frozen=True)
class Notices:
    """One institution's notices. `codes_of(addressees, epoch)` gives link codes; `wake` the thread that delivers."""

    store: NoticeStore
    codes_of: Callable[[Collection[str], int], Mapping[str, LinkCode]]
    domain: OwnDomain
    edge: Edge
    line: Line
    randomness: RandomSource
    wake: Callable[[], None] = lambda: None

    def take(
        self, reference: str, staff: str, content: NoticeContent, recipients: Collection[tuple[str, Mapping[str, str]]]
    ) -> Notice:
        """Write a notice down for delivery; the same under the same reference is taken once.

        Raises Problem: addressee_number.format, addressee_number.check_digit, value.invalid (an addressee twice, a place in the
        text that a recipient has no value for, an attachment that is no base64), notice.reference.
        """
        for one in content.attachments:
            one.data()
        texts = [text for words in (content.title, content.body) for text in (words.ja, words.en) if text]
        needed = {name for text in texts for name in PLACEHOLDER.findall(text)}
        seen: set[str] = set()
        written = content.model_dump_json()
        digest = hashlib.sha256(f"{staff}\n{written}\n".encode())
        checked: list[tuple[str, Mapping[str, str]]] = []
        for position, (number, values) in enumerate(recipients):
            where = f"recipients.{position}"
            digits = AddresseeNumber.parse(number, f"{where}.addressee_number").digits
            if digits in seen:
                raise Problem("value.invalid", digits, f"{where}.addressee_number", "every addressee once")
            if not needed <= values.keys():
                lacking = ", ".join(sorted(needed - values.keys()))
                raise Problem("value.invalid", f"no value for {lacking}", f"{where}.values", "one for every {place}")
            seen.add(digits)
            checked.append((digits, values))
            digest.update(f"{digits} {sorted(values.items())}\n".encode())
        new = Notice(
            reference, self.randomness.token_bytes(16).hex(), staff, written, digest.digest(), len(checked),
            self.edge.clock.now(),
        )  # fmt: skip
        taken = self.store.take(new, checked)
        self.wake()
        return taken

    def go_on(self) -> int:
        """Deliver what waits; how many recipients were done with. What holds a notice up is written down with it."""
        done = 0
        for one in self.store.unfinished():
            problem: str | None = None
            try:
                done += self._go_on(one)
            except Problem as found:
                problem = found.code
                log.warning("notice.waiting", code=found.code)
            if problem != one.problem:
                self.store.note(one.id, problem=problem)
        return done

    def _go_on(self, one: Notice) -> int:
        if not one.announced:
            content = NoticeContent.model_validate_json(one.content)
            self.line.send(
                "/announced-notices",
                self.edge.message(AnnounceNotice, PORTAL, notice=one.id, content=content),
                NoticeAnnounced,
            )
            self.store.note(one.id, announced=True)
        done, after, left = 0, -1, 0
        while page := self.store.waiting(one.id, after, CHUNK):
            after = page[-1].position
            through = self._deliver(one, page)
            done, left = done + through, left + len(page) - through
        if not left:
            self.store.note(one.id, done=True)
        return done

    def _deliver(self, one: Notice, page: list[To]) -> int:
        """One chunk; how many of it are done with."""
        domain = self.domain.present()
        codes = self.codes_of({to.addressee_number for to in page}, domain.epoch)
        nobody = [to.position for to in page if to.addressee_number not in codes]
        self.store.moved(one.id, nobody, Delivery.NO_CODE)
        reached = [to for to in page if to.addressee_number in codes]
        if not reached:
            return len(nobody)
        mailboxes = self._mailboxes(codes)
        recipients = tuple(
            NoticeFor(mailbox=b64(mailboxes[to.addressee_number].handle), position=to.position, values=dict(to.values))
            for to in reached
        )
        message = self.edge.message(DeliverNotices, PORTAL, notice=one.id, recipients=recipients)
        unknown = set(self.line.send("/delivered-notices", message, NoticesDelivered).value.unknown)
        delivered = [to.position for to in reached if to.position not in unknown]
        self.store.moved(one.id, delivered, Delivery.DELIVERED)
        return len(delivered) + len(nobody)

    def _mailboxes(self, codes: Mapping[str, LinkCode]) -> dict[str, Mailbox]:
        """The mailboxes of these addressees; what is not open for the code of today is opened through the operators."""
        hashes = {number: hashlib.sha256(held.code).digest() for number, held in codes.items()}
        found = {number: one for number, one in self.store.mailboxes(codes).items() if one.code_hash == hashes[number]}
        lacking = [number for number in codes if number not in found]
        if lacking:
            domain = self.domain.present()
            opened = {number: Mailbox(self.randomness.token_bytes(HANDLE_BYTES), hashes[number]) for number in lacking}
            blind = tuple(
                BlindCode(
                    ticket=b64(one.handle),
                    ciphertext=b64(encrypt_own(codes[number].code, domain.secret, random_scalar())),
                )
                for number, one in opened.items()
            )
            message = self.edge.message(
                OpenMailboxes, HUB_1, institution=institution_of(PORTAL), epoch=domain.epoch, codes=blind
            )
            self.line.send("/mailboxes", message, CodesTranslated)
            self.store.keep_mailboxes(opened)
            found |= opened
        return found

    def stands(self, one: Notice) -> NoticeStands | None:
        """What the portal says became of a notice; None where it was not announced yet. Raises Problem(peer.unreachable)."""
        if not one.announced:
            return None
        message = self.edge.message(LookAtNotices, PORTAL, notices=(one.id,))
        found = self.line.send("/looked-at-notices", message, NoticesStand).value.notices
        stand = next((stand for stand in found if stand.notice == one.id), None)
        if stand is not None:
            self.store.opened(one.id, stand.openings)
        return stand

    def answered(self, message: AnswerNotice) -> None:
        """Keep what a recipient answered. Raises Problem: notice.unknown, sealing.cannot_open, message.malformed."""
        says = open_said(self.edge, message.sealed, answer_binding(message.reference))
        self.store.answer(message.reference, message.notice, message.position, says, self.edge.clock.now())
