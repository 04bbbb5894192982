"""The operator's exceptions as ranges, and this host's own addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.machines import marks, network
from sealock.machines.cgroup import Cgroup
from sealock.machines.containment import User
from sealock.machines.firewall import Range
from sealock.machines.network import Pasta, _configure, _tool, host_addresses, resolved

pytestmark = pytest.mark.anyio


async def test_ranges_and_addresses_are_taken_as_they_are() -> None:
    assert await resolved(["10.1.0.0/16", "10.2.3.4"]) == [Range("10.1.0.0/16"), Range("10.2.3.4/32")]


async def test_names_are_looked_up() -> None:
    assert await resolved(["localhost"]) == [Range("127.0.0.1/32")]


@pytest.mark.parametrize(
    "entry", ["10.1.2.3/16", "10.0.0.0/99", "fd00::/8", "no such name", "", "a\0b", "x" * 300]
)
async def test_anything_else_is_refused_by_name(entry: str) -> None:
    with pytest.raises(UsageError, match="network_allow") as refused:
        await resolved([entry])
    assert repr(entry) in refused.value.brief
    assert "10.1.0.0/16" in refused.value.resolution


def test_the_rules_are_in_force_before_anything_can_pass(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[tuple[str, str]] = []
    forwarding = tmp_path / "ip_forward"

    def path(text: str) -> Path:
        done.append((text, ""))
        return forwarding

    monkeypatch.setattr(network, "_tool", lambda argv, text="": done.append((argv[0], text)))
    monkeypatch.setattr(network, "Path", path)
    _configure("the rules", "the links")
    assert done == [("nft", "the rules"), ("ip", "the links"), ("/proc/sys/net/ipv4/ip_forward", "")]
    assert forwarding.read_text() == "1"


def test_pasta_carries_outwards_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself it would bind ports of this host, and lead its gateway's address to this host."""
    started: list[list[str]] = []
    monkeypatch.setattr(network, "spawn", lambda argv, **_: started.append(argv))
    owner = marks.this_process()
    Pasta("pasta", User(1234, 1234), Cgroup(), owner).start("a" * 32, "sealock-a")
    (argv,) = started
    for option in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
        assert argv[argv.index(option) + 1] == "none"
    assert {"--no-map-gw", "--ipv4-only", "--netns-only"} <= set(argv)


def test_the_loopback_is_one_of_this_hosts_addresses() -> None:
    assert "127.0.0.1" in host_addresses()


def test_a_missing_tool_is_told_with_its_package() -> None:
    with pytest.raises(PermanentError, match="no-such-tool is missing") as refused:
        _tool(["no-such-tool"])
    assert "iproute2" in refused.value.resolution


def test_what_a_tool_said_is_told() -> None:
    with pytest.raises(PermanentError, match="cannot set up a machine's network") as refused:
        _tool(["ip", "link", "show", "no-such-device"])
    assert "no-such-device" in refused.value.details
