"""Messages about IC cards and public personal authentication (ICカード・公的個人認証): windows, authority, registry, responder.

The Individual Number is in none of them (I1): certificates are tied to the resident code. Bytes travel as standard base64:
public keys as DER SubjectPublicKeyInfo, certificates and lists as DER.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from kumihimo.domain.jpki import CaName, Document, Profile
from kumihimo.plumbing.wire.envelope import Instant, Message, Part, Reply
from kumihimo.plumbing.wire.messages.residents import FourItemsPart, RegisterEventKind, Standing

CardSerial = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{4,40}$")]
SerialText = Annotated[str, Field(pattern=r"^([0-9a-f]{2}){1,20}$")]
"""A certificate's serial number as `domain.jpki.serial_text` writes it."""
_Key = Annotated[str, Field(max_length=2_000)]


class Occasion(StrEnum):
    """Why certificates are applied for."""

    FIRST = "first"  # the first card of somebody
    RENEWAL = "renewal"  # new keys on the card that is in use: ending soon, or after a change of name or address
    NEW_CARD = "new_card"  # another card in place of the one before, which ends


class CardEvent(StrEnum):
    """What is reported about a card."""

    LOST = "lost"  # suspended: it may be found
    FOUND = "found"  # in use again
    ENDED = "ended"  # given back, or lost for good
    STOLEN = "stolen"  # somebody else may use it


class CertificateState(StrEnum):
    """Of a certificate: in force, suspended (一時停止), or revoked for good (失効)."""

    GOOD = "good"
    HELD = "held"
    REVOKED = "revoked"


class Cause(StrEnum):
    """Why a certificate is as it is; only the authority and the office know, the public learns an RFC 5280 reason."""

    ISSUED = "issued"
    LOST = "lost"
    FOUND = "found"
    ENDED = "ended"
    STOLEN = "stolen"
    SUPERSEDED = "superseded"  # new keys on the same card
    NEW_CARD = "new_card"
    DEATH = "death"
    ERASED = "erased"  # moved abroad, cancelled, merged into another registration, or split
    LOCKED = "locked"  # by the holder, who unlocks it too
    UNLOCKED = "unlocked"
    ITEMS_CHANGED = "items_changed"  # name, address, birth or sex: the signature certificate only


class IdentityCheck(Part):
    """How somebody was identified at the window: which documents, by which member of staff, when."""

    documents: Annotated[tuple[Document, ...], Field(max_length=6)]
    checked_by: Annotated[str, Field(min_length=1, max_length=60)]
    checked_at: Instant
    remark: Annotated[str, Field(max_length=200)] = ""


class KeyToCertify(Part):
    """A public key on the card, and the card's signature with it over `domain.jpki.possession_statement`."""

    profile: Profile
    public_key: _Key
    proof: _Key


class ApplyForCertificates(Message):
    """Municipal ledger → authority: this identified resident, this card, these keys.

    Repeated with the same keys, it is answered with the certificates that were issued then. `card_until`: the card's last day,
    where it is not as usual (a limited period of stay).
    """

    KIND: ClassVar[str] = "apply-for-certificates.v1"
    occasion: Occasion
    resident_code: Annotated[str, Field(max_length=11)]
    card_serial: CardSerial
    identity: IdentityCheck
    keys: Annotated[tuple[KeyToCertify, ...], Field(min_length=1, max_length=2)]
    card_until: date | None = None


class IssuedCertificate(Part):
    """A certificate with that of its authority, both in DER."""

    profile: Profile
    serial: SerialText
    certificate: str
    authority: str
    valid_until: AwareDatetime


class CertificatesIssued(Reply):
    """In the order of the keys. `card_until` is the card's last day, also to be written on it.

    `signature_authority` is the certificate (DER) of the authority for signatures: it stands on every card.
    """

    KIND: ClassVar[str] = "certificates-issued.v1"
    certificates: tuple[IssuedCertificate, ...]
    signature_authority: str
    card_until: date


class ReportCard(Message):
    """Municipal ledger → authority: a card is lost, found, ended or stolen. Again is as once.

    Any municipality may report a loss; only the one of residence takes it back, having identified the holder.
    """

    KIND: ClassVar[str] = "report-card.v1"
    event: CardEvent
    card_serial: CardSerial
    reported_by: Annotated[str, Field(min_length=1, max_length=60)]
    identity: IdentityCheck | None = None


class ShowCertificates(Message):
    """Municipal ledger → authority: the cards and certificates of a resident, or of a card."""

    KIND: ClassVar[str] = "show-certificates.v1"
    resident_code: Annotated[str, Field(max_length=11)] | None = None
    card_serial: CardSerial | None = None


class CertificateShown(Part):
    """A certificate as the office sees it: never its content."""

    profile: Profile
    serial: SerialText
    card_serial: CardSerial
    state: CertificateState
    cause: Cause
    since: AwareDatetime
    valid_from: AwareDatetime
    valid_until: AwareDatetime


class CardShown(Part):
    """A card and who issued it; `certificates` newest first."""

    card_serial: CardSerial
    municipality: str
    card_until: date
    in_use: bool
    certificates: tuple[CertificateShown, ...]


class CardsShown(Reply):
    """Cards, the newest first."""

    KIND: ClassVar[str] = "cards-shown.v1"
    cards: tuple[CardShown, ...]


class FindResidentCode(Message):
    """An entitled party → authority: whose certificate is this (住民票コードの提供)? Every question is recorded."""

    KIND: ClassVar[str] = "find-resident-code.v1"
    profile: Profile
    serial: SerialText
    basis: Annotated[str, Field(min_length=1, max_length=200)]


class ResidentCodeFound(Reply):
    """The resident code a certificate was issued for, and how the certificate stands now."""

    KIND: ClassVar[str] = "resident-code-found.v1"
    resident_code: str
    state: CertificateState
    valid_until: AwareDatetime


class IssuePortalCode(Message):
    """Portal → authority: whoever holds this authentication certificate has logged in; let my link code come under this ticket.

    The portal never learns the resident code, the authority never the link code.
    """

    KIND: ClassVar[str] = "issue-portal-code.v1"
    serial: SerialText
    ticket: Annotated[str, Field(max_length=64)]


class PortalCodeUnderWay(Reply):
    """Operator 2's feed brings the code."""

    KIND: ClassVar[str] = "portal-code-under-way.v1"


class HoldAuthentication(Message):
    """Portal → authority: the holder locks the authentication certificate with this serial, or unlocks the card's.

    To unlock, `serial` is that of the signature certificate that was just used. Again is as once.
    """

    KIND: ClassVar[str] = "hold-authentication.v1"
    serial: SerialText
    hold: bool


class AuthenticationHeld(Reply):
    KIND: ClassVar[str] = "authentication-held.v1"
    held: bool


class IssueHoldersCode(Message):
    """Authority → registry: issue the portal's link code for the holder of a certificate (番号法第二十一条第二項, 令第二十条)."""

    KIND: ClassVar[str] = "issue-holders-code.v1"
    resident_code: Annotated[str, Field(max_length=11)]
    ticket: Annotated[str, Field(max_length=64)]
    basis: Annotated[str, Field(min_length=1, max_length=200)]


class HoldersCodeUnderWay(Reply):
    KIND: ClassVar[str] = "holders-code-under-way.v1"


class RequestOfficeCertificate(Message):
    """Municipal ledger → authority: certify our office's key (P-256) towards cards.

    `proof` is the key's signature over `possession_statement(<institution id>, "office", key)`.
    """

    KIND: ClassVar[str] = "request-office-certificate.v1"
    public_key: _Key
    proof: _Key


class RequestCardCertificate(Message):
    """Card maker → authority: certify the key (P-256) of a new, blank card.

    `proof` is the key's signature over `possession_statement(card_serial, "card", key)`.
    """

    KIND: ClassVar[str] = "request-card-certificate.v1"
    card_serial: CardSerial
    public_key: _Key
    proof: _Key


class CertificateByCardAuthority(Reply):
    """A certificate of the card-management authority, and that of the authority itself."""

    KIND: ClassVar[str] = "certificate-by-card-authority.v1"
    certificate: str
    authority: str


class MakeLists(Message):
    """A member of the joint body, or the oversight body → authority: make new CRLs now, full and delta."""

    KIND: ClassVar[str] = "make-lists.v1"


class ListsMade(Reply):
    KIND: ClassVar[str] = "lists-made.v1"
    count: int


# registry ------------------------------------------------------------------------------------------------------------


class HolderSnapshot(Part):
    """A certificate holder as the registry knows them, without the number; `version` grows with every event.

    `merged_into` is the resident code that stands for a merged registration.
    """

    resident_code: str
    four_items: FourItemsPart
    municipality: str
    alive: bool
    died_on: date | None = None
    standing: Standing = Standing.ACTIVE
    merged_into: str | None = None
    version: int


class LookUpHolder(Message):
    """Authority → registry: who has this resident code? From then on the authority hears of every event of theirs."""

    KIND: ClassVar[str] = "look-up-holder.v1"
    resident_code: Annotated[str, Field(max_length=11)]


class HolderFound(Reply):
    """The resident; none where nobody has the code. A merged registration is answered with the one that stands for it."""

    KIND: ClassVar[str] = "holder-found.v1"
    holder: HolderSnapshot | None


class HolderEvent(Part):
    """One item of the registry's feed to the authority (feed kind `holder`)."""

    event: RegisterEventKind
    on: date
    holder: HolderSnapshot


# responder -----------------------------------------------------------------------------------------------------------


class CertifyResponder(Message):
    """Responder → authority: certify my OCSP key for every issuing authority.

    `proof` is the key's signature over `possession_statement(<party>, "responder", key)`.
    """

    KIND: ClassVar[str] = "certify-responder.v1"
    public_key: _Key
    proof: _Key


class AuthorityOfResponder(Part):
    """An authority's certificate, and for one that issues to residents the responder's by it."""

    ca: CaName
    authority: str
    responder: str | None = None


class ResponderCertified(Reply):
    KIND: ClassVar[str] = "responder-certified.v1"
    authorities: tuple[AuthorityOfResponder, ...]


class StatusChange(Part):
    """One item of the authority's feed to the responder (feed kind `status`): a serial number and nothing else about it.

    `reason` is the code of RFC 5280 CRLReason, for what is not good.
    """

    profile: Profile
    serial: SerialText
    state: CertificateState
    at: AwareDatetime
    reason: int | None = None


class ListMade(Part):
    """One item of the authority's feed to the responder (feed kinds `list`, `root_list`): a CRL; `base` for a delta."""

    ca: CaName
    number: int
    base: int | None = None
    crl: str
