"""The script for a plain Git server: a real push, real curl and openssl, the real website over HTTPS."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from hmac import digest
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.web.origin import Origin
from sealock.web.post_receive import post_receive_script
from tests.support.website import OTHER, PROJECT, REPOSITORY, SECRETS, Served, served

pytestmark = pytest.mark.anyio
SHELLS = [shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as website:
        yield website


class Repository:
    """A bare repository with the script as its hook, and a clone of it to push from."""

    def __init__(self, directory: Path, script: str, authority: Path | None) -> None:
        self.bare, self.clone = directory / "shop.git", directory / "clone"
        # Nothing of whoever runs the tests; a .curlrc that would send pushes elsewhere.
        (directory / ".curlrc").write_text("insecure\nurl = https://127.0.0.1:1/\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
        self.git("init", "--quiet", "--bare", str(self.bare), where=directory)
        self.git("init", "--quiet", "--initial-branch=main", str(self.clone), where=directory)
        self.hook = self.bare / "hooks/post-receive"
        self.hook.write_text(script)
        self.hook.chmod(0o700)
        if authority is not None:
            shutil.copy(authority, self.bare / "hooks/sealock-authority.pem")

    def git(self, *words: str, where: Path | None = None) -> str:
        """What Git printed, errors included."""
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        result = subprocess.run(
            ["git", *who, *words],
            cwd=where or self.clone,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=True,
        )
        return result.stdout.strip()

    def commit(self) -> str:
        """The new commit."""
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    async def push(self, *refs: str) -> str:
        """What whoever pushed was shown."""
        return await asyncio.to_thread(self.git, "push", str(self.bare), *refs)


def script(site: Served, project: str = PROJECT, secret: bytes = SECRETS[PROJECT]) -> str:
    return post_receive_script(site.website.origin, project, Secret(secret), REPOSITORY)


async def test_a_push_is_told_of(site: Served, tmp_path: Path) -> None:
    repository = Repository(tmp_path, script(site), site.authority)
    first = repository.commit()
    assert "Sealock: told of refs/heads/main" in await repository.push("main")
    second = repository.commit()
    await repository.push("main", "main:refs/tags/v1", "main:refs/heads/a\"b$(id)`id`'c", "main:refs/notes/x")
    await repository.push(":refs/heads/a\"b$(id)`id`'c")
    taken = [push for project, push in site.ports.hooks.taken if project == PROJECT]
    moved = [(push.name, push.is_tag, push.before, push.after) for push in taken]
    odd = "a\"b$(id)`id`'c"
    assert moved[0] == ("main", False, None, first)
    assert set(moved[1:4]) == {
        ("main", False, first, second),
        ("v1", True, None, second),
        (odd, False, None, second),
    }
    assert moved[4:] == [(odd, False, second, None)]
    assert len({push.delivery for push in taken}) == 5
    assert all(abs(push.sent_at - time.time()) < 120 and push.repository == REPOSITORY for push in taken)


async def test_a_push_with_another_projects_secret_is_refused_and_goes_through(
    site: Served, tmp_path: Path
) -> None:
    repository = Repository(tmp_path, script(site, PROJECT, SECRETS[OTHER]), site.authority)
    commit = repository.commit()
    said = await repository.push("main")
    assert "could not be told of refs/heads/main (HTTP 401)" in said and "--script" in said
    assert repository.git("rev-parse", "main", where=repository.bare) == commit
    assert not site.ports.hooks.taken


async def test_a_website_that_cannot_be_verified_is_told_nothing(site: Served, tmp_path: Path) -> None:
    """The attack: to stand between the Git server and the website. `.curlrc` says it does not matter."""
    repository = Repository(tmp_path, script(site), None)
    repository.commit()
    said = await repository.push("main")
    assert "could not be told of refs/heads/main (HTTP 000)" in said and "hooks/sealock-authority.pem" in said
    assert not site.ports.hooks.taken


async def test_the_secret_is_no_programs_argument_and_in_no_environment(site: Served, tmp_path: Path) -> None:
    """The attack: another user of the Git server lists its processes while somebody pushes."""
    repository = Repository(tmp_path, script(site), site.authority)
    repository.commit()
    spies = tmp_path / "spies"
    spies.mkdir()
    for name in ("curl", "openssl", "sed", "cut", "cat", "date", "dirname"):
        spy = spies / name
        real = shutil.which(name)
        spy.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>{tmp_path}/seen\n"
            f'env >>{tmp_path}/seen\nexec {real} "$@"\n'
        )
        spy.chmod(0o755)
    repository.environment["PATH"] = f"{spies}:{repository.environment['PATH']}"
    assert "told of" in await repository.push("main")
    seen = (tmp_path / "seen").read_bytes()
    assert b"curl -q" in seen and b"openssl dgst" in seen
    key = SECRETS[PROJECT]
    blocks = [bytes(byte ^ pad for byte in key) for pad in (0, 0x36, 0x5C)]
    shown = [form for block in blocks for form in (block, block.hex().encode(), octal(block))]
    assert not [form for form in shown if form[:16] in seen]
    assert octal(blocks[1])[:16] in repository.hook.read_bytes(), "the test has to know what to look for"


def octal(block: bytes) -> bytes:
    return "".join(f"\\{byte:03o}" for byte in block).encode()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_signs_every_secret_alike(shell: str, tmp_path: Path) -> None:
    """All 256 bytes, `%`, backslashes and zeros among them, against HMAC as Python has it."""
    secrets = [bytes(range(start, start + 32)) for start in range(0, 256, 32)]
    secrets += [
        b"%" * 16,
        b"\\" * 64,
        bytes(16),
        b"%d%s%%\\n\\0" * 4,
        bytes(byte ^ 0x36 for byte in b"%s" * 16),
    ]
    for secret in secrets:
        text = post_receive_script(Origin("localhost"), PROJECT, Secret(secret), REPOSITORY)
        functions = text[: text.index("tell() {")]
        path = tmp_path / "signature"
        path.write_text(functions + "signature\n")
        result = subprocess.run(
            [*shell.split(), str(path)], input=b"a body", capture_output=True, timeout=20, check=True
        )
        assert result.stdout.decode().strip() == digest(secret, b"a body", sha256).hex()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_repositorys_name_is_never_run(shell: str, tmp_path: Path) -> None:
    """The attack: a name that would be a command, or the place of the secret, in the script's text."""
    for name in ("a'; touch owned; '", "$(touch owned)", "`touch owned`", "@INNER@", "%s"):
        text = post_receive_script(Origin("localhost"), PROJECT, Secret(SECRETS[PROJECT]), name)
        text = text[: text.index("tell() {")] + "printf '%s\\n' \"$repository\"\n"
        path = tmp_path / "named"
        path.write_text(text)
        result = subprocess.run(
            [*shell.split(), str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True
        )
        assert result.stdout == name + "\n"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ü", "\x1b[31m"])
def test_a_name_that_cannot_stand_in_the_script_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        post_receive_script(Origin("localhost"), PROJECT, Secret(SECRETS[PROJECT]), name)


@pytest.mark.parametrize(
    ("project", "length"), [("x", 32), ("../" + "1" * 29, 32), (PROJECT, 15), (PROJECT, 65)]
)
def test_what_is_no_project_or_no_secret(project: str, length: int) -> None:
    with pytest.raises(ValueError, match="no project's id"):
        post_receive_script(Origin("localhost"), project, Secret(bytes(length)), REPOSITORY)
