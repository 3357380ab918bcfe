"""Wake-ups (お知らせの通知): an e-mail or a push says that there is a notice, not in quiet hours, once until it is read.

Nothing of a notice goes to a mail server or a push service: who writes, and about what, is seen after the log-in.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import structlog

from kumihimo.domain.kernel import JAPAN, Clock, Problem, RandomSource
from kumihimo.plumbing.mail import check_address
from kumihimo.roles.portal.rendering import LANGUAGES, word
from kumihimo.roles.portal.service.safe import Safe
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_channels import Channel, ChannelKind, ChannelRows, Preference

MOST_CHANNELS: Final = 5
_CODE_LIFE: Final = timedelta(minutes=30)
_CODE_TRIES: Final = 5
_AT_ONCE: Final = 100
_LONGEST_PAUSE: Final = timedelta(hours=6)
_GIVE_UP: Final = 12  # tries
log = structlog.get_logger()


class Post(Protocol):
    """Sends an e-mail: `plumbing.mail.Mailer`."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Raises Problem(mail.refused, mail.unreachable)."""


class Push(Protocol):
    """Wakes a browser: `plumbing.push.Pusher`."""

    @property
    def public_key(self) -> str: ...

    def allowed(self, endpoint: str) -> bool: ...

    def send(self, subscription: Mapping[str, Any]) -> None:
        """Raises Problem(push.gone, push.unreachable)."""


@dataclass(frozen=True)
class Way:
    """One way to be told, as its owner sees it."""

    channel: str
    kind: ChannelKind
    shown: str
    proven: bool
    failed_at: datetime | None


class Waking:
    """Ways to be told, and the telling. `post` and `push` are None where the portal does not offer them."""

    def __init__(
        self, store: PortalStore, safe: Safe, clock: Clock, randomness: RandomSource, origin: str,
        post: Post | None = None, push: Push | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._safe = safe
        self._clock = clock
        self._randomness = randomness
        self._origin = origin
        self.post = post
        self.push = push

    def tell(self, rows: ChannelRows, accounts: Collection[str], urgent: bool) -> None:
        """Something lies in these accounts' inboxes: inside the transaction that puts it there."""
        if accounts and (self.post is not None or self.push is not None):
            rows.wake(accounts, urgent, self._clock.now())

    def preference(self, account: str) -> Preference:
        """What somebody wants."""
        with self._store.reading() as reading:
            return ChannelRows(reading.conn).preference(account)

    def prefer(self, account: str, quiet_from: int | None, quiet_until: int | None, tells_openings: bool) -> None:
        """Quiet hours (both or none, in Japan), and whether senders may know who opened what. Raises Problem(value.invalid)."""
        hours = (quiet_from, quiet_until)
        if (quiet_from is None) != (quiet_until is None) or any(
            one is not None and not 0 <= one <= 23 for one in hours
        ):
            raise Problem(
                "value.invalid", f"{quiet_from} to {quiet_until}", "quiet_from", "two hours from 0 to 23, or none"
            )
        with self._store.transaction() as transaction:
            ChannelRows(transaction.conn).prefer(
                account, quiet_from=quiet_from, quiet_until=quiet_until, tells_openings=tells_openings
            )

    def ways(self, account: str) -> list[Way]:
        """Every way somebody gave."""
        with self._store.reading() as reading:
            found = ChannelRows(reading.conn).channels(account)
        return [Way(one.channel, one.kind, self._shown(one), one.code_hash is None, one.failed_at) for one in found]

    def add_mail(self, account: str, address: str) -> None:
        """An e-mail address; a code goes there, and nothing else before it came back.

        Raises Problem: channel.not_offered, value.invalid, mail.refused, mail.unreachable: then nothing is kept.
        """
        if self.post is None:
            raise Problem("channel.not_offered", "e-mail")
        address = check_address(address)
        code = f"{self._randomness.randbelow(10**6):06d}"
        one = self._new(account, ChannelKind.MAIL, address.encode(), self._safe.hashed(b"code", code.encode()))
        self.post.send(address, *_written("code", code=code))
        self._keep(one)

    def prove(self, account: str, channel: str, code: str) -> None:
        """The code that came by e-mail. Raises Problem(channel.unknown, channel.code)."""
        now = self._clock.now()
        with self._store.transaction() as transaction:
            rows = ChannelRows(transaction.conn)
            one = next((one for one in rows.channels(account) if one.channel == channel), None)
            if one is None or one.code_hash is None:
                raise Problem("channel.unknown", channel[:40])
            over = now > one.added_at + _CODE_LIFE or one.tries >= _CODE_TRIES
            given = self._safe.hashed(b"code", code.strip().encode()).encode()
            fits = not over and hmac.compare_digest(one.code_hash, given)
            if over:
                rows.remove(account, channel)
            else:
                rows.change(channel, **({"code_hash": None} if fits else {"tries": one.tries + 1}))
        if not fits:
            raise Problem(
                "channel.code", "too late, or too many tries" if over else "another one was sent", "code",
                "the six digits of the newest e-mail", "Add the address again." if over else "Look at the e-mail again.",
            )  # fmt: skip

    def add_push(self, account: str, subscription: Mapping[str, Any]) -> None:
        """A browser's subscription (W3C Push API). Raises Problem(channel.not_offered, value.invalid)."""
        if self.push is None:
            raise Problem("channel.not_offered", "push")
        endpoint, keys = subscription.get("endpoint"), subscription.get("keys")
        if not isinstance(endpoint, str) or not isinstance(keys, dict) or set(keys) != {"p256dh", "auth"}:
            raise Problem("value.invalid", "not a push subscription", "subscription", "endpoint and keys")
        if not self.push.allowed(endpoint):
            raise Problem("value.invalid", endpoint[:80], "endpoint", "a push service that is known here")
        kept = json.dumps({"endpoint": endpoint, "keys": keys}).encode()
        self._keep(self._new(account, ChannelKind.PUSH, kept, None))

    def remove(self, account: str, channel: str) -> None:
        """One way less."""
        with self._store.transaction() as transaction:
            ChannelRows(transaction.conn).remove(account, channel)

    def go_on(self) -> int:
        """Tell whoever is to be told now; how many were."""
        now = self._clock.now()
        with self._store.reading() as reading:
            due = ChannelRows(reading.conn).due(now, _AT_ONCE)
        return sum(self._wake(one.account, one.urgent, one.tries, now) for one in due)

    def _wake(self, account: str, urgent: bool, tries: int, now: datetime) -> int:
        with self._store.transaction() as transaction:
            rows = ChannelRows(transaction.conn)
            quiet_until = None if urgent else quiet_end(rows.preference(account), now)
            if quiet_until is not None:
                rows.later(account, quiet_until, tries)
                return 0
            channels = [one for one in rows.channels(account) if one.code_hash is None]
        told = False
        gone: list[str] = []
        failed: list[str] = []
        for one in channels:
            try:
                self._send(one)
                told = True
            except Problem as problem:
                log.warning("wake_up.failed", kind=one.kind, code=problem.code)
                (gone if problem.code == "push.gone" else failed).append(one.channel)
        with self._store.transaction() as transaction:
            rows = ChannelRows(transaction.conn)
            for channel in gone:
                rows.remove(account, channel)
            for channel in failed:
                rows.change(channel, failed_at=now)
            if told or not failed or tries + 1 >= _GIVE_UP:
                rows.woken(account)
                rows.prefer(account, woken_at=now)
            else:
                rows.later(account, now + min(timedelta(minutes=2**tries), _LONGEST_PAUSE), tries + 1)
        return int(told)

    def _send(self, one: Channel) -> None:
        target = self._safe.open(one.sealed, "channel", one.channel)
        if one.kind is ChannelKind.MAIL and self.post is not None:
            self.post.send(target.decode(), *_written("wake", origin=self._origin))
        elif one.kind is ChannelKind.PUSH and self.push is not None:
            self.push.send(json.loads(target))

    def _new(self, account: str, kind: ChannelKind, target: bytes, code: str | None) -> Channel:
        name = self._randomness.token_bytes(16).hex()
        sealed = self._safe.seal(target, "channel", name)
        return Channel(name, account, kind, sealed, None if code is None else code.encode(), 0, self._clock.now())

    def _keep(self, one: Channel) -> None:
        with self._store.transaction() as transaction:
            rows = ChannelRows(transaction.conn)
            same = [
                other.channel
                for other in rows.channels(one.account)
                if other.kind is one.kind and self._target(other) == self._target(one)
            ]
            for channel in same:
                rows.remove(one.account, channel)
            if len(rows.channels(one.account)) >= MOST_CHANNELS:
                raise Problem(
                    "value.invalid", f"{MOST_CHANNELS} are there", "channel", "at most that many", "Remove one."
                )
            rows.add(one)

    def _target(self, one: Channel) -> bytes:
        return self._safe.open(one.sealed, "channel", one.channel)

    def _shown(self, one: Channel) -> str:
        """Enough to know it again."""
        target = self._target(one).decode()
        if one.kind is ChannelKind.PUSH:
            return str(urlsplit(json.loads(target)["endpoint"]).hostname)
        name, _, host = target.partition("@")
        return f"{name[:2]}…@{host}"


def _written(key: str, **values: str) -> tuple[str, str]:
    """Subject and text of an e-mail, in both languages: whose it is, nothing here knows."""
    subject = " / ".join(word(lang, f"mail.{key}.subject") for lang in LANGUAGES)
    return subject, "\n\n".join(word(lang, f"mail.{key}.text", **values) for lang in LANGUAGES) + "\n"


def quiet_end(wants: Preference, now: datetime) -> datetime | None:
    """When the quiet hours end that it is in; None outside of them."""
    if wants.quiet_from is None or wants.quiet_until is None or wants.quiet_from == wants.quiet_until:
        return None
    here = now.astimezone(JAPAN)
    first, last = wants.quiet_from, wants.quiet_until
    within = first <= here.hour < last if first < last else here.hour >= first or here.hour < last
    if not within:
        return None
    end = here.replace(hour=last, minute=0, second=0, microsecond=0)
    return end if end > here else end + timedelta(days=1)
