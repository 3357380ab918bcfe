"""The edge of operator 2 (運営者2): what operator 1 passes on, and the feeds to exchanges, portal and oversight body."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import structlog
from fastapi import FastAPI

from kumihimo.plumbing.wire.edge import application
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.feeds import FeedDesk
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.roles.hub.api.shared import Operator, mount_keys
from kumihimo.roles.hub.api.vitals import watch_operator
from kumihimo.roles.hub.service.codes import CODES_KIND, SecondCodeDesk
from kumihimo.roles.hub.service.orders import OrderDesk
from kumihimo.roles.hub.service.outcomes import OUTCOME_KIND, SecondOutcomeDesk
from kumihimo.roles.hub.service.parties import GATHER, OVERSIGHT, PORTAL
from kumihimo.roles.hub.service.refusals import SecondRefusalDesk
from kumihimo.roles.hub.service.second import ACCESS_KIND, SecondDesk
from kumihimo.roles.hub.store import SecondStore, feed

log = structlog.get_logger()


def build_second(operator: Operator) -> FastAPI:
    """The application of operator 2."""
    edge = operator.edge
    kept = timedelta(days=operator.settings.retention_days)
    # Tickets may not be kept once they have served; what a restored portal would miss must be.
    retain = {ACCESS_KIND: kept, OUTCOME_KIND: kept}
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
    )
    refusals = SecondRefusalDesk(edge, store, operator.translator, notify, operator.seeds, operator.proof_check(notify))
    outcomes = SecondOutcomeDesk(edge, store, notify)
    codes = SecondCodeDesk(edge, operator.hop(), store, feeds.notify)
    log.info("rule book", rule_book=operator.book.sha256)

    @app.post("/relayed-inquiries")
    def relayed_inquiries(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayInquiry → InquiryRelayed."""
        return edge.answer(inquiries.pass_on(envelope, peer))

    @app.post("/relayed-refusals")
    def relayed_refusals(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayRefusal → RefusalRelayed."""
        return edge.answer(refusals.pass_on(envelope, peer))

    @app.post("/relayed-outcomes")
    def relayed_outcomes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayOutcome → OutcomeRelayed."""
        return edge.answer(outcomes.pass_on(envelope, peer))

    @app.post("/relayed-codes")
    def relayed_codes(envelope: Envelope, peer: Peer) -> Envelope:
        """RelayCodes → CodesTranslated."""
        return edge.answer(codes.finish(envelope, peer))

    orders = OrderDesk(edge, operator.standings)

    @app.post("/orders")
    async def carry_out(envelope: Envelope, peer: Peer) -> Envelope:
        """CarryOutOrder → OrderCarriedOut. In a thread of its own: all others may be waiting for the other operator."""
        return edge.answer(await in_thread(partial(orders.carry_out, envelope, peer), operator.orders_pool))

    mount_keys(app, operator)
    feeds.mount(app)
    return app
