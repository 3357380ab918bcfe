"""E-mail (電子メール): one message to one address over SMTP with TLS."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from kumihimo.domain.kernel import Problem

_PATIENCE: Final = 15.0  # seconds
# RFC 5321's dot-string and domain, in the letters that every server takes.
_WORD: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS: Final = re.compile(rf"{_WORD}(\.{_WORD})*@([A-Za-z0-9-]+\.)*[A-Za-z0-9-]+")
_LONGEST: Final = 254


class MailSettings(BaseModel):
    """The mail server. `tls`: `starttls`, `always` (implicit TLS), or `none` for a server on the same machine.

    `password`: a file with the password of `user`. `trusted`: a PEM file of certificates in the place of the system's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    sender: str
    tls: Literal["starttls", "always", "none"] = "starttls"
    user: str | None = None
    password: Path | None = None
    trusted: Path | None = None

    def beside(self, base: Path) -> Self:
        """The same with files relative to a folder."""
        files = {name: base / path for name in ("password", "trusted") if (path := getattr(self, name)) is not None}
        return self.model_copy(update=files)


def check_address(address: str) -> str:
    """An e-mail address as it is written. Raises Problem(value.invalid)."""
    found = _ADDRESS.fullmatch(address.strip())
    if found is None or len(found[0]) > _LONGEST:
        raise Problem("value.invalid", "not an e-mail address", "address", "name@host.example")
    return found[0]


@dataclass(frozen=True)
class Mailer:
    """Sends through one server; a connection for each message."""

    settings: MailSettings

    def send(self, to: str, subject: str, text: str) -> None:
        """Send one message. Raises Problem: mail.refused (the server will not have it), mail.unreachable."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.settings.sender, to, subject
        message["Date"], message["Message-ID"] = (
            formatdate(),
            make_msgid(domain=self.settings.sender.rpartition("@")[2]),
        )
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            with self._connected() as server:
                server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            raise Problem("mail.refused", type(error).__name__, advice="Look at the address.") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Problem("mail.unreachable", f"{self.settings.host}: {type(error).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        one = self.settings
        trust = ssl.create_default_context(cafile=one.trusted)
        if one.tls == "always":
            server: smtplib.SMTP = smtplib.SMTP_SSL(one.host, one.port, timeout=_PATIENCE, context=trust)
        else:
            server = smtplib.SMTP(one.host, one.port, timeout=_PATIENCE)
            if one.tls == "starttls":
                server.starttls(context=trust)
        if one.user is not None and one.password is not None:
            server.login(one.user, one.password.read_text().strip())
        return server
