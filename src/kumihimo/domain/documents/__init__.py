"""Signed documents (電子署名文書): what a resident signs with the card's certificate for digital signatures (署名用電子証明書).

The signature stands beside the document (CMS, detached), so that the document stays what it was and any program that knows CMS,
`openssl cms -verify` for one, can check it. The key is on the card: whoever holds it is asked through a callable.
"""

from kumihimo.domain.documents.signing import MAX_DOCUMENT_BYTES, Prepared, Signer, prepare, sign
from kumihimo.domain.documents.verifying import SignedDocument, signer_of, verify

__all__ = ["MAX_DOCUMENT_BYTES", "Prepared", "SignedDocument", "Signer", "prepare", "sign", "signer_of", "verify"]
