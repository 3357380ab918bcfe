"""The responder (有効性確認): reads the authority's feed, tells everybody how certificates stand.

It is a service of its own, since its door is open to all: its store names nobody, and its key can answer, never issue.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from sqlalchemy import Connection, Engine

from kumihimo.domain.jpki import CaKey, CaName, possession_statement, public_bytes, sign
from kumihimo.domain.kernel import Clock, PartyId, SystemClock
from kumihimo.plumbing.storage import FeedItem, migrate, open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.feeds import PAGE, FeedReader
from kumihimo.plumbing.wire.messages.cards import CertifyResponder, ListMade, ResponderCertified, StatusChange
from kumihimo.plumbing.wire.meters import Reading
from kumihimo.plumbing.wire.public_door import PublicDoor
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.vitals import FeedVital, KeysVital, StoreVital, watch
from kumihimo.roles.jpki.keystore import FileKeys
from kumihimo.roles.jpki.responder_pages import public_pages
from kumihimo.roles.jpki.service.certifying import FOR_RESPONDER
from kumihimo.roles.jpki.service.responding import Responding
from kumihimo.roles.jpki.settings import ResponderSettings
from kumihimo.roles.jpki.store import cards
from kumihimo.roles.jpki.store.responder import (
    DELTA,
    FULL,
    RESPONDER_MIGRATIONS,
    Credential,
    ResponderStore,
    responder_cursor,
    take_list,
    take_status,
)

AUTHORITY: Final = PartyId("jpki/authority")
OCSP_KEY: Final = "ocsp"
_NOTED_EVERY: Final = timedelta(minutes=1)


def prepare(settings: ResponderSettings) -> None:
    """Create and migrate the store, and make the responder's key where there is none."""
    migrate(open_engine(settings.store), RESPONDER_MIGRATIONS)
    if not (settings.keys / f"{OCSP_KEY}.key").exists():
        FileKeys(settings.keys).make(OCSP_KEY, settings.algorithm)


class _Reader(FeedReader):
    """Knows up to when everything was read: after a page that was not full. Now and then it notes that for the next start."""

    def __init__(self, client: PeerClient, edge: Edge, engine: Engine, store: ResponderStore) -> None:
        super().__init__(client, edge, AUTHORITY, engine, responder_cursor, _take)
        self._now = edge.clock.now
        self._store = store
        self._asked = False
        self.level_at = self._kept_at = store.level_with(AUTHORITY)

    def pull(self, wait: float = 0.0) -> int:
        applied = super().pull(wait if self._asked else 0.0)  # the first page at once: what there is may be old
        self._asked = True
        if applied < PAGE:
            self.level_at = self._now()
            if self._kept_at is None or self.level_at - self._kept_at > _NOTED_EVERY:
                self._store.keep_level(AUTHORITY, self.level_at)
                self._kept_at = self.level_at
        return applied


class _CertifiedVital:
    """The responder's key is certified by every authority it answers for."""

    name = "certified"

    def __init__(self, responding: Responding) -> None:
        self._responding = responding

    def fault(self) -> str | None:
        return self._responding.fault()

    def readings(self) -> Iterable[Reading]:
        return ()


def build(settings: ResponderSettings, clock: Clock | None = None) -> FastAPI:
    """The application. Raises Problem(store.not_migrated) and those of keys and directory; at its start, port.taken."""
    engine = open_engine(settings.store)
    require_current(engine, RESPONDER_MIGRATIONS)
    edge = settings.edge(clock or SystemClock())
    client, store = PeerClient(edge), ResponderStore(engine)
    key = FileKeys(settings.keys).open(OCSP_KEY)
    reader = _Reader(client, edge, engine, store)
    responding = Responding(
        store, key, lambda: _certified(edge, client, key), lambda: reader.level_at, edge.clock
    )  # fmt: skip
    door = PublicDoor(public_pages(responding, store), settings.public_host, settings.public_port)
    app = application("responder", [reader, Repeating("certified", responding.keep_certified), door])
    secrets = (f"{OCSP_KEY}.key",)
    watch(
        app, edge, StoreVital(engine, RESPONDER_MIGRATIONS), KeysVital(edge, secrets), FeedVital(reader, edge),
        _CertifiedVital(responding),
    )  # fmt: skip
    return app


def _take(conn: Connection, item: FeedItem) -> None:
    match item.kind:
        case cards.STATUS:
            take_status(conn, StatusChange.model_validate(item.body))
        case cards.LIST | cards.ROOT_LIST:
            told = ListMade.model_validate(item.body)
            take_list(conn, told.ca, FULL if told.base is None else DELTA, told.number, from_b64(told.crl, "crl"))


def _certified(edge: Edge, client: PeerClient, key: CaKey) -> dict[CaName, Credential]:
    """Ask the authority for certificates of our key."""
    public = key.public_key()
    assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)  # noqa: S101 - for the type checker
    message = edge.message(
        CertifyResponder, AUTHORITY, public_key=b64(public_bytes(public)),
        proof=b64(sign(key, possession_statement(edge.party, FOR_RESPONDER, public))),
    )  # fmt: skip
    reply = client.send("/responders", message, ResponderCertified).value
    return {
        one.ca: Credential(
            from_b64(one.authority, "authority"),
            None if one.responder is None else from_b64(one.responder, "responder"),
        )
        for one in reply.authorities
    }
