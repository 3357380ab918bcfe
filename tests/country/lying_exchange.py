"""An exchange that lies to an auditor, with its institution's real keys and store; started by test_oversight_of_institutions.

What it does follows from the reason of the order: "another": it opens its inquiry with the real code of somebody else whom it
knows; "refuse": it opens nothing; "stall": it does not answer at all before the day of the order.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from unittest.mock import patch

from sqlalchemy import select

from kumihimo.domain.codes import request_randomness
from kumihimo.domain.kernel import AddresseeNumber, PartyId
from kumihimo.plumbing.storage import open_engine, read_secret
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.listening import listen
from kumihimo.plumbing.wire.messages.audits import Audited, InquiriesOpened, OpenInquiries
from kumihimo.plumbing.wire.messages.oversight import Order
from kumihimo.plumbing.wire.server import serve
from kumihimo.roles.gateway.api.exchange import build
from kumihimo.roles.gateway.api.services import AUDIT_KEY
from kumihimo.roles.gateway.service.audit import Opening, OpeningAudit
from kumihimo.roles.gateway.settings import ExchangeSettings
from kumihimo.roles.gateway.store.exchange import link_code

SETTINGS = ExchangeSettings.load(Path(sys.argv[1]))
HONEST = OpeningAudit.answer


def of_another(audit: OpeningAudit, inquiry: Audited) -> Opening:
    """Claims to have asked about the next person of the store."""
    asked = audit.store.find(inquiry.transaction)
    assert asked is not None
    someone_else = select(link_code.c.addressee_number, link_code.c.code).where(
        link_code.c.addressee_number != asked.addressee_number.digits
    )
    with open_engine(SETTINGS.store).connect() as conn:
        number, code = conn.execute(someone_else.limit(1)).one()
    randomness = request_randomness(read_secret(SETTINGS.keys / AUDIT_KEY), inquiry.transaction)
    return Opening(
        inquiry, AddresseeNumber(number), asked.case_reference, asked.epoch, asked.subject_hash, True, code, randomness
    )


def lie(audit: OpeningAudit, message: OpenInquiries) -> InquiriesOpened:
    """Answers falsely, late or with nothing."""
    reason = audit.edge.read(message.order, Order, PartyId("oversight/body")).value.ordered.reason
    if reason == "stall":
        time.sleep(3)
    if reason == "refuse":
        return InquiriesOpened(in_reply_to=message.message_id, order_hash=message.order.digest(), opened=())
    return HONEST(audit, message)


if __name__ == "__main__":
    me = Identity(PartyId(SETTINGS.party), SETTINGS.keys)
    with patch.object(OpeningAudit, "open", of_another), patch.object(OpeningAudit, "answer", lie):
        serve(build(SETTINGS), me, listen(SETTINGS.host, SETTINGS.port))
