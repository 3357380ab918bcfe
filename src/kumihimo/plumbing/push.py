"""Web Push (プッシュ通知): a browser is woken through its maker's push service (RFC 8030), signed with our key (VAPID, RFC 8292).

The message is empty: a push service learns that somebody of this portal is woken, and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from pydantic import BaseModel, ConfigDict
from pywebpush import WebPushException, webpush

from kumihimo.domain.kernel import Problem

VAPID_KEY: Final = "vapid.key"
SERVICES: Final = ("fcm.googleapis.com", "push.services.mozilla.com", "web.push.apple.com", "notify.windows.com")
_LIFE: Final = 24 * 3600  # seconds that the service may try
_PATIENCE: Final = 15.0
_GONE: Final = (404, 410)


class PushSettings(BaseModel):
    """`contact` (mailto: or https:) is for the push services' operators; `services` the hosts that a browser may name.

    `trusted`: a PEM file of certificates in the place of the usual ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    contact: str
    services: tuple[str, ...] = SERVICES
    trusted: Path | None = None

    def beside(self, base: Path) -> Self:
        """The same with files relative to a folder."""
        files = {name: base / path for name in ("trusted",) if (path := getattr(self, name)) is not None}
        return self.model_copy(update=files)


def make_vapid_key(path: Path) -> None:
    """A new key pair (P-256) in a PEM file that only its owner reads."""
    key = Vapid02()
    key.generate_keys()
    path.touch(mode=0o600)
    path.write_bytes(key.private_pem())


class Pusher:
    """Wakes browsers with one key."""

    def __init__(self, settings: PushSettings, key: Path) -> None:
        self._settings = settings
        self._key = Vapid02.from_file(str(key))
        self._line = requests.Session()
        self._line.trust_env = False
        self._line.max_redirects = 0
        if settings.trusted is not None:
            self._line.verify = str(settings.trusted)

    @property
    def public_key(self) -> str:
        """What a browser subscribes with: the point, base64url."""
        raw = self._key.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def allowed(self, endpoint: str) -> bool:
        """Whether an endpoint is of a push service that is known: nobody makes us call other addresses."""
        try:
            parts = urlsplit(endpoint)
            host = parts.hostname or ""
        except ValueError:
            return False
        known = any(host == one or host.endswith(f".{one}") for one in self._settings.services)
        return parts.scheme == "https" and known and parts.username is None and len(endpoint) <= 2_000

    def send(self, subscription: Mapping[str, Any]) -> None:
        """Wake one. Raises Problem: push.gone (the subscription is over), push.unreachable."""
        try:
            webpush(
                dict(subscription), vapid_private_key=self._key, vapid_claims={"sub": self._settings.contact}, ttl=_LIFE,
                timeout=_PATIENCE, requests_session=self._line,
            )  # fmt: skip
        except WebPushException as error:
            status = getattr(error.response, "status_code", None)
            if status in _GONE:
                raise Problem("push.gone", f"{status}") from None
            raise Problem("push.unreachable", f"answered {status}") from None
        except requests.RequestException as error:
            raise Problem("push.unreachable", type(error).__name__) from None
