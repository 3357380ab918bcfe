"""Late refusals of chunks (一括照会の不許可の後送): as `refusals`, for all persons of a request at once."""

from __future__ import annotations

from typing import Final

from kumihimo.domain.codes import CIPHERTEXT_BYTES
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.chunks import check_logged_records, packed, person_transaction, positions_in, subjects_of
from kumihimo.plumbing.wire.chunks import unpacked as unpack
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.link_keys import OPERATORS
from kumihimo.plumbing.wire.messages.batch import ChunkPassed, ChunkRequest, PortalAccesses, RelayRefusals
from kumihimo.plumbing.wire.messages.inquiry import EntryKind
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.service.batch_second import ACCESSES_KIND, ChunkPassages, persons_at, requested_chunk
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation
from kumihimo.roles.hub.service.chunk_journal import ChunkJournal, refused_mark
from kumihimo.roles.hub.service.parties import is_first_operator
from kumihimo.roles.hub.service.ports import Notify, Sender, send_to_operator
from kumihimo.roles.hub.service.proofs import Hop, ProofCheck
from kumihimo.roles.hub.service.records import request_record
from kumihimo.roles.hub.service.rulings import Ruling
from kumihimo.roles.hub.service.towards_portal import ends_towards_portal
from kumihimo.roles.hub.store import Entered, News
from kumihimo.roles.hub.store.batch import ChunkPassage

PATH: Final = "/relayed-refusals-of-chunks"


def is_chunk(request: Envelope) -> bool:
    """Whether a request that waits is one about many persons."""
    return request.payloadType == ChunkRequest.payload_type()


class ChunkRefusals:
    """Operator 1's side: what `RefusalRelay` sends for a chunk."""

    def __init__(self, edge: Edge, entries: ChunkJournal, translation: ChunkTranslation, sender: Sender) -> None:
        self._edge = edge
        self._entries = entries
        self._translation = translation
        self._sender = sender

    def send(self, request: Envelope) -> None:
        """Tell operator 2 of every refused person of a request. Raises Problem as a RelayRefusal does."""
        signed = requested_chunk(self._edge, request)
        subjects, number = subjects_of(signed.value.subjects), signed.value.transaction
        position_of = {person_transaction(number, at): at for at in range(len(subjects))}
        refused: dict[int, Entered] = {}
        marks = [mark for number in position_of for mark in (number, refused_mark(number))]
        for one in self._entries.under(marks).values():
            record = one.record
            mine = record.entry is EntryKind.REQUEST and record.request_hash == request.digest()
            if mine and not record.granted and record.subject_hash is not None:
                refused.setdefault(position_of[record.transaction or ""], one)
        told = {at: refused[at] for at in sorted(refused)}
        epoch = self._translation.domains.present(institution_of(PORTAL))
        source, portal = ends_towards_portal(self._translation.domains, signed.value, epoch)
        items = [(person_transaction(number, at), subjects[at]) for at in told]
        halves = self._translation.hop(items, source, portal, self._edge.clock.now())
        relay = self._edge.message(
            RelayRefusals,
            OPERATORS[1],
            request=request,
            logged=self._entries.passed_on(told),
            for_portal=packed(halves),
            portal_epoch=epoch,
        )
        send_to_operator(self._sender, PATH, relay, ChunkPassed)


class SecondChunkRefusalDesk:
    """Operator 2 tells the portal of the refusals of a chunk it hears of late."""

    def __init__(
        self,
        edge: Edge,
        passages: ChunkPassages,
        translation: ChunkTranslation,
        notify: Notify,
        check: ProofCheck,
    ) -> None:
        self._edge = edge
        self._passages = passages
        self._translation = translation
        self._notify = notify
        self._check = check

    def pass_on(self, envelope: Envelope, peer: PartyId) -> ChunkPassed:
        """Check a RelayRefusals and put it on the portal's feed, once; as `SecondRefusalDesk.pass_on`."""
        relay = self._edge.open(envelope, RelayRefusals, peer, is_first_operator).value
        signed = requested_chunk(self._edge, relay.request)
        request, logged = signed.value, relay.logged
        subjects = subjects_of(request.subjects)
        told = positions_in(logged.positions, len(subjects), "logged.positions")
        persons = persons_at(request.transaction, subjects, told)
        promised = check_logged_records(self._edge, logged, persons)
        for record in logged.records:
            told_so = Ruling(record.rule_book or "", (), (), record.refusal, None)
            own = request_record(signed, told_so, record.logged_at).model_copy(update={"transaction": None})
            if record.refusal is None or record != own:
                raise Problem("log.proof_invalid", "a logged record is no refusal of this request", where="record")
        halves = unpack(relay.for_portal, CIPHERTEXT_BYTES, "for_portal", len(told))
        source, portal = ends_towards_portal(self._translation.domains, request, relay.portal_epoch)

        def hop(place: int) -> tuple[Hop]:
            return (Hop(source, portal, b64(subjects[told[place]]), b64(halves[place])),)

        self._check.sample_each([one.transaction for one in persons], hop, envelope)
        now = self._edge.clock.now()
        items = [(person.transaction, half) for person, half in zip(persons, halves, strict=True)]
        access = PortalAccesses(
            transaction=request.transaction,
            subjects=packed(self._translation.hop(items, source, portal, now)),
            subject_hashes=packed(bytes.fromhex(one.subject_hash or "") for one in persons),
            logged=logged,
            epoch=relay.portal_epoch,
        )
        indexes = [one.index for one in promised.entries]
        passage = ChunkPassage(
            f"refused/{request.transaction}/{indexes[0] if indexes else '-'}",
            tuple((f"refused/{index}", None) for index in indexes),
            promised,
            (News(PORTAL, ACCESSES_KIND, access),),
            now,
        )
        if self._passages.passes(passage):
            self._notify()
        return ChunkPassed(in_reply_to=relay.message_id, transaction=request.transaction)
