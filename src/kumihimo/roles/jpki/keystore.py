"""Keys of authorities (認証局の署名鍵): in files that only their owner can read, or in a hardware module.

Both give keys of `cryptography`'s own types, so that the domain signs with either in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kumihimo.domain.jpki import Algorithm, CaKey, CaName
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.storage import read_secret, write_secret


def label_of(ca: CaName) -> str:
    """The label of an authority's key, in a token and as the name of a file."""
    return f"jpki-{ca}"


class KeyStore(Protocol):
    """Where an authority's keys are kept; a label is lower-case letters and hyphens."""

    def make(self, label: str, algorithm: Algorithm) -> CaKey:
        """A new key that stays there. Raises Problem(key.exists) where there is one of this label."""
        ...

    def open(self, label: str) -> CaKey:
        """Raises Problem(key.missing, key.permissions, jpki.token)."""
        ...


@dataclass(frozen=True)
class FileKeys:
    """Keys in files of one folder, PKCS#8 in PEM, mode 0600: for development and small countries."""

    folder: Path

    def make(self, label: str, algorithm: Algorithm) -> CaKey:
        key = algorithm.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(self._file(label), pem)
        return key

    def open(self, label: str) -> CaKey:
        pem = read_secret(self._file(label))
        try:
            key = serialization.load_pem_private_key(pem, None)
        except ValueError:
            raise Problem("file.unreadable", "not a key", where=str(self._file(label)), expected="PKCS#8") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Problem("jpki.key_refused", type(key).__name__, where=str(self._file(label)))
        return key

    def _file(self, label: str) -> Path:
        return self.folder / f"{label}.key"
