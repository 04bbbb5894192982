"""A TLS server on loopback that says a line to each client, and clients that say what went wrong."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealock.core.certificate import Certificate


@contextmanager
def tls_server(certificate: Certificate, *, clients_of: Path | None = None) -> Iterator[int]:
    """A port of 127.0.0.1. clients_of: the authority that clients need a certificate of."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, context))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def greeting(port: int, host: str, trusted: Path, own: Path | None = None) -> str:
    """What the server said, or why it was not believed. own: a client's key and certificate."""
    context = ssl.create_default_context(cafile=trusted)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if own is not None:
        context.load_cert_chain(own)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=host) as connection,
        ):
            return connection.recv(100).decode()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or str(error)
    except ssl.SSLError as error:
        return str(error.reason)
    except ConnectionResetError:
        return "reset"


def _serve(listening: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            raw, _ = listening.accept()
        except OSError:
            return
        raw.settimeout(10)
        with suppress(OSError), raw, context.wrap_socket(raw, server_side=True) as connection:
            connection.sendall(f"hello {connection.getpeercert() and 'you'}".encode())
