"""Messages of applications (申請・届出): the portal brings a resident's signed application to each body's exchange, part by part.

What the resident signed is a manifest: the hash of every part. Each body gets the manifest, the signature and its own part, and
can show that this part was signed; of the others it sees a hash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import AwareDatetime, Field

from kumihimo.plumbing.wire.envelope import Message, Part, Reply
from kumihimo.plumbing.wire.messages.notices import REFERENCE

MOST_SAID: Final = 2_000
PROCEDURE: Final = r"^[a-z][a-z0-9.-]{2,60}$"
_Receipt = Annotated[str, Field(pattern=REFERENCE)]
_Procedure = Annotated[str, Field(pattern=PROCEDURE)]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ApplicationState(StrEnum):
    """How a part stands at its body."""

    RECEIVED = "received"
    IN_WORK = "in_work"
    RETURNED = "returned"  # something is missing: the applicant is told what
    GRANTED = "granted"
    REFUSED = "refused"
    DONE = "done"


class PartOfApplication(Part):
    """What one body gets: `salt` (hex) keeps the others from guessing it by its hash in the manifest."""

    application: _Receipt
    procedure: _Procedure
    institution: str
    answers: Annotated[dict[str, str], Field(max_length=50)]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ManifestEntry(Part):
    """One part, by its hash: SHA-256 of its canonical JSON."""

    procedure: _Procedure
    institution: str
    hash: _Hash


class Manifest(Part):
    """What is signed, as canonical JSON. `represented`: whoever signed acts for the account's holder."""

    application: _Receipt
    event: str
    made_at: AwareDatetime
    represented: bool
    parts: Annotated[tuple[ManifestEntry, ...], Field(min_length=1, max_length=50)]


class SealedApplication(Part):
    """What is inside a sealed part: the part, the manifest as it was signed, and the signature (CMS in DER), both base64."""

    part: PartOfApplication
    manifest: str
    signature: str


class SubmitApplication(Message):
    """Portal → exchange: a part. `sealed` is a SealedApplication (HPKE, base64). The same receipt again is the same part."""

    KIND: ClassVar[str] = "submit-application.v1"
    receipt: _Receipt
    procedure: _Procedure
    sealed: str


class ApplicationTaken(Reply):
    """The exchange's signed receipt: which part (its hash in the manifest), the number to ask by, and when."""

    KIND: ClassVar[str] = "application-taken.v1"
    receipt: str
    number: str
    hash: _Hash
    taken_at: AwareDatetime


class LookAtApplications(Message):
    """Portal → exchange: how these stand."""

    KIND: ClassVar[str] = "look-at-applications.v1"
    receipts: Annotated[tuple[_Receipt, ...], Field(min_length=1, max_length=100)]


class ApplicationStands(Part):
    """How one stands; `sealed` is what the applicant is told, a SaidText (HPKE, base64) for the portal."""

    receipt: str
    state: ApplicationState
    changed_at: AwareDatetime
    sealed: str | None = None


class ApplicationsStand(Reply):
    KIND: ClassVar[str] = "applications-stand.v1"
    applications: tuple[ApplicationStands, ...]


def application_binding(receipt: str, way: str) -> bytes:
    """What a sealed part or word is bound to; `way` is `submitted` or `said`."""
    return f"kumihimo/application/v1\n{receipt}\n{way}\n".encode()
