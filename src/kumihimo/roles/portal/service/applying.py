"""Applying (申請・届出): a draft that survives, one signature over all of it, a part for each body, and how each stands.

    answers → parts, each with a salt → manifest of their hashes → signed by the card (CMS) → parts sealed, one for each exchange
            → sent until each has given its signed receipt → looked at whenever the applicant looks

Nothing is sent twice: a part keeps its receipt number, and an exchange takes a number once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from kumihimo.domain.documents import Prepared, prepare, verify
from kumihimo.domain.kernel import Clock, Institution, Problem, RandomSource, party_id
from kumihimo.domain.sealing import canonical_json, seal
from kumihimo.domain.web_eid import StatusOf, TrustedIssuers
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64
from kumihimo.plumbing.wire.messages.applications import (
    ApplicationsStand,
    ApplicationStands,
    ApplicationState,
    ApplicationTaken,
    LookAtApplications,
    Manifest,
    ManifestEntry,
    PartOfApplication,
    SealedApplication,
    SubmitApplication,
    application_binding,
)
from kumihimo.plumbing.wire.said import open_said
from kumihimo.roles.portal.service.corrections import Line
from kumihimo.roles.portal.service.procedures import MUNICIPALITY, LifeEvent, Procedure, life_event
from kumihimo.roles.portal.service.safe import Safe
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_applications import ApplicationRows, Kept, KeptPart

MOST_DRAFTS: Final = 20
_AT_ONCE: Final = 8
_WAITING: Final = 1_000  # signatures, of all sessions
_AREA: Final = "application"
log = structlog.get_logger()


@dataclass(frozen=True)
class Draft:
    """An application as its applicant sees it; `municipality` is whose procedures they are, once it was said."""

    kept: Kept
    event: LifeEvent
    municipality: str | None
    answers: dict[str, str]
    manifest: bytes | None = field(default=None, repr=False)
    signature: bytes | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether all is answered and somebody gets something."""
        return (
            self.municipality is not None
            and not self.event.open(self.answers)
            and bool(self.event.chosen(self.answers))
        )


@dataclass(frozen=True)
class Signing:
    """What the card signs: the manifest, and the parts it stands for."""

    draft: str
    document: bytes
    prepared: Prepared
    parts: tuple[PartOfApplication, ...]


@dataclass(frozen=True)
class Tracked:
    """A part and how it stands; `state` is None where the body is out of reach or has not got it yet."""

    part: KeptPart
    number: str | None
    state: ApplicationState | None = None
    changed_at: datetime | None = None
    says: str | None = None


class Applications:
    """All applications. Safe between threads and processes; what waits for a signature is kept by session, in memory."""

    def __init__(
        self, store: PortalStore, safe: Safe, edge: Edge, line: Line, clock: Clock, randomness: RandomSource,
        trusted: TrustedIssuers, status: StatusOf,
    ) -> None:  # fmt: skip
        self._store = store
        self._safe = safe
        self._edge = edge
        self._line = line
        self._clock = clock
        self._randomness = randomness
        self._trusted = trusted
        self._status = status
        self._signing: dict[str, Signing] = {}

    def begin(self, account: str, event: str) -> str:
        """A new draft; its number. Raises Problem(application.event, application.too_many)."""
        found = life_event(event)
        name = self._randomness.token_bytes(16).hex()
        with self._store.transaction() as transaction:
            rows = ApplicationRows(transaction.conn)
            if sum(one.signed_at is None for one in rows.all(account)) >= MOST_DRAFTS:
                raise Problem("application.too_many", f"{MOST_DRAFTS} drafts", advice="Send or discard one.")
            sealed = self._sealed(name, {"municipality": None, "answers": {}})
            rows.add(Kept(name, account, found.id, sealed, self._clock.now()))
        return name

    def all(self, account: str) -> list[Draft]:
        """An account's applications, newest first."""
        with self._store.reading() as reading:
            kept = ApplicationRows(reading.conn).all(account)
        return [self._draft(one) for one in kept]

    def one(self, account: str, name: str) -> Draft:
        """One of them. Raises Problem(application.unknown)."""
        with self._store.reading() as reading:
            kept = ApplicationRows(reading.conn).one(account, name)
        if kept is None:
            raise Problem("application.unknown", name[:40], "application", "one of your own")
        return self._draft(kept)

    def answer(self, account: str, name: str, municipality: str | None, given: dict[str, str]) -> Draft:
        """Answers to what is asked now; the rest stays as it was, and what is not asked any more goes.

        Raises Problem: application.unknown, application.signed, value.invalid, institution.unknown; then nothing is changed.
        """
        draft = self.one(account, name)
        if municipality is not None and municipality not in {one.id for one in self.municipalities()}:
            raise Problem("institution.unknown", municipality[:40], "municipality", "a municipality")
        answers = dict(draft.answers)
        for asked in draft.event.questions:
            if asked.id in given:
                answers[asked.id] = asked.checked(given[asked.id])
        left = {one.id for one in draft.event.asked(answers)}
        answers = {question: said for question, said in answers.items() if question in left}
        sealed = self._sealed(name, {"municipality": municipality or draft.municipality, "answers": answers})
        with self._store.transaction() as transaction:
            if not ApplicationRows(transaction.conn).change(name, sealed, self._clock.now()):
                raise signed_already()
        return self.one(account, name)

    def discard(self, account: str, name: str) -> None:
        """A draft is thrown away."""
        with self._store.transaction() as transaction:
            ApplicationRows(transaction.conn).discard(account, name)

    def prepare(self, session: str, account: str, name: str, certificate: str, represented: bool) -> Prepared:
        """Ready to be signed with the certificate (base64 of DER) that the card has shown.

        Raises Problem: application.unknown, application.signed, application.incomplete, login.…, document.…
        """
        draft, now = self.one(account, name), self._clock.now()
        if draft.kept.signed_at is not None:
            raise signed_already()
        if not draft.complete:
            raise incomplete()
        parts = tuple(
            PartOfApplication(
                application=name, procedure=one.id, institution=self.body_of(draft, one).id,
                answers={question: draft.answers[question] for question in one.answers if question in draft.answers},
                salt=self._randomness.token_bytes(16).hex(),
            )
            for one in draft.event.chosen(draft.answers)
        )  # fmt: skip
        manifest = Manifest(
            application=name, event=draft.event.id, made_at=now, represented=represented,
            parts=tuple(ManifestEntry(procedure=one.procedure, institution=one.institution, hash=hash_of(one)) for one in parts),
        )  # fmt: skip
        document = canonical_json(manifest.model_dump(mode="json"))
        prepared = prepare(document, from_b64(certificate, "certificate"), now)
        self._trusted.issuer_of(prepared.certificate, now)
        self._signing.pop(session, None)
        while len(self._signing) >= _WAITING:  # of sessions that ended by themselves
            self._signing.pop(next(iter(self._signing)), None)
        self._signing[session] = Signing(name, document, prepared, parts)
        return prepared

    def finish(self, session: str, account: str, name: str, signature: str) -> str:
        """The signature: checked as anybody would check it, written down with every part, and sent from now on.

        Raises Problem: application.not_prepared, application.signed, document.…, login.revoked and others; then nothing is sent.
        """
        signing = self._signing.pop(session, None)
        if signing is None or signing.draft != name:
            raise Problem(
                "application.not_prepared", "nothing waits for a signature", advice="Begin again with signing."
            )
        draft, now = self.one(account, signing.draft), self._clock.now()
        cms = signing.prepared.finish(from_b64(signature, "signature"))
        verify(signing.document, cms, self._trusted, self._status, now)
        sealed = self._sealed(
            signing.draft,
            {
                "municipality": draft.municipality, "answers": draft.answers, "manifest": b64(signing.document),
                "signature": b64(cms),
            },
        )  # fmt: skip
        parts = [self._part(place, one, signing.document, cms) for place, one in enumerate(signing.parts)]
        with self._store.transaction() as transaction:
            if not ApplicationRows(transaction.conn).sign(signing.draft, sealed, now, parts):
                raise signed_already()
        self._send_all(parts)
        return signing.draft

    def forget(self, session: str) -> None:
        """A session ends."""
        self._signing.pop(session, None)

    def go_on(self) -> int:
        """Send what waits; how many parts were taken."""
        with self._store.reading() as reading:
            waiting = ApplicationRows(reading.conn).waiting()
        return self._send_all(waiting)

    def _send_all(self, parts: Sequence[KeptPart]) -> int:
        taken = 0
        for one in parts:
            try:
                self._send(one)
                taken += 1
            except Problem as problem:
                log.warning("application.waiting", code=problem.code)
                if problem.code != one.problem:
                    with self._store.transaction() as transaction:
                        ApplicationRows(transaction.conn).note(one.receipt, problem=problem.code)
        return taken

    def tracked(self, account: str, name: str) -> list[Tracked]:
        """The parts of an application that was sent, as their bodies say now; all bodies are asked at once."""
        self.one(account, name)
        with self._store.reading() as reading:
            parts = ApplicationRows(reading.conn).parts([name])
        by_body: dict[str, list[KeptPart]] = {}
        for one in parts:
            if one.taken_at is not None:
                by_body.setdefault(one.institution, []).append(one)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(self._look, by_body, by_body.values())
            told = {one.receipt: one for stands in found for one in stands}
        return [self._tracked(one, told.get(one.receipt)) for one in parts]

    def receipt(self, account: str, name: str, receipt: str) -> bytes:
        """A body's receipt as it signed it (DSSE, JSON). Raises Problem(application.unknown)."""
        for one in self.tracked_parts(account, name):
            if one.receipt == receipt and one.taken is not None:
                return self._safe.open(one.taken, _AREA, f"taken {one.receipt}")
        raise Problem("application.unknown", receipt[:40], "receipt", "a part that was taken")

    def tracked_parts(self, account: str, name: str) -> list[KeptPart]:
        """The parts as kept. Raises Problem(application.unknown)."""
        self.one(account, name)
        with self._store.reading() as reading:
            return ApplicationRows(reading.conn).parts([name])

    def municipalities(self) -> list[Institution]:
        """Whose procedures can be applied for."""
        return [one for one in self._edge.directory.institutions() if MUNICIPALITY in one.classes]

    def body_of(self, draft: Draft, procedure: Procedure) -> Institution:
        """Who gets a procedure. Raises Problem(application.incomplete, application.no_body)."""
        institutions = self._edge.directory.institutions()
        if procedure.to == MUNICIPALITY:
            found = [one for one in institutions if one.id == draft.municipality]
            if not found:
                raise incomplete()
            return found[0]
        found = [one for one in institutions if procedure.to in one.classes]
        if len(found) != 1:
            raise Problem("application.no_body", f"{len(found)} bodies are {procedure.to}", procedure.id, "one")
        return found[0]

    def _part(self, place: int, one: PartOfApplication, manifest: bytes, cms: bytes) -> KeptPart:
        receipt = self._randomness.token_bytes(16).hex()
        inside = SealedApplication(part=one, manifest=b64(manifest), signature=b64(cms))
        plain = canonical_json(inside.model_dump(mode="json"))
        return KeptPart(
            receipt, one.application, place, one.institution, one.procedure, hash_of(one),
            self._safe.seal(plain, _AREA, f"part {receipt}"),
        )  # fmt: skip

    def _send(self, one: KeptPart) -> None:
        if one.sealed is None:
            return
        plain = self._safe.open(one.sealed, _AREA, f"part {one.receipt}")
        exchange = party_id(one.institution, "exchange")
        sealed = seal(plain, self._edge.directory.seal_key(exchange), application_binding(one.receipt, "submitted"))
        message = self._edge.message(
            SubmitApplication, exchange, receipt=one.receipt, procedure=one.procedure, sealed=b64(sealed)
        )
        taken = self._line.send("/applications", message, ApplicationTaken)
        if (taken.value.receipt, taken.value.hash) != (one.receipt, one.hash):
            raise Problem("message.malformed", "a receipt for something else", "hash", one.hash)
        written = self._safe.seal(taken.envelope.model_dump_json().encode(), _AREA, f"taken {one.receipt}")
        with self._store.transaction() as transaction:
            ApplicationRows(transaction.conn).note(
                one.receipt, taken=written, taken_at=taken.value.taken_at, sealed=None, problem=None
            )

    def _look(self, institution: str, parts: Sequence[KeptPart]) -> tuple[ApplicationStands, ...]:
        exchange = party_id(institution, "exchange")
        message = self._edge.message(LookAtApplications, exchange, receipts=tuple(one.receipt for one in parts))
        try:
            return self._line.send("/applications/stand", message, ApplicationsStand).value.applications
        except Problem:
            return ()

    def _tracked(self, one: KeptPart, told: ApplicationStands | None) -> Tracked:
        number = None
        if one.taken is not None:
            envelope = Envelope.model_validate_json(self._safe.open(one.taken, _AREA, f"taken {one.receipt}"))
            number = self._edge.read(envelope, ApplicationTaken).value.number
        if told is None:
            return Tracked(one, number)
        says = None
        if told.sealed is not None:
            says = open_said(self._edge, told.sealed, application_binding(one.receipt, "said"))
        return Tracked(one, number, told.state, told.changed_at, says)

    def _sealed(self, name: str, content: dict[str, Any]) -> bytes:
        return self._safe.seal(json.dumps(content, ensure_ascii=False).encode(), _AREA, name)

    def _draft(self, kept: Kept) -> Draft:
        content = json.loads(self._safe.open(kept.sealed, _AREA, kept.application))
        manifest, signature = content.get("manifest"), content.get("signature")
        return Draft(
            kept, life_event(kept.event), content["municipality"], content["answers"],
            None if manifest is None else from_b64(manifest, "manifest"),
            None if signature is None else from_b64(signature, "signature"),
        )  # fmt: skip


def hash_of(one: PartOfApplication) -> str:
    """What stands for a part in the manifest."""
    return hashlib.sha256(canonical_json(one.model_dump(mode="json"))).hexdigest()


def incomplete() -> Problem:
    """Something is not answered yet."""
    return Problem("application.incomplete", "something is not answered yet", advice="Answer what is left.")


def signed_already() -> Problem:
    """It was signed and sent."""
    return Problem("application.signed", "it was signed and sent", advice="Look how it stands.")
