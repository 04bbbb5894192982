"""What goes over the wire between the keeper and who asks it: one request, one reply, then it is closed.

A frame is a length (4 bytes, big-endian) and as many bytes of JSON. The length is checked before anything
is read, and a message has one spelling: what is not byte for byte what this module would write is refused,
so there are no unknown fields, no field twice and nothing converted. A refusal has no reason in it: only a
reference, under which the keeper's own log has it. What operators ask about keys is in `key_messages`, what
is asked about workers in `worker_messages`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from sealock.core.lease import MOST_SECRETS, Stated
from sealock.core.release import Released
from sealock.core.sealed import Owner, PublicKey, Sealed, SealedName, canonical
from sealock.keeper.key_messages import KeyReply, KeyRequest
from sealock.keeper.statements import CONFIG, LONGEST_STATEMENT
from sealock.keeper.worker_messages import WorkerReply, WorkerRequest

LONGEST_REQUEST = 2 * 1024 * 1024
"""Bytes. The largest value (1 MiB) sealed, as Base64, with a lease beside it."""

LONGEST_REPLY = 8 * 1024 * 1024
"""Bytes. The largest value sealed again, or the exposures of some builds."""

MOST_VALUES = 20_000
"""In one request, counted by the signs before them; the fullest has a few thousand. Each that is wrong
costs a kilobyte of memory until the request is refused."""

DEADLINE = 20.0
"""Seconds for a request and its reply, the back end's work included."""

MOST_BUILDS = 1000
"""Builds whose exposures are asked for in one request."""

NONCE_LENGTH = 16

Statement = Annotated[str, Field(max_length=LONGEST_STATEMENT)]
Id = Annotated[str, Field(min_length=1, max_length=200)]


class BadFrame(ValueError):
    """Too long, cut short, or not a message in its one spelling."""


class _Part(BaseModel):
    model_config = CONFIG


class Issue(_Part):
    """Make a lease. asked: a `core.lease.LeaseRequest` that a worker signed. stated: by whoever schedules."""

    op: Literal["issue"] = "issue"
    asked: Statement
    stated: Stated


class Open(_Part):
    """Open all of `sealed`, each its own name, for the key of the lease or the session; or none of them.
    nonce: random, of this request."""

    op: Literal["open"] = "open"
    sealed: Annotated[tuple[Sealed, ...], Field(min_length=1, max_length=MOST_SECRETS)]
    step: Annotated[str, Field(max_length=1024)] = ""
    lease: Statement | None = None
    session: Statement | None = None
    grant: Statement | None = None
    nonce: Annotated[bytes, Field(min_length=NONCE_LENGTH, max_length=NONCE_LENGTH)]


class End(_Part):
    """End a lease before its time."""

    op: Literal["end"] = "end"
    lease: Statement


class Revoke(_Part):
    """Take back the grant of that id."""

    op: Literal["revoke"] = "revoke"
    grant: Id


class EndAll(_Part):
    """Begin a new epoch: every lease, session and grant so far is void."""

    op: Literal["end-all"] = "end-all"


class AskStatus(_Part):
    """How the keeper is."""

    op: Literal["status"] = "status"


class AskExposures(_Part):
    """What builds were given."""

    op: Literal["exposures"] = "exposures"
    builds: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MOST_BUILDS)]


class AskPublicKey(_Part):
    """What values of this owner are sealed to; made if there is none yet."""

    op: Literal["public-key"] = "public-key"
    owner: Owner


ReleaseRequest = Issue | Open | End | Revoke | EndAll | AskStatus | AskExposures | AskPublicKey
Request = ReleaseRequest | KeyRequest | WorkerRequest


class Issued(_Part):
    """lease: signed by the keeper."""

    reply: Literal["issued"] = "issued"
    lease: Statement


class HandedValue(_Part):
    """A value, sealed to the asker's key with `binding`. entry: the ledger's that was written before."""

    sealed: bytes
    entry: int
    digest: str


class Handed(_Part):
    """In the order they were asked for."""

    reply: Literal["handed"] = "handed"
    values: tuple[HandedValue, ...]


class Done(_Part):
    """It was done."""

    reply: Literal["done"] = "done"


class Told(_Part):
    """epoch: what sessions and grants must name now. achieved: how the process is shut in, line by line.
    directory: where the keeper keeps what is its own, which tells one installation's from another's. peer:
    what the keeper calls whoever asked."""

    reply: Literal["told"] = "told"
    version: str
    epoch: int
    now: float
    entries: int
    achieved: tuple[str, ...]
    directory: str = ""
    peer: str = ""


class ListedRelease(_Part):
    """An entry of the ledger, `core.release.Entry` of a release."""

    sequence: int
    at: float
    fact: Released
    previous: str
    digest: str


class Listed(_Part):
    """In the order of the ledger."""

    reply: Literal["listed"] = "listed"
    releases: tuple[ListedRelease, ...]


class Public(_Part):
    """An owner's current public key."""

    reply: Literal["public"] = "public"
    key: PublicKey


class No(_Part):
    """Refused: not allowed, or no such thing; the same for both."""

    reply: Literal["no"] = "no"
    reference: str


class Away(_Part):
    """It cannot be done now: the back end or the ledger does not work."""

    reply: Literal["away"] = "away"
    reference: str


class Retired(_Part):
    """The value was sealed to a key that has been replaced: read it again and ask again."""

    reply: Literal["retired"] = "retired"


Reply = Issued | Handed | Done | Told | Listed | Public | No | Away | Retired | KeyReply | WorkerReply


class _Request(_Part):
    sealock: Literal[1] = 1
    request: Annotated[Request, Field(discriminator="op")]


class _Reply(_Part):
    sealock: Literal[1] = 1
    answer: Annotated[Reply, Field(discriminator="reply")]


def binding(nonce: bytes, name: SealedName) -> bytes:
    """What a value is bound to when it is sealed to the asker: this request, and what it is. A relay can
    neither exchange two values nor hand out an old one."""
    return canonical("sealock release v1", nonce.hex()) + name.canonical()


def encode_request(request: Request) -> bytes:
    """A request as a frame's content. BadFrame if it is too long."""
    return _within(_Request(request=request).model_dump_json().encode(), LONGEST_REQUEST)


def decode_request(content: bytes) -> Request:
    """The request in a frame. BadFrame."""
    if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise BadFrame("too many values")
    try:
        found = _Request.model_validate_json(content)
    except ValidationError:
        # Its text would show what was sent.
        raise BadFrame("not a request") from None
    if found.model_dump_json().encode() != content:
        raise BadFrame("not in its one spelling")
    return found.request


def encode_reply(reply: Reply) -> bytes:
    """A reply as a frame's content. BadFrame if it is too long."""
    return _within(_Reply(answer=reply).model_dump_json().encode(), LONGEST_REPLY)


def decode_reply(content: bytes) -> Reply:
    """The reply in a frame. BadFrame."""
    try:
        return _Reply.model_validate_json(content).answer
    except ValidationError:
        raise BadFrame("not a reply") from None


async def read_frame(reader: asyncio.StreamReader, longest: int) -> bytes:
    """The content of the next frame. BadFrame if it is longer than `longest` bytes or cut short."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > longest:
            raise BadFrame(f"a frame of {length} bytes is too long")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise BadFrame("cut short") from error


async def write_frame(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send a frame."""
    writer.write(len(content).to_bytes(4, "big") + content)
    await writer.drain()


async def exchange(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], content: bytes) -> bytes:
    """Send a request's frame, and return the content of its reply's; the connection is closed. OSError,
    BadFrame."""
    reader, writer = streams
    try:
        await write_frame(writer, content)
        return await read_frame(reader, LONGEST_REPLY)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _within(content: bytes, longest: int) -> bytes:
    if len(content) > longest:
        raise BadFrame(f"a message of {len(content)} bytes is too long")
    return content
