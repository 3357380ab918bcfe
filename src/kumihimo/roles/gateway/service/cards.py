"""IC cards at a municipality's window (ICカードの申請・届出, 公的個人認証法 第三条・第二十二条): the ledger's part.

The desk names an addressee; the registry tells their resident code, and the certification authority is asked by it. The
ledger keeps nothing of it: cards and certificates are the authority's, the number on the card is what the registry says now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message
from kumihimo.plumbing.wire.messages.card_desk import (
    ApplyForCard,
    CardGranted,
    CertifyCardKey,
    CertifyOfficeKey,
    ShowCards,
    TellOfCard,
)
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    CardsShown,
    CertificateByCardAuthority,
    CertificatesIssued,
    ReportCard,
    RequestCardCertificate,
    RequestOfficeCertificate,
    ShowCertificates,
)
from kumihimo.plumbing.wire.messages.residents import LookUp, LookUpResult, ResidentSnapshot
from kumihimo.roles.gateway.service.addressees import Addressees
from kumihimo.roles.gateway.service.code_issuing import MUNICIPALITY
from kumihimo.roles.gateway.service.lines import CERTIFIER, REGISTRY, Line, R

BASIS: Final = "ic-card"


@dataclass(frozen=True)
class CardWindow:
    """The window around one ledger. Everything raises what registry and authority refuse, and peer.unreachable;
    Problem(peer.not_allowed) at an institution that is no municipality, and has no window.
    """

    addressees: Addressees
    edge: Edge
    line: Line

    def apply(self, message: ApplyForCard) -> CardGranted:
        """Have certificates issued for an addressee. Raises Problem(peer.not_allowed, addressee.unknown)."""
        resident, code = self._resident(message.addressee_number)
        asked = self.edge.message(
            ApplyForCertificates, CERTIFIER, occasion=message.occasion, resident_code=code,
            card_serial=message.card_serial, identity=message.identity, keys=message.keys,
        )  # fmt: skip
        issued = self._ask("/certificates", asked, CertificatesIssued)
        return CardGranted(
            in_reply_to=message.message_id, issued=issued, individual_number=resident.individual_number,
            resident_code=code, four_items=resident.four_items,
        )  # fmt: skip

    def show(self, message: ShowCards) -> CardsShown:
        """Cards of an addressee, or one by its serial. Raises Problem(value.invalid) unless exactly one is named."""
        if (message.addressee_number is None) == (message.card_serial is None):
            raise Problem("value.invalid", "not one criterion", expected="either an addressee number or a card serial")
        code = None if message.addressee_number is None else self._resident(message.addressee_number)[1]
        asked = self.edge.message(ShowCertificates, CERTIFIER, resident_code=code, card_serial=message.card_serial)
        shown = self._ask("/shown-certificates", asked, CardsShown)
        return shown.model_copy(update={"in_reply_to": message.message_id})

    def report(self, message: TellOfCard) -> CardsShown:
        """Pass on that a card was lost, found, given back or stolen; how it stands then."""
        asked = self.edge.message(
            ReportCard, CERTIFIER, event=message.event, card_serial=message.card_serial,
            reported_by=message.reported_by, identity=message.identity,
        )  # fmt: skip
        shown = self._ask("/reports", asked, CardsShown)
        return shown.model_copy(update={"in_reply_to": message.message_id})

    def certify_office(self, message: CertifyOfficeKey) -> CertificateByCardAuthority:
        """Have the key of this municipality's office certified."""
        asked = self.edge.message(
            RequestOfficeCertificate, CERTIFIER, public_key=message.public_key, proof=message.proof
        )
        certified = self._ask("/office-certificates", asked, CertificateByCardAuthority)
        return certified.model_copy(update={"in_reply_to": message.message_id})

    def certify_card(self, message: CertifyCardKey) -> CertificateByCardAuthority:
        """Have the key of a new card certified."""
        asked = self.edge.message(
            RequestCardCertificate, CERTIFIER, card_serial=message.card_serial, public_key=message.public_key,
            proof=message.proof,
        )  # fmt: skip
        certified = self._ask("/card-certificates", asked, CertificateByCardAuthority)
        return certified.model_copy(update={"in_reply_to": message.message_id})

    def _ask(self, path: str, message: Message, reply: type[R]) -> R:
        """Ask the authority, as a municipality."""
        own = self.edge.directory.institution_of(self.edge.party)
        if MUNICIPALITY not in own.classes:
            raise Problem(
                "peer.not_allowed", f"{own.id} has no card window",
                expected="a municipality, which identifies people at its counter",
            )  # fmt: skip
        return self.line.send(path, message, reply).value

    def _resident(self, addressee_number: str) -> tuple[ResidentSnapshot, str]:
        """The registry's present state of an addressee, with the resident code, which municipalities are told."""
        number = self.addressees.entry(addressee_number).person.individual_number.digits
        asked = self.edge.message(LookUp, REGISTRY, basis=BASIS, individual_number=number)
        found = self.line.send("/look-ups", asked, LookUpResult).value.residents
        if len(found) != 1:
            raise Problem(
                "resident.unknown", f"the registry knows {len(found)} residents of this number", expected="one",
                advice="Bring the ledger up to date with the registry first.",
            )  # fmt: skip
        if found[0].resident_code is None:
            raise Problem("peer.not_allowed", "no resident code is told here", expected="a municipality")
        return found[0], found[0].resident_code
