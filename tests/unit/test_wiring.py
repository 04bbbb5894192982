"""The wiring makes what commands ask for, out of the settings, and makes nothing that was not asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealock.core.errors import ConfigError, UsageError
from sealock.core.lease import KeeperAway
from sealock.core.sealed import Owner
from sealock.core.source import GitAddress
from sealock.serving import Serving
from sealock.wiring import Wiring
from tests.support.keeper import ORIGIN


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wiring:
    for name in [name for name in os.environ if name.startswith("SEALOCK_")]:
        monkeypatch.delenv(name)
    (tmp_path / "sealock.toml").write_text(
        f'data_dir = "{tmp_path}/data"\nruntime_dir = "{tmp_path}/run"\n'
        'network_allow = ["a.example", "10.0.0.0/8"]\nimage = "node"\n'
    )
    monkeypatch.setenv("SEALOCK_CONFIG", str(tmp_path / "sealock.toml"))
    return Wiring()


def test_settings_are_shown_as_they_would_be_written_in_the_environment(wiring: Wiring) -> None:
    rows = {row.name: row for row in wiring.settings()}
    assert rows["network_allow"].value == "a.example,10.0.0.0/8"
    assert rows["network_allow"].source.endswith("sealock.toml")
    assert (rows["known_hosts"].value, rows["known_hosts"].source) == ("", "default")


def test_asking_for_what_reads_makes_nothing(wiring: Wiring, tmp_path: Path) -> None:
    assert wiring.images().all() == []
    assert wiring.projects().all() == []
    assert wiring.receipts_directory() == tmp_path / "data/receipts"
    wiring.verifier()
    assert not (tmp_path / "data").exists()


def test_keys_are_made_when_they_are_first_needed(wiring: Wiring, tmp_path: Path) -> None:
    public, sealed = wiring.sealer().new_key("0" * 32, 1, "name", ORIGIN)
    assert public.startswith("ssh-ed25519 ")
    assert sealed.version == 1
    assert (tmp_path / "data/keys/key-encryption-key").stat().st_mode & 0o777 == 0o400
    assert wiring.installation_public_key().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert wiring.installation_public_key() == Wiring().installation_public_key()


def test_addresses_and_host_keys_are_checked(wiring: Wiring) -> None:
    assert wiring.git_address("git@github.com:a/b.git") == GitAddress("git", "github.com", 22, "a/b.git")
    assert wiring.host_keys("github.com", 22, ())
    with pytest.raises(UsageError):
        wiring.git_address("ext::sh -c id")
    with pytest.raises(UsageError):
        wiring.host_keys("github.com", 22, ("no key",))


def test_a_broken_settings_file_stops_whatever_is_asked_for(
    tmp_path: Path, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sealock.toml").write_text("nonsense = 1\n")
    for ask in (wiring.settings, wiring.images, wiring.projects, wiring.sealer, wiring.reaper):
        with pytest.raises(ConfigError, match="nonsense is no setting"):
            ask()


def test_additions_to_images_are_read_from_their_files(
    tmp_path: Path, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\n")
    monkeypatch.setenv("SEALOCK_IMAGE_PIP_CONFIGURATION", str(tmp_path / "pip.conf"))
    assert wiring._additions().pip_conf == "[global]\n"
    (tmp_path / "ca.pem").write_text("nothing in here\n")
    monkeypatch.setenv("SEALOCK_IMAGE_CA_CERTIFICATE", str(tmp_path / "ca.pem"))
    with pytest.raises(UsageError, match="holds no PEM certificate"):
        Wiring().images()


def test_a_plan_without_an_image_gets_the_installations(wiring: Wiring) -> None:
    ports = wiring._run_ports(None, wiring.images(), wiring._attended())  # type: ignore[arg-type]
    assert ports.read_plan(b"test:\n  a: [x]\n").image == "node"
    assert ports.read_plan(b"image: base\ntest:\n  a: [x]\n").image == "base"
    assert ports.read_plan(b"test:\n  a: [x]\n", image="other").image == "other"


def test_the_machines_get_the_operators_decisions(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALOCK_SWAP", "encrypted")
    monkeypatch.setenv("SEALOCK_POOL_SIZE", "2")
    options = wiring._machine_options()
    assert options.swap_is_encrypted
    assert options.pool_size == 2
    assert options.network_allow == ("a.example", "10.0.0.0/8")


def test_the_server_starts_no_keeper_where_none_runs(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("asyncio.create_subprocess_exec", started)
    server = wiring.server()
    assert isinstance(server, Serving)
    with pytest.raises(KeeperAway):
        server.installation.keys.destroy(Owner("local", "0" * 32))
