"""The authorities at work (認証局): their certificates out of a folder, their keys out of files or a hardware module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from kumihimo.domain.jpki import CaName, CertificationAuthority
from kumihimo.domain.kernel import Clock, Problem
from kumihimo.plumbing.wire.meters import Reading
from kumihimo.plumbing.wire.vitals import SOON
from kumihimo.roles.jpki.keystore import FileKeys, KeyStore, label_of
from kumihimo.roles.jpki.settings import Settings
from kumihimo.roles.jpki.token_keys import TokenKeys

ISSUING: Final = (CaName.AUTHENTICATION, CaName.SIGNATURE, CaName.CARD)
ROOT_LIST: Final = "root.crl"
_LONGEST_ISSUED: Final = timedelta(days=5 * 366)


@dataclass(frozen=True)
class Authorities:
    """Every authority that signs here, the root's certificate, and the list that the root has signed."""

    root: x509.Certificate
    issuing: Mapping[CaName, CertificationAuthority]
    root_list: x509.CertificateRevocationList

    @classmethod
    def load(cls, folder: Path, keys: KeyStore) -> Authorities:
        """Raises Problem(key.missing, key.not_a_pair, file.unreadable, jpki.token)."""
        issuing = {}
        for ca in ISSUING:
            certificate, key = read_certificate(folder, ca), keys.open(label_of(ca))
            if certificate.public_key() != key.public_key():
                raise Problem("key.not_a_pair", ca, where=str(folder), expected="the certificate of this very key")
            issuing[ca] = CertificationAuthority(ca, certificate, key)
        return cls(read_certificate(folder, CaName.ROOT), issuing, _read_list(folder))


class AuthoritiesVital:
    """The authorities' certificates are in force, and the root's list is."""

    name = "authorities"

    def __init__(self, authorities: Authorities, clock: Clock) -> None:
        self._authorities = authorities
        self._clock = clock

    def fault(self) -> str | None:
        ended = [ca for ca, one in self._ends().items() if one <= self._clock.now()]
        return f"the certificate of the {ended[0]} authority ended" if ended else None

    def remark(self) -> str | None:
        """What ends soon: an authority's certificate must outlast all that it issues, the root's list be signed anew."""
        now = self._clock.now()
        for ca, ends in self._ends().items():
            if ends - now < _LONGEST_ISSUED:
                return f"certificates by the {ca} authority are shortened: it ends on {ends:%Y-%m-%d}"
        following = self._authorities.root_list.next_update_utc
        if following is not None and following - now < SOON:
            return f"the root's list ends on {following:%Y-%m-%d}"
        return None

    def readings(self) -> Iterable[Reading]:
        return ()

    def _ends(self) -> dict[CaName, datetime]:
        return {ca: one.certificate.not_valid_after_utc for ca, one in self._authorities.issuing.items()}


def keys_of(settings: Settings) -> KeyStore:
    """Where the settings say that the keys are. Raises Problem(jpki.token)."""
    return FileKeys(settings.ca) if settings.token is None else TokenKeys(settings.token)


def read_certificate(folder: Path, ca: CaName) -> x509.Certificate:
    """Raises Problem(file.unreadable)."""
    path = folder / f"{ca}.pem"
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise Problem("file.unreadable", "not a certificate", where=str(path), expected="a PEM certificate") from None


def _read_list(folder: Path) -> x509.CertificateRevocationList:
    path = folder / ROOT_LIST
    try:
        return x509.load_pem_x509_crl(path.read_bytes())
    except (OSError, ValueError):
        raise Problem("file.unreadable", "not a CRL", where=str(path), expected="the root's list in PEM") from None
