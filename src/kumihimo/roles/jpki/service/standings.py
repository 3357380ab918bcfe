"""How certificates stand (失効・一時停止): what is reported at windows, and what the registry tells of their holders.

公的個人認証法 第十一条 ff.: a certificate ends with its holder's registration, and the signature certificate also when name,
address, birth or sex change. A lost card's certificates are suspended, since it may be found. What is revoked stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from cryptography import x509

from kumihimo.domain.jpki import Holder, Profile, Reason, require_enough
from kumihimo.domain.kernel import Clock, Problem
from kumihimo.plumbing.wire.messages.cards import (
    CardEvent,
    CardShown,
    Cause,
    CertificateShown,
    CertificateState,
    HolderEvent,
    HolderSnapshot,
    ReportCard,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind, Standing
from kumihimo.roles.jpki.store import AuthorityStore, Card, CardState, Certificate, Transaction

# What the public is told. That somebody has died or moved away is nobody's business who merely holds a certificate.
REASONS: Final = {
    Cause.LOST: Reason.CERTIFICATE_HOLD,
    Cause.LOCKED: Reason.CERTIFICATE_HOLD,
    Cause.STOLEN: Reason.KEY_COMPROMISE,
    Cause.ENDED: Reason.CESSATION_OF_OPERATION,
    Cause.DEATH: Reason.CESSATION_OF_OPERATION,
    Cause.ERASED: Reason.CESSATION_OF_OPERATION,
    Cause.SUPERSEDED: Reason.SUPERSEDED,
    Cause.NEW_CARD: Reason.SUPERSEDED,
    Cause.ITEMS_CHANGED: Reason.AFFILIATION_CHANGED,
}
REGISTRY_SAYS: Final = "registry/network"


class Standings:
    """Reports about cards, and events of holders."""

    def __init__(self, store: AuthorityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def report(self, municipality: str, reported: ReportCard) -> list[CardShown]:
        """Take a report about a card, and show how it stands then; again is as once.

        Raises Problem(jpki.card_unknown, jpki.not_entitled, jpki.card_state, jpki.identity_unproven).
        """
        now, by = self._clock.now(), f"{municipality}/{reported.reported_by}"
        with self._store.transaction() as transaction:
            card = transaction.card(reported.card_serial)
            if card is None:
                raise unknown_card()
            if reported.event is not CardEvent.LOST:
                _require_residence(transaction, card, municipality)
            match reported.event:
                case CardEvent.LOST:
                    _suspend(transaction, card, now, by)
                case CardEvent.FOUND:
                    require_enough(reported.identity.documents if reported.identity is not None else ())
                    _resume(transaction, card, now, by)
                case CardEvent.ENDED:
                    end_card(transaction, card, Cause.ENDED, now, by)
                case CardEvent.STOLEN:
                    end_card(transaction, card, Cause.STOLEN, now, by)
            return [shown(transaction, card.card_serial)]

    def lock(self, serial: str, by: str) -> None:
        """The holder locks an authentication certificate; again is as once.

        Raises Problem(jpki.certificate_unknown, jpki.card_state).
        """
        now = self._clock.now()
        with self._store.transaction() as transaction:
            one = _known(transaction, Profile.AUTHENTICATION, serial)
            if one.state is CertificateState.REVOKED:
                raise unfit("it is revoked", "a certificate in use")
            if one.state is CertificateState.GOOD:
                transaction.set_certificate(
                    one, CertificateState.HELD, Cause.LOCKED, REASONS[Cause.LOCKED], now, by
                )  # fmt: skip

    def unlock(self, signature_serial: str, by: str) -> None:
        """The holder of a good signature certificate unlocks what they locked on its card; again is as once.

        What a window holds stays held. Raises Problem(jpki.certificate_unknown, jpki.card_state).
        """
        now = self._clock.now()
        with self._store.transaction() as transaction:
            signature = _known(transaction, Profile.SIGNATURE, signature_serial)
            on_card = [
                one
                for one in transaction.certificates_on(signature.card_serial)
                if one.profile is Profile.AUTHENTICATION and one.state is not CertificateState.REVOKED
            ]
            if signature.state is not CertificateState.GOOD or not on_card:
                raise unfit("its signature certificate is not in use", "a card in use")
            for one in on_card:
                if one.state is CertificateState.HELD:
                    if one.cause is not Cause.LOCKED:
                        raise unfit("a window holds it", "a certificate that its holder locked")
                    transaction.set_certificate(one, CertificateState.GOOD, Cause.UNLOCKED, None, now, by)

    def show(self, resident_code: str | None, card_serial: str | None) -> list[CardShown]:
        """The cards of a resident, or one card. Raises Problem(value.invalid, jpki.card_unknown)."""
        with self._store.reading() as transaction:
            match resident_code, card_serial:
                case str(code), None:
                    return [shown(transaction, one.card_serial) for one in transaction.cards_of(code)]
                case None, str(serial):
                    if transaction.card(serial) is None:
                        raise unknown_card()
                    return [shown(transaction, serial)]
        raise Problem("value.invalid", "a question", expected="either a resident code or a card serial")

    def hear(self, transaction: Transaction, event: HolderEvent) -> None:
        """Do what follows from an event of the registry; one that was heard before, or comes too late, does nothing."""
        person, now = event.holder, self._clock.now()
        if person.version <= transaction.version_of(person.resident_code):
            return
        transaction.set_holder(person.resident_code, person.version, person.municipality)
        cards = [one for one in transaction.cards_of(person.resident_code) if one.state is not CardState.ENDED]
        cause = _ending(event)
        for card in cards:
            if cause is not None:
                end_card(transaction, card, cause, now, REGISTRY_SAYS)
            else:
                _revoke_outdated(transaction, card, person, now)


def end_card(transaction: Transaction, card: Card, cause: Cause, now: datetime, by: str) -> None:
    """Revoke everything on a card, which is over then."""
    for one in transaction.certificates_on(card.card_serial):
        revoke(transaction, one, cause, now, by)
    transaction.set_card(card.card_serial, CardState.ENDED, now)


def revoke(transaction: Transaction, one: Certificate, cause: Cause, now: datetime, by: str) -> None:
    """Revoke a certificate for good; one that is revoked already keeps its cause."""
    if one.state is not CertificateState.REVOKED:
        transaction.set_certificate(one, CertificateState.REVOKED, cause, REASONS[cause], now, by)


def shown(transaction: Transaction, card_serial: str) -> CardShown:
    """A card as the office sees it."""
    card = transaction.card(card_serial)
    if card is None:
        raise unknown_card()
    return CardShown(
        card_serial=card.card_serial,
        municipality=card.municipality,
        card_until=card.card_until,
        in_use=card.state is CardState.IN_USE,
        certificates=tuple(
            CertificateShown(
                profile=one.profile, serial=one.serial, card_serial=one.card_serial, state=one.state, cause=one.cause,
                since=one.since, valid_from=one.valid_from, valid_until=one.valid_until,
            )
            for one in transaction.certificates_on(card_serial)
        ),
    )  # fmt: skip


def _known(transaction: Transaction, profile: Profile, serial: str) -> Certificate:
    found = transaction.certificate(profile, serial)
    if found is None:
        raise Problem("jpki.certificate_unknown", f"{profile} certificate {serial}", expected="one that was issued")
    return found


def unknown_card() -> Problem:
    """The refusal of a card that nobody was issued."""
    return Problem("jpki.card_unknown", "no certificate was issued for it", where="card_serial")


def _ending(event: HolderEvent) -> Cause | None:
    """Why all certificates of the holder end, None where they do not."""
    if not event.holder.alive:
        return Cause.DEATH
    # Two persons were under one registration: which of them has the card, only a window can see.
    if event.holder.standing is not Standing.ACTIVE or event.event is RegisterEventKind.SPLIT:
        return Cause.ERASED
    return None


def _revoke_outdated(transaction: Transaction, card: Card, person: HolderSnapshot, now: datetime) -> None:
    """The signature certificate must say what the registry says; the authentication certificate says nothing."""
    present = Holder.of(person.four_items.read())
    for one in transaction.certificates_on(card.card_serial):
        if one.profile is not Profile.SIGNATURE or one.state is CertificateState.REVOKED:
            continue
        if Holder.read(x509.load_der_x509_certificate(one.der)) != present:
            revoke(transaction, one, Cause.ITEMS_CHANGED, now, REGISTRY_SAYS)


def _suspend(transaction: Transaction, card: Card, now: datetime, by: str) -> None:
    if card.state is CardState.ENDED:
        raise unfit("it has ended", "a card in use")
    transaction.set_card(card.card_serial, CardState.LOST, now)
    _turn(transaction, card, CertificateState.GOOD, lambda one: _hold(transaction, one, now, by))


def _resume(transaction: Transaction, card: Card, now: datetime, by: str) -> None:
    if card.state is CardState.ENDED:
        raise unfit("it has ended", "a card that was reported lost")
    transaction.set_card(card.card_serial, CardState.IN_USE, now)
    _turn(transaction, card, CertificateState.HELD, lambda one: _release(transaction, one, now, by))


def _turn(transaction: Transaction, card: Card, state: CertificateState, turn: Callable[[Certificate], None]) -> None:
    for one in transaction.certificates_on(card.card_serial):
        if one.state is state:
            turn(one)


def _hold(transaction: Transaction, one: Certificate, now: datetime, by: str) -> None:
    transaction.set_certificate(one, CertificateState.HELD, Cause.LOST, REASONS[Cause.LOST], now, by)


def _release(transaction: Transaction, one: Certificate, now: datetime, by: str) -> None:
    transaction.set_certificate(one, CertificateState.GOOD, Cause.FOUND, None, now, by)


def _require_residence(transaction: Transaction, card: Card, municipality: str) -> None:
    residence = transaction.municipality_of(card.resident_code)
    if residence != municipality:
        raise Problem(
            "jpki.not_entitled", f"a report by {municipality}", expected="the municipality of residence",
            advice="Report a loss anywhere; all else where the holder is registered.",
        )  # fmt: skip


def unfit(detail: str, expected: str) -> Problem:
    """The refusal of what does not fit the state of a card."""
    return Problem("jpki.card_state", detail, where="card_serial", expected=expected)
