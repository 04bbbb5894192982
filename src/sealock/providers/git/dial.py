"""Opens the connection to a Git server, and only to where one may lie.

The address comes from whoever made the project; this host stands inside a network that the guest must
not reach (cloud metadata, the database, the neighbours). So the name is resolved once, each result is
checked, and the connection goes to exactly the address that was checked: a second answer of the name
server changes nothing. An operator whose Git server lies in a private range names it in the allow list.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence

from sealock.core.errors import UsageError
from sealock.core.machine import Connect
from sealock.core.source import GitAddress
from sealock.providers.git.reach import Address, AllowList, why_refused

RESOLVE_SECONDS = 15.0
CONNECT_SECONDS = 15.0
"""For one address; a name may have several, of which at most four are tried."""

_MOST_ADDRESSES = 4


class GitDialer:
    """Opens connections to Git servers (`core.repository.GitDialer`)."""

    def __init__(self, allow: Sequence[str]) -> None:
        """allow: names, addresses and CIDR ranges that may be connected to although they lie in a
        private or local range. UsageError if one of them is none of these."""
        self._allow = AllowList(allow)

    def connector(self, address: GitAddress) -> Connect:
        """What opens a connection to the server of `address`. Calling it raises OSError when the server
        cannot be reached, UsageError when none of its addresses may be connected to."""

        async def connect() -> tuple[StreamReader, StreamWriter]:
            addresses = self._permitted(address, await _resolve(address))
            return await _first_that_answers(address, addresses)

        return connect

    def _permitted(self, address: GitAddress, found: Sequence[Address]) -> list[Address]:
        refused = {each: why_refused(each) for each in found}
        permitted = [each for each in found if not refused[each] or self._allow.has(address.host, each)]
        if not permitted or address.port == 25:
            reasons = [f"{each} is {why}" for each, why in refused.items() if why] or ["port 25 is for mail"]
            raise UsageError(
                f"{address.host} lies where builds may not connect to",
                details="; ".join(reasons),
                resolution="If it is your own Git server, ask the operator to put its name, address or range "
                "into the allow list of the settings.",
            )
        return permitted[:_MOST_ADDRESSES]


async def _resolve(address: GitAddress) -> list[Address]:
    """Every address of the host, once each, in the resolver's order. OSError if there is none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise OSError(f"{address.host} was not resolved within {RESOLVE_SECONDS:.0f} s") from error
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(f"{address.host} cannot be resolved: {error}") from error
    # A scope (fe80::1%eth0) names a link of this host; such addresses are refused with or without it.
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ipaddress.ip_address(text) for text in texts]


async def _first_that_answers(
    address: GitAddress, addresses: Sequence[Address]
) -> tuple[StreamReader, StreamWriter]:
    failures = []
    for each in addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(str(each), address.port)
        except TimeoutError:
            failures.append(f"{each} did not answer within {CONNECT_SECONDS:.0f} s")
        except OSError as error:
            failures.append(f"{each}: {error.strerror or error}")
    raise OSError(f"{address.host}, port {address.port}, cannot be reached: {'; '.join(failures)}")
