"""Problems (問題): the one typed error of the country, as it crosses rooms and, at the edge, the wire (RFC 9457).

A problem tells a person what happened, which value was wrong and where, what was expected, and what to do. Its code is
stable: programs may branch on it. A role raises `Problem`; only the HTTP edge turns it into a problem document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# code -> (HTTP status, short title). Append here; never change the meaning of a code that has been released.
CATALOGUE: Final[dict[str, tuple[int, str]]] = {
    # identifiers and plain values
    "number.format": (422, "Not an Individual Number"),
    "number.check_digit": (422, "The check digit of the Individual Number is wrong"),
    "corporate_number.format": (422, "Not a Corporate Number"),
    "corporate_number.check_digit": (422, "The check digit of the Corporate Number is wrong"),
    "resident_code.format": (422, "Not a resident code"),
    "resident_code.check_digit": (422, "The check digit of the resident code is wrong"),
    "addressee_number.format": (422, "Not an addressee number"),
    "addressee_number.check_digit": (422, "The check digit of the addressee number is wrong"),
    "date.format": (422, "Not a date"),
    "date.impossible": (422, "A date that does not exist"),
    "name.empty": (422, "A name is missing"),
    "name.reading": (422, "A reading is not written in kana"),
    "address.empty": (422, "An address is missing"),
    "sex.unknown": (422, "Not a sex as the resident register writes it"),
    "institution.format": (422, "Not an institution id"),
    "value.invalid": (422, "A value is not as expected"),
    # law
    "rules.format": (422, "The rule book cannot be read"),
    "rules.none_in_force": (403, "No rule book is in force on that day"),
    "institution.unknown": (404, "Unknown institution"),
    "affair.unknown": (404, "Unknown affair"),
    "item.unknown": (404, "Unknown information item"),
    "rules.requester_not_entitled": (403, "The requester is not entitled for this affair"),
    "rules.item_not_in_affair": (403, "The item may not be asked for this affair"),
    "rules.provider_not_named": (403, "The provider is not named for this item"),
    "rules.not_in_force": (403, "The rule is not in force on that day"),
    "rules.books_differ": (409, "The two operators of the hub apply different rule books"),
    # codes, sealing, log
    "codes.identity_point": (422, "A ciphertext with the identity point"),
    "codes.not_a_point": (422, "Bytes that are not a group element"),
    "codes.proof_invalid": (422, "A translation proof does not hold"),
    "codes.ticket_unknown": (404, "Unknown or used ticket"),
    "codes.epoch_closed": (409, "An epoch of link codes that is not open"),
    "rotation.none": (404, "No rotation of link codes is under way"),
    "rotation.conflict": (409, "The step does not fit the state of the domain"),
    "rotation.too_early": (409, "The old epoch may still be needed"),
    "seeds.in_use": (409, "Seeds from which open domains are derived"),
    "sealing.cannot_open": (422, "A sealed payload cannot be opened"),
    "log.proof_invalid": (422, "A log proof does not hold"),
    "log.checkpoint_invalid": (422, "A checkpoint cannot be trusted"),
    "log.inconsistent": (409, "Two states of the log contradict each other"),
    "log.unknown_entry": (404, "No such log entry"),
    "log.origin_unknown": (404, "A log that is not watched here"),
    "log.old_size_differs": (409, "The witness has seen another size of the log"),
    # messages between roles
    "message.malformed": (400, "A message cannot be read"),
    "message.too_large": (413, "A message is too large"),
    "message.too_slow": (408, "A message took too long to arrive"),
    "message.unsigned": (401, "A message without a signature"),
    "message.signature_invalid": (401, "The signature of a message does not hold"),
    "message.wrong_signer": (403, "A message signed by somebody else"),
    "message.stale": (408, "A message outside the time window"),
    "message.replayed": (409, "A message that was already used"),
    "peer.unknown": (401, "The peer is not in the directory"),
    "peer.not_allowed": (403, "The peer may not do this"),
    "peer.certificate_ended": (403, "A certificate that is not accepted any more"),
    "directory.not_newer": (409, "A directory that is not newer than the one in use"),
    "peer.unreachable": (503, "A peer cannot be reached"),
    "operator.unreachable": (503, "An operator of the hub cannot be reached"),
    "provider.unreachable": (503, "The provider cannot be reached"),
    "institution.exists": (409, "There is an institution of this name already"),
    "institution.suspended": (403, "The institution is suspended"),
    "quota.exceeded": (429, "Too many requests"),
    "hub.stopped": (503, "All linkage is stopped by order of the oversight body"),
    "order.conflict": (409, "Another order has the same number"),
    "audit.not_ordered": (403, "Nothing is opened without an order of the oversight body"),
    "audit.not_logged": (409, "An inquiry that the verified log does not have"),
    # permits
    "permit.expired": (403, "The permit has expired"),
    "permit.wrong_provider": (403, "The permit is for another provider"),
    "permit.wrong_requester": (403, "The permit is for another requester"),
    "permit.subject_mismatch": (403, "The permit is for another person"),
    "permit.used": (409, "The permit was already used"),
    "answer.decided": (409, "The inquiry was answered already"),
    # persons and ledgers
    "resident.unknown": (404, "No such resident"),
    "resident.already_registered": (409, "A resident with these four items is registered already"),
    "resident.ambiguous": (409, "More than one resident fits"),
    "resident.event_invalid": (409, "The event does not fit the resident's state"),
    "number.none_left": (503, "No number could be drawn"),
    "number.already_assigned": (409, "A number was already assigned"),
    "number.unknown": (404, "No such number"),
    "addressee.unknown": (404, "No such addressee"),
    "task.unknown": (404, "No such open task"),
    "addressee.no_code": (409, "The addressee has no link code yet"),
    "staff.not_entitled": (403, "The staff member may not handle this affair"),
    "copy.invalid": (422, "An information item does not fit its schema"),
    "transaction.unknown": (404, "No such transaction"),
    "batch.unknown": (404, "No such batch inquiry"),
    "schedule.unknown": (404, "No such scheduled inquiry"),
    "answers.forgotten": (410, "Answers are kept no longer"),
    "inquiry.interrupted": (500, "An inquiry was cut off before its outcome was known"),
    "account.unknown": (404, "No such portal account"),
    # files, stores, country
    "file.unreadable": (422, "A file cannot be read"),
    "file.unwritable": (500, "A file cannot be written"),
    "port.taken": (409, "A port cannot be listened on"),
    "key.permissions": (500, "A key file is readable by others"),
    "key.exists": (409, "There is already a key file"),
    "key.missing": (500, "A key file is missing"),
    "key.not_a_pair": (500, "A certificate and a key do not belong together"),
    "store.not_migrated": (500, "A store has not the expected schema"),
    "store.migration_failed": (500, "A store could not be brought to the expected schema"),
    "store.belongs_to_another": (500, "The database is the store of another part"),
    "store.out_of_reach": (500, "A store outside the folder of its role"),
    "store.permissions": (500, "A store file is readable by others"),
    "store.not_empty": (409, "There is already a store there"),
    "store.damaged": (500, "A store is damaged"),
    "backup.exists": (409, "There is already a backup there"),
    "backup.damaged": (422, "A backup is not whole"),
    "backup.impossible": (501, "A backup cannot be made or put back with the programs of this machine"),
    "drill.impossible": (501, "A drill cannot be played on this machine"),
    "drill.failed": (500, "A drill showed something that does not hold"),
    "store.closed": (503, "The store is closing"),
    "store.full": (507, "There is no room left for a store"),
    "store.busy": (503, "A store is in use by somebody else"),
    "store.unavailable": (503, "A store cannot be used at present"),
    "store.unreachable": (503, "A database server cannot be used"),
    "country.exists": (409, "There is already a country there"),
    "country.missing": (404, "There is no country there"),
    "country.not_running": (409, "The country is not running"),
    "country.running": (409, "The country is already running"),
    "country.role_died": (500, "A process of the country has died"),
    "internal": (500, "Something went wrong inside"),
    # public personal authentication
    "jpki.underage": (403, "Too young for this certificate"),
    "jpki.key_refused": (422, "A key that cannot be certified"),
    "jpki.no_possession": (422, "Whoever applies does not hold the key"),
    "jpki.identity_unproven": (403, "The identity check was not enough"),
    "jpki.card_ended": (409, "The card is not valid any more"),
    "jpki.card_state": (409, "It does not fit the state of the card"),
    "jpki.card_unknown": (404, "No such card"),
    "jpki.certificate_unknown": (404, "No such certificate"),
    "jpki.not_entitled": (403, "The caller is not entitled to this"),
    "jpki.not_alive": (409, "The resident has died or is not registered any more"),
    "jpki.untrusted": (403, "A certificate or a signature that cannot be trusted"),
    "jpki.ocsp_request": (400, "Not an OCSP request"),
    "jpki.token": (500, "The hardware module for keys cannot be used"),
    # card readers
    "card.unavailable": (503, "Cards cannot be used on this machine"),
    "card.no_reader": (503, "There is no card reader"),
    "card.none": (404, "There is no card in the reader"),
    "card.busy": (409, "The card is in use by another program"),
    "card.gone": (409, "The card was pulled out"),
    "card.wrong": (422, "Not a card with the applications that are needed"),
    # logging in with a card, documents, and the computer the card reader is at
    "login.token_format": (400, "Not an authentication token of Web eID"),
    "login.too_large": (413, "An authentication token is too large"),
    "login.algorithm": (422, "A signature algorithm that is not accepted"),
    "login.certificate": (422, "The certificate of a token cannot be read"),
    "login.purpose": (403, "Not a certificate for user authentication"),
    "login.untrusted": (403, "A certificate of an issuer that is not trusted"),
    "login.not_valid_now": (403, "A certificate is not valid at this time"),
    "login.revoked": (403, "A certificate was revoked"),
    "login.status_unknown": (503, "Whether a certificate is still good cannot be found out"),
    "login.origin": (403, "A request from another site"),
    "login.nonce": (401, "A challenge that was not given, or was used already"),
    "login.stale": (401, "A challenge has expired"),
    "login.signature": (401, "The token was not signed for this site and this challenge"),
    "login.needed": (401, "Only for somebody who has logged in"),
    "account.under_way": (409, "An account whose link code has not come yet"),
    "session.forged": (403, "A request that no page of this session made"),
    "session.too_often": (429, "Too many requests"),
    "mandate.scope": (403, "A mandate that does not cover this"),
    "mandate.invitation": (422, "An invitation that cannot be used"),
    "mandate.over": (403, "A mandate that does not hold"),
    "page.unknown": (404, "There is no such page"),
    "page.method": (405, "Not a way to use this page"),
    "document.too_large": (413, "A document is too large"),
    "document.format": (422, "A signed document cannot be read"),
    "document.changed": (422, "A document is not the one that was signed"),
    "document.signature": (422, "The signature of a document does not hold"),
    "document.purpose": (403, "Not a certificate for digital signatures"),
    "document.unknown": (404, "No such document is being signed"),
    "host.request": (400, "A request of a web page that cannot be carried out"),
    "host.origin": (403, "A web page that may not use the card"),
    "host.cancelled": (403, "The person at the computer said no"),
    "host.no_window": (501, "No window can be opened to ask for the PIN"),
    "host.settings": (500, "The settings of the card program cannot be used"),
    "host.certificate_differs": (409, "The card is not the one whose certificate was shown"),
    # the IC card
    "card.absent": (404, "There is no card there"),
    "card.exists": (409, "There is already such a card or application"),
    "card.pin_format": (422, "A PIN of the wrong form"),
    "card.pin_wrong": (403, "The PIN is wrong"),
    "card.pin_blocked": (403, "The PIN is locked"),
    "card.not_allowed": (403, "The card does not allow this"),
    "card.not_genuine": (403, "A card or a proof that is not genuine"),
    "card.state": (409, "The card is not in the state for this"),
    "card.refused": (422, "The card does not take what was sent"),
    "card.unknown": (404, "The card has no such application, file or key"),
    "card.full": (507, "There is no space left on the card"),
    "card.channel": (409, "The session between office and card was cut"),
    "card.failed": (500, "The card failed"),
    # card readers
    # card readers
    # ordinance applications
    "ordinance.unknown": (404, "No such ordinance application is declared"),
    "ordinance.malformed": (422, "What stands on a card cannot be relied on"),
    "ordinance.untrusted": (403, "Nobody trusted vouches for what stands on a card"),
    "ordinance.expired": (403, "What stands on a card counts no more"),
    "ordinance.revoked": (403, "What stands on a card was revoked"),
    "ordinance.no_entry": (404, "No entry belongs to a card"),
    # own information
    "information.no_code": (409, "The account is not ready yet"),
    "information.not_asked": (409, "Nobody has been asked yet"),
    "correction.unknown": (404, "No such correction was asked for"),
    "correction.number": (422, "An Individual Number must not be written here"),
    # notices
    "notice.reference": (409, "The reference is another notice's"),
    "notice.unknown": (404, "No such notice"),
    "notice.not_announced": (409, "A notice that was not announced"),
    "notice.no_answer": (409, "This notice cannot be answered"),
    "notice.answered": (409, "This notice was answered already"),
    "application.event": (404, "No such life event"),
    "application.unknown": (404, "No such application"),
    "application.too_many": (409, "Too many drafts"),
    "application.incomplete": (409, "Something is not answered yet"),
    "application.no_body": (409, "It is not clear who gets it"),
    "application.not_prepared": (409, "Nothing waits for a signature"),
    "application.signed": (409, "It was signed already"),
    "application.under_way": (409, "An application is still being sent"),
    "application.state": (409, "That does not follow this state"),
    "complaint.unknown": (404, "No such complaint"),
    "complaint.too_many": (409, "Too many complaints"),
    "mail.refused": (422, "The mail server will not have it"),
    "mail.unreachable": (503, "The mail server cannot be reached"),
    "push.gone": (410, "A push subscription that is over"),
    "push.unreachable": (503, "The push service cannot be reached"),
    "channel.unknown": (404, "No such way to be told"),
    "channel.code": (422, "A code that does not fit"),
    "channel.not_offered": (409, "This portal does not offer it"),
    # identity checks
    "identity.document_unknown": (422, "A kind of document that is not in the catalogue"),
    "identity.number_unproven": (403, "Nothing that was shown proves the number"),
    "identity.person_unproven": (403, "What was shown does not prove the person"),
    "identity.differs": (409, "What was read is not what the ledger has"),
}


@dataclass(eq=False)
class Problem(Exception):
    """One clear error: what happened, where, what was expected, what to do.

    `code` is one of `CATALOGUE` (KeyError otherwise); `detail` states the value, masked where it names a
    person; `where` is the field, row or file; `expected` what would have been right; `advice` what to do next.
    """

    code: str
    detail: str
    where: str | None = None
    expected: str | None = None
    advice: str | None = None

    def __post_init__(self) -> None:
        CATALOGUE[self.code]  # an unlisted code is a programming error

    @property
    def status(self) -> int:
        """HTTP status for the edge."""
        return CATALOGUE[self.code][0]

    @property
    def title(self) -> str:
        """Short title of the code, the same for every occurrence."""
        return CATALOGUE[self.code][1]

    def __str__(self) -> str:
        parts = [f"{self.title}: {self.detail}"]
        if self.where:
            parts.append(f"at {self.where}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        text = ", ".join(parts)
        return f"{text}. {self.advice} [{self.code}]" if self.advice else f"{text} [{self.code}]"
