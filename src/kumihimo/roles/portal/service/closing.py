"""Closing an account (利用者口座の閉鎖): what it held is gone; records of accesses stay, since the law has them kept."""

from __future__ import annotations

from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_information import InformationQueries
from kumihimo.roles.portal.store_mandates import MandateRows
from kumihimo.roles.portal.store_site import CardRows, SessionRows


def close_account(store: PortalStore, account: str) -> None:
    """Sessions, cards, mandates, corrections and the account go, all or nothing.

    Access records stay under the link code (番号法第二十三条第三項: seven years); whoever logs in again finds them.
    """
    with store.transaction() as transaction:
        conn = transaction.conn
        SessionRows(conn).end_of_account(account)
        CardRows(conn).forget(account)
        MandateRows(conn).forget(account)
        InformationQueries(conn).forget(account)
        transaction.remove_account(account)
