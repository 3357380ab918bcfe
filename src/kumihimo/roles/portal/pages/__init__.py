"""Pages of My Portal (マイ・ポータルの画面), one module a topic; each has `mount(app, site)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI

from kumihimo.roles.portal.pages import applications, card, controls, information, logging_in, notices, records, start
from kumihimo.roles.portal.site import Site

MOUNTS: Final[tuple[Callable[[FastAPI, Site], None], ...]] = (
    logging_in.mount,
    start.mount,
    notices.mount,
    applications.mount,
    records.mount,
    information.mount,
    controls.mount,
    card.mount,
)
