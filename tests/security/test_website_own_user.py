"""A website that root starts and that becomes a user of its own: what goes over to it, and what never."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import memory
from tests.support.own_users import WEBSITE, WEBSITE_ID, as_user, libraries, python_for_all

pytestmark = pytest.mark.slow

BECOME = """
import os
from sealock.core.errors import SealockError
from sealock.settings import load
from sealock.website_user import WebsiteUser, trust_website_user
settings = load()[0]
trust_website_user(settings)
try:
    print(WebsiteUser(settings).become())
except SealockError as error:
    print(error.brief, error.details, error.resolution, sep="\\n")
    raise SystemExit(1)
print(os.getresuid(), os.getgroups())
try:
    os.setuid(0)
except PermissionError:
    print("there is no way back")
"""

KEEPER = """
from sealock.wiring import Wiring
Wiring().keeper().run(print, attended=True)
"""
"""It ends when its standard input does, which is at once."""

WRITE = """
import sys
from pathlib import Path
from sealock.core.files import create_secret_file, make_private_directory, read_secret_file
from sealock.core.files import trust, write_whole
place = Path(sys.argv[1])
if sys.argv[2:] == ["trusting"]:
    trust(place.stat().st_uid)
make_private_directory(place / "inner")
write_whole(place / "inner" / "whole", b"by root")
create_secret_file(place / "inner" / "secret", b"by root")
print(read_secret_file(place / "inner" / "secret", longest=10))
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with memory() as made:
        made.chmod(0o711)
        for name in ("data", "data/keys"):
            (made / name).mkdir(mode=0o700)
        yield made


def run(code: str, *arguments: str, **settings: str) -> tuple[int, list[str]]:
    """Exit code and lines of it, as root."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")}
    done = subprocess.run(
        [python_for_all(), "-c", code, *arguments],
        env=kept | settings | {"PYTHONPATH": libraries()},
        input="",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.splitlines()


def become(directory: Path, **more: str) -> tuple[int, list[str]]:
    own = {
        "SEALOCK_DATA_DIR": f"{directory}/data",
        "SEALOCK_RUNTIME_DIR": f"{directory}/run",
        "SEALOCK_WEB_USER": WEBSITE,
    }
    return run(BECOME, **own | more)


def owners(place: Path) -> set[int]:
    return {path.lstat().st_uid for path in (place, *place.rglob("*"))}


def test_it_is_that_user_for_good_and_has_its_directories(directory: Path) -> None:
    data = directory / "data"
    (data / "owner-key").write_text("the owner's")
    (data / "images").mkdir(mode=0o755)
    for _ in range(2):
        assert become(directory) == (
            0,
            [
                f"user: {WEBSITE}, the website's own; only root is not kept out",
                f"({WEBSITE_ID}, {WEBSITE_ID}, {WEBSITE_ID}) []",
                "there is no way back",
            ],
        )
    for name in ("website", "keys", "logs", "sealed", "authority"):
        assert owners(data / name) == {WEBSITE_ID}
    assert (data / "owner-key").stat().st_uid == data.stat().st_uid == 0
    for place in (data, data / "images"):
        assert b"Permission denied" in as_user(["ls", str(place)]).stderr
    assert b"Permission denied" in as_user(["touch", str(data / "new")]).stderr


def test_links_its_user_planted_do_not_get_it_what_is_roots(directory: Path) -> None:
    become(directory)
    roots, place = directory / "roots", directory / "data" / "logs"
    roots.mkdir()
    (roots / "file").write_text("root's")
    os.link(roots / "file", place / "hard")
    (place / "soft").symlink_to(roots / "file")
    (place / "way").symlink_to(roots)
    (place / "restored").write_text("by root, for the website")
    assert become(directory)[0] == 0
    assert owners(roots) == {0}
    assert (place / "restored").stat().st_uid == WEBSITE_ID


def test_the_keepers_keys_never_go_over(directory: Path) -> None:
    keys = directory / "data" / "keys"
    (keys / "key-encryption-key").write_bytes(bytes(32))
    (keys / "sets").mkdir()
    code, said = become(directory)
    assert code == 1
    assert said[0] == f"{keys} cannot go over to the website's user"
    assert "key-encryption-key, sets" in said[1]
    assert owners(directory / "data") == {0}


def test_a_keeper_that_stays_root_takes_its_keys_out_of_the_way_first(directory: Path) -> None:
    data = directory / "data"
    (data / "keys" / "key-encryption-key").write_bytes(bytes(32))
    (data / "keys" / "key-encryption-key").chmod(0o400)
    code, said = run(KEEPER, SEALOCK_DATA_DIR=f"{data}", SEALOCK_RUNTIME_DIR=f"{directory}/run")
    assert code == 0, said
    assert (data / "keys" / "key-encryption-key").exists(), "there is no need"
    code, said = run(
        KEEPER,
        SEALOCK_DATA_DIR=f"{data}",
        SEALOCK_RUNTIME_DIR=f"{directory}/run",
        SEALOCK_WEB_USER=WEBSITE,
    )
    assert code == 0, said
    assert become(directory)[0] == 0
    assert [path.name for path in (data / "keys").iterdir()] == ["session-key"]
    assert owners(data / "keeper") == {0}
    key = data / "keeper" / "keys" / "key-encryption-key"
    assert key.read_bytes() == bytes(32)
    assert b"Permission denied" in as_user(["cat", str(key)]).stderr
    assert b"Permission denied" in as_user(["ls", str(data / "keeper")]).stderr


def test_what_it_cannot_read_is_named(directory: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (directory / name).write_text(name)
        (directory / name).chmod(0o600)
    (directory / "chain.pem").chmod(0o644)
    settings = {
        "SEALOCK_CERTIFICATE": f"{directory}/chain.pem",
        "SEALOCK_CERTIFICATE_KEY": f"{directory}/key.pem",
    }
    code, said = become(directory, **settings)
    assert (code, said[1]) == (1, f"It may not read {directory}/key.pem.")
    directory.chmod(0o700)
    code, said = become(directory)
    assert (code, said[1]) == (1, f"It may not pass through {directory}.")


def test_a_user_that_is_not_there_is_to_be_made(directory: Path) -> None:
    code, said = become(directory, SEALOCK_WEB_USER="sealock-nobody-made")
    assert code == 1
    assert "useradd --system --no-create-home --shell /usr/sbin/nologin sealock-nobody-made" in "\n".join(
        said
    )


@pytest.mark.parametrize("other", [{"SEALOCK_WEB_USER": "root"}, {"SEALOCK_KEEPER_USER": WEBSITE}])
def test_no_user_has_both(directory: Path, other: dict[str, str]) -> None:
    code, said = become(directory, **other)
    assert code == 1
    assert "who has the keeper's keys" in "\n".join(said)


def test_what_root_writes_in_its_directories_is_that_users(directory: Path) -> None:
    place = directory / "theirs"
    place.mkdir(mode=0o700)
    os.chown(place, WEBSITE_ID, WEBSITE_ID)
    assert run(WRITE, str(place), "trusting") == (0, ["b'by root'"])
    assert owners(place / "inner") == {WEBSITE_ID}
    # In a stranger's directory root writes and reads no key.
    code, said = run(WRITE, str(place))
    assert code == 1
    assert f"{place}/inner can be changed by somebody else" in "\n".join(said)
