"""The operator's exceptions as ranges, and this host's own addresses."""

from __future__ import annotations

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.machines.firewall import Range
from sealock.machines.network import _tool, host_addresses, resolved

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
