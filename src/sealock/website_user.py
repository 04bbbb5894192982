"""The website's own user: what of an installation is that user's, and how it gets to be.

The website alone writes the database's file, logs, sealed values, its authority, and the keys it signs and
derives with; so all of that goes over. What is the keeper's, the worker's or the owner's stays out of its
reach. Root's own commands may write beside it; what they make there belongs to that user too (`core.files`).
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealock.core.errors import UsageError
from sealock.core.files import make_private_directory, trust
from sealock.core.own_user import become, close, entry, let_pass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sealock.settings import Settings

OURS = ("keys", "logs", "sealed", "authority")
"""Directories of the data directory that the website writes in, besides its database's."""

KEYS = frozenset({"installation.key", "installation.pub", "hook-key", "session-key"})
"""What `keys` holds once the keeper's are in a place of their own."""

SESSION_KEY = "keys/session-key"
"""What a website with a user of its own signs its members in with: the owner's key stays the owner's."""


class WebsiteUser:
    """Over these settings. Where they name no user, or we are not root, it changes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def changes(self) -> bool:
        """Whether the website is to become somebody else than we are."""
        return self._settings.web_user != "" and os.geteuid() == 0

    def settle(self) -> None:
        """Have what is that user's in places that can be theirs, and images out of reach. UsageError if a
        server uses the database meanwhile."""
        if not self.changes:
            return
        self._close_images()
        if self._settings.database is None:
            from sealock.store.database.own_place import settle_database  # noqa: PLC0415 - few need it

            settle_database(self._settings.data_dir)

    def become(self) -> str:
        """Hand over what is that user's, and be that user from here on. Returns a line that says who we are.
        UsageError if that cannot be, or would give away what is the keeper's."""
        if not self.changes:
            return become("", (), whose="website")
        self.settle()
        owned = self._owned()
        _refuse_others_keys(self._settings.data_dir / "keys")
        for directory in owned:
            make_private_directory(directory)
        let_pass(self._settings.data_dir)
        self._let_reach_the_keeper()
        return become(self._settings.web_user, owned, whose="website", needs=self._needed())

    def _close_images(self) -> None:
        """They hold what builds may know, such as the login of a package index. Machines get them opened."""
        images = self._settings.images_dir
        if self._settings.data_dir in images.parents and images.is_dir():
            close(images)

    def _let_reach_the_keeper(self) -> None:
        """Through our own directory, whose others are closed each for itself."""
        place = self._settings.keeper_socket.parent
        if self._settings.keeper_address is None and place == self._settings.runtime_dir:
            make_private_directory(place)
            let_pass(place)

    def _owned(self) -> Sequence[Path]:
        from sealock.store.database.own_place import OWN  # noqa: PLC0415 - few need it

        own = [] if self._settings.database is not None else [OWN]
        return [self._settings.data_dir / name for name in (*OURS, *own)]

    def _needed(self) -> Sequence[Path]:
        """What else it reads, such as Sealock's own code and Python's."""
        settings = self._settings
        code = [Path(__file__).parent, Path(click.__file__).parent, Path(sysconfig.get_path("stdlib"))]
        named = (
            settings.certificate,
            settings.certificate_key,
            settings.known_hosts,
            settings.redis_ca_certificate,
        )
        asked = [settings.keeper_socket.parent] if settings.keeper_address is None else []
        return [*code, *asked, *(path for path in named if path is not None)]


def session_key(settings: Settings) -> Ed25519PrivateKey:
    """What the website signs its members in with; made when there is none."""
    from sealock.keeper.identity import load_or_create  # noqa: PLC0415 - few need it

    return load_or_create(settings.data_dir / SESSION_KEY)


def trust_website_user(settings: Settings) -> None:
    """As root, use what the website's user has as our own."""
    if settings.web_user and os.geteuid() == 0:
        trust(entry(settings.web_user, "website").pw_uid)


def _refuse_others_keys(keys: Path) -> None:
    strange = sorted(path.name for path in keys.iterdir() if path.name not in KEYS) if keys.exists() else []
    if strange:
        raise UsageError(
            f"{keys} cannot go over to the website's user",
            details=f"It holds {', '.join(strange[:5])}, which the website has no use for.",
            resolution="Start the keeper first: under these settings it moves what is its own away. Put "
            "anything else somewhere else.",
        )
