"""Applications (申請・届出の受付): taken from the portal, opened for the own business systems, and answered by a state.

A part is taken only if its hash stands in the manifest that was signed, for this institution and procedure, and the signature is
over that manifest. Whose certificate it is, and whether it was good when it was used, the portal has checked before it sent it;
whoever decides can check it again (`openssl cms -verify`) with the files that are here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from kumihimo.domain.documents import signer_of
from kumihimo.domain.jpki import Holder
from kumihimo.domain.kernel import Problem, RandomSource, institution_of
from kumihimo.domain.sealing import canonical_json, open_sealed
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64, malformed
from kumihimo.plumbing.wire.messages.applications import (
    ApplicationStands,
    ApplicationState,
    ApplicationTaken,
    Manifest,
    SealedApplication,
    SubmitApplication,
    application_binding,
)
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.said import seal_said
from kumihimo.roles.gateway.store.applications import Application, ApplicationStore

_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_NUMBER: Final = 10
# What may follow what; a decision may still be corrected by another.
_AFTER: Final = {
    ApplicationState.RECEIVED: frozenset(ApplicationState) - {ApplicationState.RECEIVED},
    ApplicationState.IN_WORK: frozenset(ApplicationState) - {ApplicationState.RECEIVED, ApplicationState.IN_WORK},
    ApplicationState.RETURNED: frozenset(ApplicationState) - {ApplicationState.RECEIVED, ApplicationState.RETURNED},
    ApplicationState.GRANTED: frozenset({ApplicationState.REFUSED, ApplicationState.DONE}),
    ApplicationState.REFUSED: frozenset({ApplicationState.GRANTED, ApplicationState.DONE}),
    ApplicationState.DONE: frozenset[ApplicationState](),
}


@dataclass(frozen=True)
class Opened:
    """An application as a business system reads it: answers, what was signed, and who signed it."""

    kept: Application
    answers: dict[str, str]
    represented: bool
    applicant: Holder
    manifest: bytes
    signature: bytes


@dataclass(frozen=True)
class ApplicationDesk:
    """One institution's applications."""

    store: ApplicationStore
    edge: Edge
    randomness: RandomSource

    def take(self, message: SubmitApplication) -> ApplicationTaken:
        """Take a part; the same receipt again is the same part.

        Raises Problem: sealing.cannot_open, message.malformed (not for us, not what was signed), document.format.
        """
        sealed, now = from_b64(message.sealed, "sealed"), self.edge.clock.now()
        inside = self._inside(sealed, message.receipt)
        part, manifest = inside.part, _manifest(inside)
        digest = hashlib.sha256(canonical_json(part.model_dump(mode="json"))).hexdigest()
        signed = {(one.procedure, one.institution, one.hash) for one in manifest.parts}
        own = institution_of(self.edge.party)
        if (part.procedure, part.institution, digest) not in signed or (part.institution, part.procedure) != (
            own,
            message.procedure,
        ):
            raise Problem(
                "message.malformed", "not the part that was signed", "part", "one of the manifest, for this body"
            )
        if part.application != manifest.application:
            raise Problem("message.malformed", "of another application", "part.application", manifest.application)
        _applicant(from_b64(inside.manifest, "manifest"), from_b64(inside.signature, "signature"))
        number = "".join(_LETTERS[self.randomness.randbelow(len(_LETTERS))] for _ in range(_NUMBER))
        taken = self.store.take(
            Application(
                message.receipt, f"{number[:5]}-{number[5:]}", part.procedure, sealed, digest, now, ApplicationState.RECEIVED,
                now,
            )
        )  # fmt: skip
        return ApplicationTaken(
            in_reply_to=message.message_id, receipt=taken.receipt, number=taken.number, hash=taken.hash, taken_at=taken.taken_at
        )  # fmt: skip

    def stand(self, receipts: tuple[str, ...]) -> tuple[ApplicationStands, ...]:
        """How these stand, with what the applicant is told sealed for the portal."""
        return tuple(
            ApplicationStands(
                receipt=one.receipt,
                state=one.state,
                changed_at=one.changed_at,
                sealed=None if one.says is None else self._said(one.receipt, one.says),
            )
            for one in self.store.find(receipts)
        )

    def open(self, number: str) -> Opened:
        """One, opened. Raises Problem(application.unknown)."""
        kept = self.known(number)
        inside = self._inside(kept.sealed, kept.receipt)
        manifest, signature = from_b64(inside.manifest, "manifest"), from_b64(inside.signature, "signature")
        represented = _manifest(inside).represented
        return Opened(
            kept, dict(inside.part.answers), represented, _applicant(manifest, signature), manifest, signature
        )

    def known(self, number: str) -> Application:
        """One by its reference number. Raises Problem(application.unknown)."""
        found = self.store.numbered(number)
        if found is None:
            raise Problem("application.unknown", number[:40], "number", "the reference number of an application here")
        return found

    def decide(self, number: str, state: ApplicationState, staff: str, says: str | None) -> Application:
        """Its state from now on. Raises Problem: application.unknown, application.state (that cannot follow)."""
        kept = self.known(number)
        if (kept.state, kept.staff, kept.says) == (state, staff, says):
            return kept  # the same, sent again
        allowed = state in _AFTER[kept.state]
        if not allowed or not self.store.change(number, kept.state, state, staff, says, self.edge.clock.now()):
            raise Problem(
                "application.state", f"{kept.state} to {state}", "state",
                ", ".join(sorted(_AFTER[kept.state])) or "nothing follows",
            )  # fmt: skip
        return self.known(number)

    def _inside(self, sealed: bytes, receipt: str) -> SealedApplication:
        plain = open_sealed(sealed, self.edge.identity.sealing_key, application_binding(receipt, "submitted"))
        try:
            return SealedApplication.model_validate_json(plain)
        except ValidationError as error:
            raise malformed(error, "SealedApplication") from None

    def _said(self, receipt: str, says: str) -> str:
        return seal_said(self.edge, says, PORTAL, application_binding(receipt, "said"))


def _manifest(inside: SealedApplication) -> Manifest:
    try:
        return Manifest.model_validate_json(from_b64(inside.manifest, "manifest"))
    except ValidationError as error:
        raise malformed(error, "Manifest") from None


def _applicant(document: bytes, signature: bytes) -> Holder:
    return Holder.read(signer_of(document, signature)[0])
