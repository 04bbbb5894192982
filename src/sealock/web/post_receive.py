"""The script that tells us of pushes to a plain Git server: to be pasted as its `hooks/post-receive`.

It needs a POSIX shell, curl and openssl. The secret never is an argument of a program, where other users of
that server could read it: the two keyed blocks of HMAC (RFC 2104) are worked out here and written by the
shell itself, and openssl only ever hashes what it reads.
"""

from __future__ import annotations

import re
import shlex
from importlib.resources import files

from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.web.origin import Origin

_PROJECT = re.compile(r"[0-9a-f]{32}")
_BLOCK = 64  # bytes that SHA-256 takes at a time


def post_receive_script(origin: Origin, project: str, secret: Secret, repository: str) -> str:
    """The script of one project. It holds the secret: mode 0700. repository: as the hook's target has it.
    UsageError for a repository whose name cannot stand in it."""
    key = secret.reveal()
    if not _PROJECT.fullmatch(project) or not 16 <= len(key) <= _BLOCK:
        raise ValueError("no project's id, or no hook's secret")
    if not repository.isprintable() or not repository.isascii() or '"' in repository or "\\" in repository:
        raise UsageError(
            f"{repository[:200]!r} cannot stand in a script", resolution="Rename the repository."
        )
    block = key.ljust(_BLOCK, b"\0")
    values = {
        "ADDRESS": f"{origin}/hooks/git/{project}",
        "REPOSITORY": repository,
        "INNER": _octal(bytes(byte ^ 0x36 for byte in block)),
        "OUTER": _octal(bytes(byte ^ 0x5C for byte in block)),
    }
    text = files("sealock.web").joinpath("post-receive.sh").read_text(encoding="utf-8")
    # All at once: a value that looks like a place for another stays what it is.
    return re.sub(r"@([A-Z]+)@", lambda place: shlex.quote(values[place[1]]), text)


def _octal(value: bytes) -> str:
    r"""As `printf` of every shell reads it. A `%` is doubled: nothing says that `\045` is not read as one."""
    return "".join("%%" if byte == 0x25 else f"\\{byte:03o}" for byte in value)
