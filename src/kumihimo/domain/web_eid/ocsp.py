"""OCSP as a relying party (失効確認): one question, and what an answer must show before it is believed (RFC 6960, RFC 8954).

Successful, signed by the issuer or by a responder the issuer named for that, about this certificate, with the nonce of the
question, as of now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.randomness import RandomSource
from kumihimo.domain.web_eid.status import CertificateStatus, Standing

MAX_ANSWER_BYTES: Final = 64 * 1024
_NONCE_BYTES: Final = 32
_SKEW: Final = timedelta(minutes=2)
_STANDINGS: Final = {
    ocsp.OCSPCertStatus.GOOD: Standing.GOOD,
    ocsp.OCSPCertStatus.REVOKED: Standing.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: Standing.UNKNOWN,
}


@dataclass(frozen=True)
class StatusRequest:
    """One question about one certificate. `der` goes to the responder, `read` takes its answer."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    nonce: bytes
    der: bytes

    @classmethod
    def about(cls, certificate: x509.Certificate, issuer: x509.Certificate, randomness: RandomSource) -> StatusRequest:
        """Ask about a certificate of `issuer`, with a fresh nonce of 32 bytes."""
        nonce = randomness.token_bytes(_NONCE_BYTES)
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
        request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
        return cls(certificate, issuer, nonce, request.public_bytes(serialization.Encoding.DER))

    def read(self, answer: bytes, now: datetime) -> CertificateStatus:
        """The status the answer tells. Raises Problem(login.status_unknown) when it cannot be believed."""
        try:
            response = ocsp.load_der_ocsp_response(answer)
        except ValueError:
            raise _unbelieved("not an OCSP answer") from None
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise _unbelieved(f"the responder answered “{response.response_status.name.lower()}”")
        try:
            return self._read(response, now)
        except (ValueError, TypeError, x509.UnsupportedGeneralNameType) as error:
            raise _unbelieved(f"an answer that cannot be read ({type(error).__name__})") from None

    def _read(self, response: ocsp.OCSPResponse, now: datetime) -> CertificateStatus:
        if response.serial_number != self.certificate.serial_number or not self._same_issuer(response):
            raise _unbelieved("an answer about another certificate")
        self._verify(response, now)
        try:
            nonce = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound:
            raise _unbelieved("an answer without the nonce of the question") from None
        if nonce != self.nonce:
            raise _unbelieved("an answer to another question")
        first, last = response.this_update_utc, response.next_update_utc
        if first > now + _SKEW or (last is not None and last < now - _SKEW):
            raise _unbelieved(f"an answer for another time: from {first} until {last}")
        return CertificateStatus(_STANDINGS[response.certificate_status], first, response.revocation_time_utc)

    def _same_issuer(self, response: ocsp.OCSPResponse) -> bool:
        mine = ocsp.load_der_ocsp_request(self.der)
        return (
            isinstance(response.hash_algorithm, hashes.SHA256)
            and response.issuer_key_hash == mine.issuer_key_hash
            and response.issuer_name_hash == mine.issuer_name_hash
        )

    def _verify(self, response: ocsp.OCSPResponse, now: datetime) -> None:
        signer = self._signer(response, now)
        key, algorithm = signer.public_key(), response.signature_hash_algorithm
        if algorithm is None or isinstance(algorithm, hashes.SHA1 | hashes.MD5):
            raise _unbelieved("an answer signed with an algorithm that is not accepted")
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
            else:
                raise _unbelieved("an answer signed with a key of another kind")
        except InvalidSignature:
            raise _unbelieved("an answer whose signature does not hold") from None

    def _signer(self, response: ocsp.OCSPResponse, now: datetime) -> x509.Certificate:
        """The issuer itself, or a certificate it issued for signing OCSP answers."""
        for candidate in response.certificates:
            if candidate == self.issuer:
                continue
            try:
                candidate.verify_directly_issued_by(self.issuer)
                usage = candidate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
                continue
            valid = candidate.not_valid_before_utc <= now <= candidate.not_valid_after_utc
            if ExtendedKeyUsageOID.OCSP_SIGNING in usage and valid:
                return candidate
        return self.issuer


def responder_of(certificate: x509.Certificate) -> str:
    """The address of the responder that a certificate names. Raises Problem(login.status_unknown)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        raise Problem("login.status_unknown", "the certificate names no responder") from None
    for described in access:
        location = described.access_location
        if described.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value
    raise Problem("login.status_unknown", "the certificate names no responder")


def _unbelieved(detail: str) -> Problem:
    return Problem("login.status_unknown", detail, "status of the certificate", advice="Try again in a few minutes.")
