"""Settings of the card check page (設定): where it listens, whom it trusts, and whom it asks for status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CheckSiteSettings:
    """What the site is told.

    `folder`: for its TLS certificate, which it makes for `host` when there is none. `trusted_authentication` and
    `trusted_signature`: PEM files of JPKI's issuing CAs. `responder`: an OCSP address in place of the one certificates name.
    """

    folder: Path
    trusted_authentication: Path
    trusted_signature: Path
    host: str = "localhost"
    port: int = 8443
    responder: str | None = None

    @property
    def origin(self) -> str:
        """As browsers write it; port 443 is left out."""
        return f"https://{self.host}" + (f":{self.port}" if self.port != 443 else "")
