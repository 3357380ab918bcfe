"""Closing an account (利用者口座の閉鎖): what it held is gone; records of accesses stay, since the law has them kept."""

from __future__ import annotations

from datetime import datetime

from kumihimo.domain.kernel import Problem
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_applications import ApplicationRows
from kumihimo.roles.portal.store_channels import ChannelRows
from kumihimo.roles.portal.store_complaints import ComplaintRows
from kumihimo.roles.portal.store_information import InformationQueries
from kumihimo.roles.portal.store_mandates import MandateRows
from kumihimo.roles.portal.store_notices import NoticeRows
from kumihimo.roles.portal.store_site import CardRows, SessionRows


def close_account(store: PortalStore, account: str, at: datetime) -> None:
    """What is the account's goes with it, all or nothing; mandates end, and the other end still sees them.

    Access records stay under the link code (番号法第二十三条第三項: seven years); whoever logs in again finds them. Raises
    Problem(application.under_way) while an application is still being sent.
    """
    with store.transaction() as transaction:
        conn = transaction.conn
        if not ApplicationRows(conn).forget(account):
            raise Problem(
                "application.under_way", "it is not at its office yet", advice="Close the account when it is."
            )
        SessionRows(conn).end_of_account(account)
        CardRows(conn).forget(account)
        MandateRows(conn).leave(account, at)
        InformationQueries(conn).forget(account)
        ComplaintRows(conn).forget(account)
        NoticeRows(conn).forget(account)
        ChannelRows(conn).forget(account)
        transaction.remove_account(account)
