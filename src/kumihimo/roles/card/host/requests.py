"""What a web page may ask for (要求): log in, show the signature certificate, sign.

Everything is checked before the card is touched.
The origin is put in by the extension from what the browser says, never by the page.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from kumihimo.domain.kernel.errors import Problem

Language = Literal["ja", "en"]
DIGEST_BYTES: Final = {"SHA-256": 32, "SHA-384": 48, "SHA-512": 64}
_NONCE: Final = re.compile(r"[\x21-\x7e]{44,128}")
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_MAX_ORIGIN: Final = 255
_MAX_CERTIFICATE: Final = 8 * 1024
_ADVICE: Final = "Tell whoever runs the site."


@dataclass(frozen=True)
class Authenticate:
    """Sign the site's challenge with the key for user authentication."""

    origin: str
    language: Language
    nonce: str


@dataclass(frozen=True)
class GetSigningCertificate:
    """Show the site the certificate for digital signatures: name, address, birth date, sex."""

    origin: str
    language: Language


@dataclass(frozen=True)
class Sign:
    """Sign a digest with the key for digital signatures, if the card is still the one of this certificate."""

    origin: str
    language: Language
    digest: bytes
    hash_function: str
    certificate: bytes  # DER


Request = Authenticate | GetSigningCertificate | Sign


def parse_request(message: dict[str, Any], *, localhost_too: bool, default: Language = "ja") -> Request | None:
    """What a message asks for; None for `quit`. Raises Problem(host.request, host.origin)."""
    command, arguments = message.get("command"), message.get("arguments", {})
    if command == "quit":
        return None
    if not isinstance(arguments, dict):
        raise _bad("not a JSON object", "arguments")
    if command not in ("authenticate", "get-signing-certificate", "sign"):
        raise _bad("an unknown command", "command", "authenticate, get-signing-certificate, sign or quit")
    origin = check_origin(_text(arguments, "origin", _MAX_ORIGIN), localhost_too=localhost_too)
    language = _language(arguments.get("lang"), default)
    if command == "authenticate":
        nonce = _text(arguments, "challengeNonce", 128)
        if not _NONCE.fullmatch(nonce):
            raise _bad(f"{len(nonce)} characters", "challengeNonce", "44 to 128 printable ASCII characters")
        return Authenticate(origin, language, nonce)
    if command == "get-signing-certificate":
        return GetSigningCertificate(origin, language)
    function = _text(arguments, "hashFunction", 16)
    if function not in DIGEST_BYTES:
        raise _bad("an unknown hash function", "hashFunction", ", ".join(DIGEST_BYTES))
    digest = _bytes(arguments, "hash", 128)
    if len(digest) != DIGEST_BYTES[function]:
        raise _bad(f"{len(digest)} bytes", "hash", f"{DIGEST_BYTES[function]} bytes of {function}")
    return Sign(origin, language, digest, function, _bytes(arguments, "certificate", _MAX_CERTIFICATE))


def check_origin(origin: str, *, localhost_too: bool) -> str:
    """An origin as browsers write it: https, or http on this very machine where that is allowed.

    Raises Problem(host.origin).
    """
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        raise _refused(origin, "not an origin") from None
    host = parts.hostname or ""
    if not _is_host(host):
        raise _refused(origin, "not an origin")
    written = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(parts.scheme)
    suffix = "" if port is None else f":{port}"
    if origin != f"{parts.scheme}://{written}{suffix}" or port in (0, default):
        raise _refused(origin, "not as browsers write an origin")
    if parts.scheme == "https":
        return origin
    if parts.scheme == "http" and localhost_too and _is_this_machine(host):
        return origin
    raise _refused(origin, "the connection to the site is not protected")


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _HOST.fullmatch(host) is not None
    return True


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(origin: str, why: str) -> Problem:
    return Problem("host.origin", f"“{origin[:80]}”: {why}", "origin", "https://…", _ADVICE)


def _language(asked: object, default: Language) -> Language:
    """Japanese and English are known; for any other language English, for none the computer's."""
    if not isinstance(asked, str) or not asked:
        return default
    return "ja" if asked.lower().startswith("ja") else "en"


def _text(arguments: dict[str, Any], name: str, longest: int) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise _bad("missing, empty or not a text", name)
    if len(value) > longest:
        raise _bad(f"{len(value)} characters", name, f"at most {longest}")
    return value


def _bytes(arguments: dict[str, Any], name: str, longest: int) -> bytes:
    try:
        value = base64.b64decode(_text(arguments, name, longest), validate=True)
    except (binascii.Error, ValueError):
        raise _bad("not base64", name) from None
    if not value:
        raise _bad("empty", name)
    return value


def _bad(detail: str, where: str, expected: str | None = None) -> Problem:
    return Problem("host.request", detail, where, expected, _ADVICE)
