"""The terminal (端末): the client side of every command of the card, over anything that passes commands on.

`CardTerminal` is the resident's and the counter's, `OfficeSession` the municipality's.
"""

from kumihimo.roles.card.chip.keys import Algorithm, PublicKey, signature_der
from kumihimo.roles.card.chip.layout import Access, Key, Pin, ordinance_aid
from kumihimo.roles.card.terminal.card_terminal import CardTerminal, OrdinanceEntry
from kumihimo.roles.card.terminal.office_session import OfficeKey, OfficeSession, OrdinanceSpec
from kumihimo.roles.card.terminal.proofs import CardProof, TextProof, make_text_proof
from kumihimo.roles.card.terminal.texts import FourItemsOnCard, Personalisation, VisualEntries, visual_pin_b
from kumihimo.roles.card.terminal.wire import Transmit

__all__ = [
    "Access",
    "Algorithm",
    "CardProof",
    "CardTerminal",
    "FourItemsOnCard",
    "Key",
    "OfficeKey",
    "OfficeSession",
    "OrdinanceEntry",
    "OrdinanceSpec",
    "Personalisation",
    "Pin",
    "PublicKey",
    "TextProof",
    "Transmit",
    "VisualEntries",
    "make_text_proof",
    "ordinance_aid",
    "signature_der",
    "visual_pin_b",
]
