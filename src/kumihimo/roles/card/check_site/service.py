"""What the card check page decides (動作確認の判断): who logged in, what is signed. No HTTP here."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace

from kumihimo.domain.documents import prepare, verify
from kumihimo.domain.kernel import Clock, Problem
from kumihimo.domain.web_eid import Challenges, StatusOf, TrustedIssuers, parse_token, validate
from kumihimo.roles.card.check_site.sessions import Session, Sessions, Signed

MAX_TEXT = 20_000  # characters


@dataclass(frozen=True)
class CheckSite:
    """The site's rules, over its sessions."""

    origin: str
    authentication: TrustedIssuers
    signature: TrustedIssuers
    sessions: Sessions
    challenges: Challenges
    status: StatusOf
    clock: Clock

    def challenge(self, session: Session) -> str:
        """A challenge for the session's browser."""
        return self.challenges.issue(session.id)

    def log_in(self, session: Session, raw_token: bytes) -> Session:
        """The session of whoever's card signed the challenge, under a new id. Raises Problem(login.…)."""
        nonce = self.challenges.use(session.id)
        who = validate(parse_token(raw_token), self.origin, nonce, self.authentication, self.status, self.clock.now())
        return self.sessions.renewed(replace(session, who=who))

    def prepare(self, session: Session, text: str, certificate: str) -> Session:
        """Ready to sign a text with the certificate (base64 of DER) the card has shown.

        Raises Problem(login.needed, login.certificate, login.untrusted, login.not_valid_now, document.…).
        """
        require_login(session)
        if not text.strip():
            raise Problem("document.format", "there is no text", "text", "something to sign")
        if len(text) > MAX_TEXT:
            raise Problem("document.too_large", f"{len(text)} characters", "text", f"at most {MAX_TEXT}")
        document = text.replace("\r\n", "\n").encode()
        now = self.clock.now()
        prepared = prepare(document, _decoded(certificate, "certificate"), now)
        self.signature.issuer_of(prepared.certificate, now)
        ready = replace(session, document=document, prepared=prepared, signed=None)
        self.sessions.keep(ready)
        return ready

    def finish(self, session: Session, signature: str) -> Signed:
        """The signed document, checked as anybody would check it. Raises Problem(document.…, login.…)."""
        require_login(session)
        if session.prepared is None or session.document is None:
            raise Problem("document.unknown", "nothing is waiting for a signature", advice="Begin again with the text.")
        cms = session.prepared.finish(_decoded(signature, "signature"))
        verify(session.document, cms, self.signature, self.status, self.clock.now())
        signed = Signed(session.document, cms, session.prepared.digest)
        self.sessions.keep(replace(session, document=None, prepared=None, signed=signed))
        return signed


def require_login(session: Session) -> None:
    """Raises Problem(login.needed)."""
    if session.who is None:
        raise Problem("login.needed", "nobody has logged in, or it was too long ago", advice="Log in with your card.")


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem("document.format", "not base64", where) from None
