"""The edge of operator 2 (運営者2): what operator 1 passes on, and the feeds to exchanges, portal and oversight body."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import structlog
from fastapi import FastAPI

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.edge import application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedDesk
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.plumbing.wire.together import Answered, Envelopes, listed
from kumihimo.roles.hub.api.batch import mount_passed_chunks
from kumihimo.roles.hub.api.shared import Operator, mount_keys
from kumihimo.roles.hub.api.vitals import watch_operator
from kumihimo.roles.hub.service.batch_outcomes import OUTCOMES_KIND
from kumihimo.roles.hub.service.batch_second import ACCESSES_KIND
from kumihimo.roles.hub.service.codes import CODES_KIND, MAILBOXES, MAILBOXES_KIND, SecondCodeDesk
from kumihimo.roles.hub.service.orders import OrderDesk, RotationOrders
from kumihimo.roles.hub.service.outcomes import OUTCOME_KIND, SecondOutcomeDesk
from kumihimo.roles.hub.service.parties import GATHER, OVERSIGHT
from kumihimo.roles.hub.service.refusals import SecondRefusalDesk
from kumihimo.roles.hub.service.rotation import SecondRotationDesk
from kumihimo.roles.hub.service.second import ACCESS_KIND, SecondDesk
from kumihimo.roles.hub.store import Notices, SecondStore, feed

_RETAINED = (ACCESS_KIND, OUTCOME_KIND, ACCESSES_KIND, OUTCOMES_KIND, MAILBOXES_KIND)
log = structlog.get_logger()


def build_second(operator: Operator) -> FastAPI:
    """The application of operator 2."""
    edge = operator.edge
    kept = timedelta(days=operator.settings.retention_days)
    # Tickets may not be kept once they have served; what a restored portal would miss must be.
    retain = dict.fromkeys(_RETAINED, kept)
    feeds = FeedDesk(edge, operator.engine, feed, forget=(CODES_KIND,), retain=retain, gather=GATHER)
    store = SecondStore(operator.engine, OVERSIGHT)
    app = application("hub operator 2", [operator.lives(store.close)], threads=operator.settings.threads)
    watch_operator(app, operator, feeds)
    notify = partial(feeds.notify, PORTAL, OVERSIGHT)
    inquiries = SecondDesk(
        edge,
        operator.bench(),
        store,
        operator.translator,
        notify,
        operator.seeds,
        operator.proof_check(notify),
        operator.domains,
    )
    refusals = SecondRefusalDesk(
        edge, store, operator.translator, notify, operator.seeds, operator.proof_check(notify), operator.domains
    )
    outcomes = SecondOutcomeDesk(edge, store, notify)
    mount_passed_chunks(app, operator, notify)
    codes = SecondCodeDesk(edge, operator.hop(), store, feeds.notify)
    mailboxes = SecondCodeDesk(edge, operator.hop(), store, feeds.notify, MAILBOXES)
    log.info("rule book", rule_book=operator.book.sha256)

    @app.post("/relayed-inquiries", response_model=Envelopes)
    def relayed_inquiries(envelopes: Envelopes, peer: Peer) -> list[Answered]:
        """RelayInquiry → InquiryRelayed, or several together."""
        passed = inquiries.pass_on(listed(envelopes), peer)
        return [one if isinstance(one, Problem) else edge.answer(one) for one in passed]

    @app.post("/relayed-refusals")
    def relayed_refusals(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayRefusal → RefusalRelayed."""
        return edge.answer(refusals.pass_on(envelope, peer))

    @app.post("/relayed-outcomes")
    def relayed_outcomes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayOutcomes → OutcomesRelayed."""
        return edge.answer(outcomes.pass_on(envelope, peer))

    @app.post("/relayed-codes")
    def relayed_codes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayCodes → CodesTranslated."""
        return edge.answer(codes.finish(envelope, peer))

    @app.post("/relayed-mailboxes")
    def relayed_mailboxes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayCodes → CodesTranslated."""
        return edge.answer(mailboxes.finish(envelope, peer))

    rotation = SecondRotationDesk(
        operator.rotation_hop(), store, partial(feeds.notify, OVERSIGHT), operator.proof_check(notify)
    )

    @app.post("/relayed-moves")
    def relayed_moves(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayMove → DomainMoved."""
        return edge.answer(rotation.step(envelope, peer))

    @app.post("/relayed-rotations")
    def relayed_rotations(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayRotation → CodesRotated."""
        return edge.answer(rotation.rotate(envelope, peer))

    orders = OrderDesk(edge, operator.standings, RotationOrders(edge, Notices(operator.engine).tell, feeds.notify))

    @app.post("/orders")
    async def carry_out(envelope: Envelope, peer: Peer) -> Envelope:
        """CarryOutOrder → OrderCarriedOut. In a thread of its own: all others may be waiting for the other operator."""
        return edge.answer(await in_thread(partial(orders.carry_out, envelope, peer), operator.orders_pool))

    mount_keys(app, operator)
    feeds.mount(app)
    return app
