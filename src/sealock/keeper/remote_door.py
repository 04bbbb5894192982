"""How the keeper is reached on another host, and what it means when it is not.

What goes wrong here is mostly an operator's to mend, on one of two hosts, so each way not to get in says
which side refused whom. A keeper refuses a stranger in silence: it hangs up before a byte is read, and its
log has the reason.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from sealock.core.errors import PermanentError, SealockError, TemporaryError
from sealock.core.lease import KeeperAway
from sealock.keeper import protocol
from sealock.keeper.tls import HANDSHAKE

OUR_CERTIFICATE = (
    "Its authority.pem must be the authority of our certificate, which must not have run out; its log says "
    "whom it hung up on."
)


class RemoteAway(KeeperAway):
    """The keeper of another host, named with where it was looked for."""

    def __init__(self, where: str, why: str, resolution: str) -> None:
        TemporaryError.__init__(
            self, f"the keeper at {where} did not answer", details=why, resolution=resolution
        )


class NoTrust(PermanentError):
    """One of the two sides did not accept the other."""


@dataclass(frozen=True)
class RemoteDoor:
    """A keeper on another host, with our certificate in `tls`."""

    host: str
    port: int
    tls: ssl.SSLContext

    @property
    def where(self) -> str:
        """Its address, as in the settings."""
        return f"{self.host}:{self.port}"

    async def knock(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection. OSError."""
        return await asyncio.open_connection(
            self.host, self.port, ssl=self.tls, server_hostname=self.host, ssl_handshake_timeout=HANDSHAKE
        )

    async def exchange(self, content: bytes) -> bytes:
        """The content of the frame that answers this one. OSError, BadFrame."""
        return await protocol.exchange(await self.knock(), content)

    def told(self, error: Exception) -> SealockError:
        """What to tell of an error on the way: NoTrust, or RemoteAway for what may pass."""
        match error:
            case ssl.SSLCertVerificationError():
                return NoTrust(
                    f"what listens at {self.where} is not the keeper we trust",
                    details=error.verify_message,
                    resolution="Nothing was sent to it. The keeper's certificate must be of the authority in "
                    f"our authority.pem, for the name or address {self.host} (subjectAltName).",
                )
            case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError():
                return self._hung_up()
            case ssl.SSLError():
                return self._refused(str(error.reason or error))
            case protocol.BadFrame() if error.__cause__ is not None:  # it ends where a reply should be
                return self._hung_up()
        return self._away(str(error) or "no reply in time")

    def _hung_up(self) -> RemoteAway:
        return RemoteAway(
            self.where,
            "it hung up without a word",
            "It does so on whoever it does not know. Our certificate must be of its authority.pem, must not "
            "have run out, and its authorities.json must have had it when it started (`sealock keeper "
            "introduce` prints the lines). Its log says whom it hung up on, and why.",
        )

    def _away(self, why: str) -> RemoteAway:
        return RemoteAway(
            self.where,
            why,
            "See that `sealock keeper` runs there with keeper_listen, and that the port can be reached from "
            "here. With keeper_address set none is started on this host.",
        )

    def _refused(self, reason: str) -> NoTrust:
        why = reason.replace("_", " ").lower()
        if "ALERT" in reason and "VERSION" not in reason:
            return NoTrust(
                f"the keeper at {self.where} did not accept our certificate",
                details=why,
                resolution=OUR_CERTIFICATE,
            )
        return NoTrust(
            f"what listens at {self.where} does not speak TLS 1.3 with us",
            details=why,
            resolution="Nothing was sent to it. See that keeper_address is keeper_listen of its host.",
        )
