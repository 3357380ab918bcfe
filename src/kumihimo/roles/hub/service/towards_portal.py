"""Towards the portal (ポータルへの変換): which way a ciphertext goes when only its resident is to be told."""

from __future__ import annotations

from typing import Final

from kumihimo.domain.kernel.institutions import institution_of
from kumihimo.plumbing.wire.messages.batch import ChunkRequest
from kumihimo.plumbing.wire.messages.inquiry import InquiryRequest
from kumihimo.plumbing.wire.requesters import PORTAL
from kumihimo.roles.hub.store import Domains

_PORTAL: Final = institution_of(PORTAL)


def ends_towards_portal(
    domains: Domains, request: InquiryRequest | ChunkRequest, portal_epoch: int | None
) -> tuple[str, str]:
    """From the requester's domain to the portal's.

    The requester's epoch may have been closed meanwhile: the request was made in time, and nothing is permitted by it.
    Raises Problem(institution.unknown, codes.epoch_closed).
    """
    source = f"{request.requester}#{request.epoch}"
    if request.epoch is None or not domains.was_open(source):
        source = domains.label(request.requester, request.epoch)
    return source, domains.label(_PORTAL, portal_epoch)
