"""Notices (通報): what an operator tells another party outside of any entry, through its feed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from kumihimo.plumbing.storage import append_feed
from kumihimo.roles.hub.store.second import News
from kumihimo.roles.hub.store.tables import feed


class Notices:
    """Writes single feed items, each in a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tell(self, news: News, at: datetime) -> None:
        """Durable on return."""
        with self._engine.begin() as conn:
            append_feed(conn, feed, news.audience, news.kind, news.body.model_dump(mode="json"), at)
