"""The institution API (団体向けAPI): plain JSON for business systems of the own institution, by the desk's certificate.

`GET /v1/openapi.json` describes it; docs/institution-api.json is the same document.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.openapi.utils import get_openapi
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kumihimo.domain.kernel import PartyId, Problem, Sex
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.applications import (
    ApplicationsStand,
    ApplicationState,
    LookAtApplications,
    SubmitApplication,
)
from kumihimo.plumbing.wire.messages.notices import (
    MOST_RECIPIENTS,
    AnswerNotice,
    AnswerTaken,
    NoticeContent,
    Values,
)
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.roles.gateway.service.applications import ApplicationDesk
from kumihimo.roles.gateway.service.notices import Notices
from kumihimo.roles.gateway.store.applications import Application
from kumihimo.roles.gateway.store.notices import Delivery, Notice

REFERENCE: Final = r"^[A-Za-z0-9._-]{1,60}$"
PREFIX: Final = "/v1"
_SEX: Final = {one: one.name.lower() for one in Sex}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipient(_Model):
    """One recipient, and the values that stand in the places of the text for them alone."""

    addressee_number: Annotated[str, Field(examples=["100000000000018"])]
    values: Values = Field(default_factory=dict)


class NewNotice(_Model):
    """A notice for up to 100,000 addressees. `reference` is the business system's own; the same again is the same notice."""

    reference: Annotated[str, Field(pattern=REFERENCE, examples=["2026-kodomo-0001"])]
    staff: Annotated[str, Field(min_length=1, max_length=60)]
    content: NoticeContent
    recipients: Annotated[tuple[Recipient, ...], Field(min_length=1, max_length=MOST_RECIPIENTS)]


class NoticeShown(_Model):
    """How far a notice is. `no_code`: recipients the platform does not know; they must be told otherwise.

    `opened`: how many opened it, as far as the portal tells (null: fewer than ten have it, or the portal cannot be reached).
    `problem`: the code of what holds it up at the moment.
    """

    reference: str
    staff: str
    taken_at: datetime
    recipients: int
    waiting: int
    delivered: int
    no_code: int
    opened: int | None
    problem: str | None


class NoticesShown(_Model):
    """The newest 1,000, without what must be asked of the portal."""

    notices: tuple[NoticeShown, ...]


class RecipientShown(_Model):
    """One recipient. `opened_at`: only of those who let this institution know."""

    position: int
    addressee_number: str
    state: Delivery
    opened_at: datetime | None


class RecipientsShown(_Model):
    """Up to 1,000 recipients; go on with `after` the last one's position."""

    recipients: tuple[RecipientShown, ...]


class AnswerShown(_Model):
    """What a recipient answered."""

    reference: str
    addressee_number: str
    says: str
    received_at: datetime


class AnswersShown(_Model):
    """The newest 1,000."""

    answers: tuple[AnswerShown, ...]


class ApplicationShown(_Model):
    """An application in the list. `number` is its reference number (受付番号)."""

    number: str
    procedure: str
    state: ApplicationState
    taken_at: datetime
    changed_at: datetime
    staff: str | None
    says: str | None


class ApplicationsShown(_Model):
    """Up to 1,000, newest first; go on with `before` the last one's `taken_at`."""

    applications: tuple[ApplicationShown, ...]


class Applicant(_Model):
    """Who signed, as the signature certificate names them; what JIS X 0213 lacks is written as a substitute (代替文字)."""

    name: str
    address: str
    birth: date
    sex: Literal["male", "female", "not_known", "not_applicable"]


class ApplicationOpened(ApplicationShown):
    """An application opened: answers, and whoever signed it. `manifest` is what was signed, `signature` its CMS, both base64.

    `hash` is this part's in the manifest. `represented`: whoever signed acts for another person.
    """

    answers: dict[str, str]
    represented: bool
    applicant: Applicant
    hash: str
    manifest: str
    signature: str


class NewState(_Model):
    """A state, and what the applicant is told."""

    state: ApplicationState
    staff: Annotated[str, Field(min_length=1, max_length=60)]
    says: Annotated[str, Field(min_length=1, max_length=2_000)] | None = None


class ProblemShown(BaseModel):
    """What went wrong (RFC 9457): `type` ends with a code of docs/protocols.md; where, what was expected, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    where: str | None = None
    expected: str | None = None
    advice: str | None = None


_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemShown, "description": said}
    for status, said in (
        (400, "not JSON"), (403, "not the institution's own desk"), (404, "no such notice or application"),
        (409, "the reference is taken, or the state cannot follow"), (413, "too large"), (422, "something in it cannot be"),
        (503, "somebody cannot be reached"),
    )
}  # fmt: skip


def mount_institution(
    app: FastAPI, edge: Edge, notices: Notices, applications: ApplicationDesk, own_desk: Callable[[PartyId], bool]
) -> None:
    """Add the institution API, and the portal's way to bring answers."""

    router = institution_router(notices, applications, own_desk)
    app.include_router(router)

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    def openapi() -> dict[str, Any]:
        return description(router)

    def is_portal(peer: PartyId) -> bool:
        return peer == PORTAL

    @app.post("/applications")
    def submit(envelope: Envelope, peer: Peer) -> Envelope:
        """SubmitApplication → ApplicationTaken."""
        return edge.answer(applications.take(edge.open(envelope, SubmitApplication, peer, is_portal).value))

    @app.post("/applications/stand")
    def stand(envelope: Envelope, peer: Peer) -> Envelope:
        """LookAtApplications → ApplicationsStand."""
        message = edge.open(envelope, LookAtApplications, peer, is_portal).value
        stands = applications.stand(message.receipts)
        return edge.answer(ApplicationsStand(in_reply_to=message.message_id, applications=stands))

    @app.post("/answered-notices")
    def answered(envelope: Envelope, peer: Peer) -> Envelope:
        """AnswerNotice → AnswerTaken."""
        message = edge.open(envelope, AnswerNotice, peer, is_portal).value
        notices.answered(message)
        return edge.answer(AnswerTaken(in_reply_to=message.message_id, reference=message.reference))


def institution_router(
    notices: Notices, applications: ApplicationDesk, own_desk: Callable[[PartyId], bool]
) -> APIRouter:
    """The institution API's routes."""

    def desk(peer: Peer) -> None:
        if not own_desk(peer):
            raise Problem("peer.not_allowed", f"{peer} may not use this institution's API")

    router = APIRouter(prefix=PREFIX, dependencies=[Depends(desk)], responses=_PROBLEMS)
    _mount_notices(router, notices)
    _mount_applications(router, applications)
    return router


def description(router: APIRouter) -> dict[str, Any]:
    """The OpenAPI document of the institution API."""
    return get_openapi(title="Kumihimo institution API", version="1", description=__doc__, routes=router.routes)


def _mount_notices(router: APIRouter, notices: Notices) -> None:
    def found(reference: str) -> Notice:
        one = notices.store.find(reference)
        if one is None:
            raise Problem("notice.unknown", reference[:60], "reference", "a notice that was sent")
        return one

    @router.post("/notices", status_code=202)
    def send(new: NewNotice) -> NoticeShown:
        """Send a notice (お知らせの配信): it is written down, and delivered from now on."""
        recipients = [(one.addressee_number, one.values) for one in new.recipients]
        return _shown(notices, notices.take(new.reference, new.staff, new.content, recipients))

    @router.get("/notices")
    def newest() -> NoticesShown:
        """The notices that were sent, newest first."""
        return NoticesShown(notices=tuple(_shown(notices, one) for one in notices.store.newest()))

    @router.get("/notices/{reference}")
    def state(reference: str) -> NoticeShown:
        """How far a notice is, and how many opened it."""
        one = found(reference)
        try:
            stand = notices.stands(one)
        except Problem as problem:
            if problem.code != "peer.unreachable":
                raise
            stand = None
        return _shown(notices, one, None if stand is None else stand.opened)

    @router.get("/notices/{reference}/recipients")
    def recipients(
        reference: str, state: Delivery | None = None, after: Annotated[int, Query(ge=-1)] = -1
    ) -> RecipientsShown:
        """Recipients in order, those in one state where it is named: for instance all who must be written to on paper."""
        shown = [
            RecipientShown(
                position=to.position, addressee_number=to.addressee_number, state=to.state, opened_at=to.opened_at
            )
            for to in notices.store.recipients(found(reference).id, state, after)
        ]
        return RecipientsShown(recipients=tuple(shown))

    @router.get("/notices/{reference}/answers")
    def answers(reference: str) -> AnswersShown:
        """What recipients answered, newest first."""
        shown = [
            AnswerShown(
                reference=one.reference,
                addressee_number=one.addressee_number,
                says=one.says,
                received_at=one.received_at,
            )
            for one in notices.store.answers(found(reference).id)
        ]
        return AnswersShown(answers=tuple(shown))


def _mount_applications(router: APIRouter, desk: ApplicationDesk) -> None:
    @router.get("/applications")
    def newest(state: ApplicationState | None = None, before: AwareDatetime | None = None) -> ApplicationsShown:
        """Applications (申請・届出), newest first, those in one state where it is named."""
        found = desk.store.newest(state, before)
        return ApplicationsShown(applications=tuple(ApplicationShown(**_of(one)) for one in found))

    @router.get("/applications/{number}")
    def one(number: str) -> ApplicationOpened:
        """One by its reference number, opened."""
        opened = desk.open(number)
        holder = opened.applicant
        applicant = Applicant(
            name=holder.name, address=holder.address, birth=holder.birth, sex=_SEX[holder.sex],
        )  # fmt: skip
        return ApplicationOpened(
            **_of(opened.kept), answers=opened.answers, represented=opened.represented, applicant=applicant,
            hash=opened.kept.hash, manifest=b64(opened.manifest), signature=b64(opened.signature),
        )  # fmt: skip

    @router.post("/applications/{number}/state")
    def decide(number: str, new: NewState) -> ApplicationShown:
        """Set its state, and tell the applicant why. A decision may be corrected by another; what is done stays done."""
        return ApplicationShown(**_of(desk.decide(number, new.state, new.staff, new.says)))


def _of(one: Application) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ApplicationShown.model_fields}


def _shown(notices: Notices, one: Notice, opened: int | None = None) -> NoticeShown:
    counts = notices.store.counts(one.id)
    return NoticeShown(
        reference=one.reference, staff=one.staff, taken_at=one.taken_at, recipients=one.recipients,
        waiting=counts.get(Delivery.WAITING, 0), delivered=counts.get(Delivery.DELIVERED, 0),
        no_code=counts.get(Delivery.NO_CODE, 0), opened=opened, problem=one.problem,
    )  # fmt: skip
