"""The reader side (カードリーダー): PC/SC through pyscard, with real readers and with a virtual one."""

from kumihimo.roles.card.reader.pcsc import CardConnection, open_card, readers

__all__ = ["CardConnection", "open_card", "readers"]
