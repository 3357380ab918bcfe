"""Public personal authentication (公的個人認証, JPKI): certificates of residents and their status."""

from kumihimo.domain.jpki.algorithms import (
    RESIDENTS_ALGORITHMS,
    Algorithm,
    CaKey,
    PublicKey,
    public_bytes,
    read_public_key,
    sign,
    verify,
)
from kumihimo.domain.jpki.authorities import (
    SERIAL_BYTES,
    CertificationAuthority,
    certify_responder,
    make_issuing,
    make_root,
    serial_from,
)
from kumihimo.domain.jpki.holder import Holder, with_substitutes
from kumihimo.domain.jpki.identity import Document, require_enough
from kumihimo.domain.jpki.issuing import (
    Profile,
    Wanted,
    issue,
    issue_card_certificate,
    issue_office_certificate,
    require_old_enough,
    serial_text,
)
from kumihimo.domain.jpki.lists import Entry, Period, delta_list, full_list, root_list
from kumihimo.domain.jpki.names import (
    AUTHENTICATION_POLICY,
    CARD_USAGE,
    OFFICE_USAGE,
    SIGNATURE_POLICY,
    CaName,
    Places,
)
from kumihimo.domain.jpki.ocsp import Query, parse_request
from kumihimo.domain.jpki.ocsp_answers import (
    ANSWER_LIFE,
    Refusal,
    Responder,
    Times,
    answer,
    refuse,
)
from kumihimo.domain.jpki.possession import possession_digest, possession_statement, require_possession
from kumihimo.domain.jpki.status import GOOD, UNKNOWN, Reason, State, Status
from kumihimo.domain.jpki.validity import card_end, certificate_end, end_of_day

__all__ = [
    "ANSWER_LIFE",
    "AUTHENTICATION_POLICY",
    "CARD_USAGE",
    "GOOD",
    "OFFICE_USAGE",
    "RESIDENTS_ALGORITHMS",
    "SERIAL_BYTES",
    "SIGNATURE_POLICY",
    "UNKNOWN",
    "Algorithm",
    "CaKey",
    "CaName",
    "CertificationAuthority",
    "Document",
    "Entry",
    "Holder",
    "Period",
    "Places",
    "Profile",
    "PublicKey",
    "Query",
    "Reason",
    "Refusal",
    "Responder",
    "State",
    "Status",
    "Times",
    "Wanted",
    "answer",
    "card_end",
    "certificate_end",
    "certify_responder",
    "delta_list",
    "end_of_day",
    "full_list",
    "issue",
    "issue_card_certificate",
    "issue_office_certificate",
    "make_issuing",
    "make_root",
    "parse_request",
    "possession_digest",
    "possession_statement",
    "public_bytes",
    "read_public_key",
    "refuse",
    "require_enough",
    "require_old_enough",
    "require_possession",
    "root_list",
    "serial_from",
    "serial_text",
    "sign",
    "verify",
    "with_substitutes",
]
