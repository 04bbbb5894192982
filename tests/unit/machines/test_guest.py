"""How a guest is spoken to, and what its record says of the disk."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import asyncssh
import pytest

from sealock.machines.guest import Guest, _both
from sealock.machines.identity import Authority, new_identity
from sealock.machines.network import Network


@pytest.mark.parametrize(("qemu", "pasta", "said"), [(0, 0, 0), (1, 2, 3), (None, 0, None), (0, None, None)])
def test_what_was_not_counted_is_not_nothing(qemu: int | None, pasta: int | None, said: int | None) -> None:
    assert _both(qemu, pasta) == said


@pytest.mark.anyio
async def test_a_guest_is_trusted_by_its_own_key_and_shown_nothing_but_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The attack: a guest that runs on another key; one that asks the agent of who started us for theirs."""
    given: dict[str, Any] = {}

    async def connect(**arguments: Any) -> None:
        given.update(arguments)

    async def wire() -> socket.socket:
        return ours

    monkeypatch.setattr(asyncssh, "connect", connect)
    authority = Authority()
    identity = new_identity(authority, "builder", None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guest = SimpleNamespace(identity=identity, host=SimpleNamespace(authority=authority))
        await Guest._connect(cast("Guest", guest), cast("Network", SimpleNamespace(connect=wire)))
    trusted, *others = given["known_hosts"].match(identity.id, "", None)
    assert [key.get_fingerprint() for key in trusted] == [identity.fingerprint]
    assert not any(others)
    assert given["config"] is None and given["agent_path"] is None
    ((_, certificate),) = given["client_keys"]
    assert certificate.principals == [identity.id]
    assert (given["preferred_auth"], given["username"]) == (["publickey"], "builder")
    assert given["server_host_key_algs"] == ["ssh-ed25519"]
