"""Inboxes (お知らせの受信箱): notices come in by mailbox, are read by their account's holder, and can be answered.

What was opened goes back to the sender as a count; who opened it only of those who let senders know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from kumihimo.domain.kernel import InstitutionId, Problem, legal_day, party_id
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.notices import (
    FEWEST_COUNTED,
    AnnounceNotice,
    AnswerNotice,
    AnswerTaken,
    Attachment,
    DeliverNotices,
    NoticeContent,
    NoticeKind,
    NoticeStands,
    Words,
    answer_binding,
)
from kumihimo.plumbing.wire.said import seal_said
from kumihimo.roles.portal.service.corrections import Line, checked_words
from kumihimo.roles.portal.service.safe import Safe
from kumihimo.roles.portal.service.waking import Waking
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_channels import ChannelRows
from kumihimo.roles.portal.store_notices import Announced, InInbox, NoticeRows

_ID: Final = 32  # hex digits of a notice's own id
SHOWN: Final = 50  # on one page


@dataclass(frozen=True)
class Letter:
    """A notice as its recipient sees it; `files` are the attachments' names and kinds."""

    kept: InInbox
    content: NoticeContent
    position: int
    values: dict[str, str]
    files: tuple[tuple[str, str], ...]

    def title(self, lang: str) -> str:
        """The title in a language, or in the one there is."""
        return self._said(self.content.title, lang)

    def body(self, lang: str) -> str:
        """Likewise the text."""
        return self._said(self.content.body, lang)

    def _said(self, words: Words, lang: str) -> str:
        text = (words.en if lang == "en" else None) or words.ja
        for name, value in self.values.items():
            text = text.replace("{" + name + "}", value)
        return text


class Inboxes:
    """All inboxes. Safe between threads and processes."""

    def __init__(self, store: PortalStore, safe: Safe, edge: Edge, line: Line, waking: Waking) -> None:
        self._store = store
        self._safe = safe
        self._edge = edge
        self._line = line
        self._waking = waking

    def handle_hash(self, handle: str) -> str:
        """What a mailbox's handle is kept as. Raises Problem(message.malformed)."""
        return self._safe.hashed(b"mailbox", from_b64(handle, "mailbox"))

    def announce(self, institution: str, message: AnnounceNotice) -> None:
        """A notice's content; the same again changes nothing. Raises Problem(notice.reference) for another's."""
        content = message.content
        now = self._edge.clock.now()
        with self._store.transaction() as transaction:
            rows = NoticeRows(transaction.conn)
            known = rows.announced([message.notice]).get(message.notice)
            if known is not None:
                if known.institution != institution:
                    raise Problem("notice.reference", message.notice, "notice", "one of your own")
                return
            files = [one.data() for one in content.attachments]
            names = tuple(
                Attachment(name=one.name, media_type=one.media_type, content="") for one in content.attachments
            )
            written = content.model_copy(update={"attachments": names}).model_dump_json().encode()
            sealed = self._safe.seal(written, "announced", message.notice)
            rows.announce(
                Announced(message.notice, institution, sealed, content.kind, content.deadline, now),
                [self._safe.seal(data, "attachment", f"{message.notice}/{place}") for place, data in enumerate(files)],
            )

    def deliver(self, institution: str, message: DeliverNotices) -> tuple[int, ...]:
        """Put a notice into these mailboxes; the positions whose mailbox is not here. Raises Problem(notice.not_announced)."""
        now = self._edge.clock.now()
        hashes = {one.position: self.handle_hash(one.mailbox) for one in message.recipients}
        prefix = message.notice.encode()
        with self._store.transaction() as transaction:
            rows = NoticeRows(transaction.conn)
            known = rows.announced([message.notice]).get(message.notice)
            if known is None or known.institution != institution:
                raise Problem("notice.not_announced", message.notice, "notice", "one that you announced")
            mailboxes = rows.mailboxes(institution, hashes.values())
            delivered: dict[str, tuple[int, bytes]] = {}
            unknown = []
            for one in message.recipients:
                number = mailboxes.get(hashes[one.position])
                if number is None:
                    unknown.append(one.position)
                    continue
                key = self._safe.hashed(b"notice", prefix, one.position.to_bytes(4, "big"))[:_ID]
                own = json.dumps([one.position, one.values], ensure_ascii=False).encode()
                delivered[key] = (number, self._safe.seal(own, f"notice {message.notice}", key))
            reached = rows.deliver(message.notice, delivered, now)
            self._waking.tell(ChannelRows(transaction.conn), rows.holders(reached), known.kind is NoticeKind.EMERGENCY)
        return tuple(unknown)

    def stands(self, institution: str, notices: Sequence[str]) -> tuple[NoticeStands, ...]:
        """What became of an institution's notices."""
        with self._store.reading() as reading:
            rows = NoticeRows(reading.conn)
            return tuple(
                NoticeStands(
                    notice=one.notice,
                    delivered=one.delivered,
                    opened=one.opened if one.delivered >= FEWEST_COUNTED else None,
                    openings=rows.openings(one.notice),
                )
                for one in rows.announced(notices).values()
                if one.institution == institution
            )

    def unread(self, account: str) -> tuple[int, date | None]:
        """How many are not opened, and the next deadline."""
        with self._store.reading() as reading:
            return NoticeRows(reading.conn).unread(account, legal_day(self._edge.clock.now()))

    def list(self, account: str, before: datetime | None = None) -> list[Letter]:
        """An account's notices, newest first, a page of them; that somebody looked is noted."""
        with self._store.reading() as reading:
            kept = NoticeRows(reading.conn).inbox(account, SHOWN + 1, before)
            channels = ChannelRows(reading.conn)
            told = channels.preference(account).woken_at is not None or channels.is_waiting(account)
        if told:
            with self._store.transaction() as transaction:
                channels = ChannelRows(transaction.conn)
                channels.prefer(account, woken_at=None)
                channels.woken(account)
        return [self._letter(one) for one in kept]

    def open(self, account: str, notice: str) -> Letter:
        """A notice is opened by its recipient. Raises Problem(notice.unknown)."""
        now = self._edge.clock.now()
        with self._store.transaction() as transaction:
            rows = NoticeRows(transaction.conn)
            kept = rows.one(account, notice)
            if kept is None:
                raise Problem("notice.unknown", notice[:40], "notice", "one of your own")
            letter = self._letter(kept)
            if rows.open(notice, now) and ChannelRows(transaction.conn).preference(account).tells_openings:
                rows.tell_opening(kept.of.notice, letter.position, now)
        return letter

    def file(self, account: str, notice: str, place: int) -> tuple[str, str, bytes]:
        """Name, kind and bytes of an attachment. Raises Problem(notice.unknown)."""
        letter = self.open(account, notice)
        with self._store.reading() as reading:
            sealed = NoticeRows(reading.conn).attachment(letter.kept.of.notice, place)
        if sealed is None:
            raise Problem("notice.unknown", f"attachment {place}", "place", "one of the notice's attachments")
        name, media_type = letter.files[place]
        return name, media_type, self._safe.open(sealed, "attachment", f"{letter.kept.of.notice}/{place}")

    def answer(self, account: str, notice: str, says: str) -> None:
        """Answer a notice, once. The words go to its sender and are not kept here.

        Raises Problem: notice.unknown, notice.no_answer, notice.answered, correction.number, value.invalid, and what the sender's
        exchange refuses or peer.unreachable: then it was not answered.
        """
        letter = self.open(account, notice)
        if not letter.content.reply:
            raise Problem("notice.no_answer", letter.title("ja"), advice="Ask the office another way.")
        if letter.kept.answered_at is not None:
            raise Problem("notice.answered", letter.title("ja"))
        says = checked_words(says)
        of, exchange = letter.kept.of, party_id(letter.kept.of.institution, "exchange")
        # The same reference however often it is sent: what was lost on the way back is not taken twice.
        reference = self._safe.hashed(b"answer", notice.encode())[:_ID]
        sealed = seal_said(self._edge, says, exchange, answer_binding(reference))
        message = self._edge.message(
            AnswerNotice, exchange, reference=reference, notice=of.notice, position=letter.position, sealed=sealed
        )
        self._line.send("/answered-notices", message, AnswerTaken)
        with self._store.transaction() as transaction:
            NoticeRows(transaction.conn).answered(notice, self._edge.clock.now())

    def office(self, institution: str, lang: str) -> str:
        """Who sent it."""
        found = self._edge.directory.institution(InstitutionId(institution))
        return found.name_ja if lang == "ja" else found.name_en

    def _letter(self, kept: InInbox) -> Letter:
        content = NoticeContent.model_validate_json(self._safe.open(kept.of.sealed, "announced", kept.of.notice))
        position, values = json.loads(self._safe.open(kept.sealed, f"notice {kept.of.notice}", kept.id))
        files = tuple((one.name, one.media_type) for one in content.attachments)
        return Letter(kept, content, position, values, files)
