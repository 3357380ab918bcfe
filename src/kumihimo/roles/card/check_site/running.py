"""Running the card check page (起動): HTTPS on this machine, with a certificate of its own where none is given."""

from __future__ import annotations

import uvicorn

from kumihimo.domain.kernel import Clock, SystemClock
from kumihimo.plumbing.web.certificate import CERTIFICATE, KEY, make_certificate
from kumihimo.roles.card.check_site.api import build
from kumihimo.roles.card.check_site.settings import CheckSiteSettings


def run_check_site(settings: CheckSiteSettings, clock: Clock | None = None) -> None:
    """Serve until interrupted. Raises Problem(file.unreadable, value.invalid, login.origin)."""
    server(settings, clock or SystemClock()).run()


def server(settings: CheckSiteSettings, clock: Clock) -> uvicorn.Server:
    """The server, not yet running."""
    app = build(settings, clock)
    make_certificate(settings.folder, settings.host, "Kumihimo card check", clock)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.folder / CERTIFICATE,
        ssl_keyfile=settings.folder / KEY,
        log_config=None,  # the default one would reconfigure the logging of the whole process
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
