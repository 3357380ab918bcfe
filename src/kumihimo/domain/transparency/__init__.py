"""Transparency (透明性): the log everybody can check, in the formats of C2SP, and nothing that needs a disk or a network.

`merkle` hashes and proofs, `tiles` the log as files, `note` signatures, `checkpoint` what the log commits to, `witness`
who holds it to its word, `proof` what is checked offline, `access_proof` the resident's file.
"""
