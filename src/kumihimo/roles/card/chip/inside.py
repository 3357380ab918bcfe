"""The inside of a card that has power (給電中のカード): its durable state, and what it forgets at a reset."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from kumihimo.roles.card.chip.keys import SigningKey
from kumihimo.roles.card.chip.layout import place
from kumihimo.roles.card.chip.messaging import Channel
from kumihimo.roles.card.chip.state import CARD_KEY, CardState
from kumihimo.roles.card.chip.status import Refused, Status
from kumihimo.roles.card.chip.store import Store


@dataclass
class Session:
    """What a reset forgets: what is selected, which PINs were right, and the session with an office.

    `verified` holds places of PINs of the selected application; leaving it empties the set.
    """

    application: str | None = None
    file: int | None = None
    verified: set[str] = field(default_factory=set)
    own_key: EllipticCurvePrivateKey | None = field(default=None, repr=False)
    channel: Channel | None = None
    office: str | None = None
    """Code of the municipality at the other end of `channel`. A plain command ends both, so while a command is being
    carried out this is whose command it is, or None."""

    def enter(self, application: str | None) -> None:
        """Select an application; another one than before takes all security status with it."""
        if application != self.application:
            self.verified.clear()
        self.application = application
        self.file = None

    def end_office(self) -> None:
        """End the session with an office."""
        self.channel = self.office = None


class Inside:
    """State and session together, as commands see them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: dict[str, tuple[bytes, SigningKey]] = {}
        self.state = store.load()
        self.session = Session()
        self.failed = False
        store.sweep()

    def commit(self, state: CardState) -> None:
        """Make a new state the card's, durably. Raises Refused(6581), after which the card is mute until it is reset."""
        try:
            self._store.commit(state)
        except OSError as error:
            # Which of the two states the disk has is not known: only reading it again can tell.
            self.failed = True
            raise Refused(Status.MEMORY_FAILURE) from error
        self.state = state

    def selected(self) -> str:
        """The place of the selected file. Raises Refused(6986)."""
        if self.session.application is None or self.session.file is None:
            raise Refused(Status.NO_CURRENT_FILE)
        return place(self.session.application, self.session.file)

    def require_office(self) -> str:
        """The code of the office whose sealed command this is. Raises Refused(6982)."""
        if self.session.office is None:
            raise Refused(Status.NOT_ALLOWED)
        return self.session.office

    def require_own_office(self) -> str:
        """As `require_office`, of the municipality the card belongs to, or of any while the card is blank."""
        office = self.require_office()
        if self.state.municipality not in (None, office):
            raise Refused(Status.NOT_ALLOWED)
        return office

    def signing_key(self, name: str) -> SigningKey:
        """The key under this name. Raises Refused(6A88) where there is none."""
        pkcs8 = self.state.contents.get(name)
        if pkcs8 is None:
            raise Refused(Status.KEY_NOT_FOUND)
        loaded = self._loaded.get(name)
        if loaded is None or loaded[0] is not pkcs8:
            loaded = self._loaded[name] = (pkcs8, SigningKey.load(pkcs8))
        return loaded[1]

    @property
    def card_key(self) -> EllipticCurvePrivateKey:
        """The card's own key."""
        key = load_der_private_key(self.state.contents[CARD_KEY], None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError("the card's own key is not of P-256")
        return key
