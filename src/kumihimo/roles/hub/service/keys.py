"""Key shares and published points (復号鍵の持分・公開点): what an operator gives to a domain's holder, and to checkers.

A share goes, sealed, to the one party that holds the codes of the domain, and to nobody else; it is never logged. The
points are what the other operator and the oversight body need to compute public keys and to check translations.
"""

from __future__ import annotations

import structlog

from kumihimo.domain.codes import DomainFactors, PublishedPoints, Translator, check_label
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.domain.sealing import seal
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64
from kumihimo.plumbing.wire.link_keys import share_binding
from kumihimo.plumbing.wire.messages.audits import DomainKey, KeyOf
from kumihimo.plumbing.wire.messages.codes import KeyShare, Points, PointsOf, ShareOfKey
from kumihimo.roles.hub.service.parties import holds_codes, is_oversight, may_see_points
from kumihimo.roles.hub.service.ports import RequireActive, Sender, send_to_operator
from kumihimo.roles.hub.store import WHOLE_HUB, Domains

log = structlog.get_logger()


class KeyDesk:
    """Either operator's desk for shares and points."""

    def __init__(self, edge: Edge, secrets: DomainFactors, require_active: RequireActive, domains: Domains) -> None:
        self._domains = domains
        self._edge = edge
        self._secrets = secrets
        self._require_active = require_active

    def share(self, envelope: Envelope, peer: PartyId) -> KeyShare:
        """The asker's share of its own domain's key, sealed to it.

        A suspended institution gets the key of an epoch that it is moving to, so that it can rotate. Raises
        Problem(peer.not_allowed) for the domain of another or an epoch that is not open, Problem(institution.suspended),
        and those of a signature or age.
        """
        message = self._edge.open(envelope, ShareOfKey, peer, holds_codes).value
        own = institution_of(peer)
        present, opened = self._domains.present(own), self._domains.open_epochs(own)
        if message.label not in {f"{own}#{epoch}" for epoch in opened}:
            raise Problem("peer.not_allowed", f"{peer} asks for another domain", expected=f"{own}#{present}")
        self._require_active(own if message.label == f"{own}#{present}" else WHOLE_HUB)
        info = share_binding(peer, message.label, self._edge.party)
        sealed = seal(self._secrets.key_share(message.label), self._edge.directory.seal_key(peer), info)
        log.info("key share", peer=peer)
        return KeyShare(in_reply_to=message.message_id, label=message.label, sealed=b64(sealed))

    def points(self, envelope: Envelope, peer: PartyId) -> Points:
        """The published points of a domain that is or was open.

        Points of a later one may not be given: the seeds they will follow from are not known before it is opened.
        Raises Problem(institution.unknown, institution.format, peer.not_allowed, codes.epoch_closed).
        """
        message = self._edge.open(envelope, PointsOf, peer, may_see_points).value
        institution, _, _ = check_label(message.label).partition("#")
        if not self._domains.was_open(message.label):
            raise Problem(
                "codes.epoch_closed", message.label, expected=f"{institution}#{self._domains.present(institution)}"
            )
        points = self._secrets.published(message.label)
        return Points(
            in_reply_to=message.message_id, label=message.label, u=b64(points.U), s=b64(points.S), t=b64(points.T)
        )


class DomainKeyDesk:
    """Either operator's desk for public keys: an auditor must not take them from the institution that is audited."""

    def __init__(self, edge: Edge, translator: Translator, domains: Domains) -> None:
        self._edge = edge
        self._translator = translator
        self._domains = domains

    def key(self, envelope: Envelope, peer: PartyId) -> DomainKey:
        """The public key of a domain that is or was open: of a closed one, as it was kept.

        Raises Problem(institution.unknown, institution.format, peer.not_allowed, codes.epoch_closed).
        """
        message = self._edge.open(envelope, KeyOf, peer, is_oversight).value
        institution, _, epoch = check_label(message.label).partition("#")
        if not self._domains.was_open(message.label):
            raise Problem("codes.epoch_closed", message.label, expected="an epoch that is or was open")
        kept = self._domains.public_key(institution, int(epoch))
        key = self._translator.public_key_of(message.label) if kept is None else kept
        return DomainKey(in_reply_to=message.message_id, label=message.label, key=b64(key))


class PeerPoints:
    """The other operator's points, asked for when first needed; the `Translator` remembers them."""

    def __init__(self, edge: Edge, other: PartyId, sender: Sender) -> None:
        self._edge = edge
        self._other = other
        self._sender = sender

    def __call__(self, label: str) -> PublishedPoints:
        """Raises Problem(operator.unreachable), and those of bytes that are no points."""
        answer = send_to_operator(
            self._sender, "/points", self._edge.message(PointsOf, self._other, label=label), Points
        )
        if answer.label != label:
            raise Problem("message.malformed", f"points of {answer.label}", expected=f"points of {label}")
        return PublishedPoints(U=from_b64(answer.u, "u"), S=from_b64(answer.s, "s"), T=from_b64(answer.t, "t"))
