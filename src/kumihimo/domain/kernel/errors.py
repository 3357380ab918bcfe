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
