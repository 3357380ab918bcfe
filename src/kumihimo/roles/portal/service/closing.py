"""Closing an account (利用者口座の閉鎖): what it held is gone; records of accesses stay, since the law has them kept."""

from __future__ import annotations

from datetime import datetime

from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_channels import ChannelRows
from kumihimo.roles.portal.store_information import InformationQueries
from kumihimo.roles.portal.store_mandates import MandateRows
from kumihimo.roles.portal.store_notices import NoticeRows
from kumihimo.roles.portal.store_site import CardRows, SessionRows


def close_account(store: PortalStore, account: str, at: datetime) -> None:
    """What is the account's goes with it, all or nothing; mandates end, and the other end still sees them.

    Access records stay under the link code (番号法第二十三条第三項: seven years); whoever logs in again finds them.
    """
    with store.transaction() as transaction:
        conn = transaction.conn
        SessionRows(conn).end_of_account(account)
        CardRows(conn).forget(account)
        MandateRows(conn).leave(account, at)
        InformationQueries(conn).forget(account)
        NoticeRows(conn).forget(account)
        ChannelRows(conn).forget(account)
        transaction.remove_account(account)
