"""Settings are read once, from a file and the environment, and a slip stops the start with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from sealock import settings
from sealock.core.errors import ConfigError, UsageError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SEALOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(settings, "settings_file", lambda: None)


def from_file(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sealock.toml"
    path.write_text(text)
    monkeypatch.setattr(settings, "settings_file", lambda: path)
    return path


def test_every_setting_has_a_default_and_says_so() -> None:
    values, sources = settings.load()
    assert values.image == "python"
    assert values.images_dir == values.data_dir / "images"
    assert set(sources.values()) == {"default"}
    for field in settings.Settings.model_fields.values():
        assert "Default: " in (field.description or "")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = from_file('image = "base"\nqemu = "/opt/qemu"\n', tmp_path, monkeypatch)
    monkeypatch.setenv("SEALOCK_IMAGE", "node")
    values, sources = settings.load()
    assert (values.image, values.qemu) == ("node", "/opt/qemu")
    assert (sources["image"], sources["qemu"], sources["pasta"]) == ("SEALOCK_IMAGE", str(path), "default")


def test_a_list_in_the_environment_is_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALOCK_NETWORK_ALLOW", "mirror.example, 10.1.0.0/16,fd00::/8")
    assert settings.load()[0].network_allow == ("mirror.example", "10.1.0.0/16", "fd00::/8")


def test_settings_are_frozen() -> None:
    values, _ = settings.load()
    with pytest.raises(ValidationError):
        setattr(values, "image", "other")  # noqa: B010 - the type checker must not see it


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('# mine\nimge = "x"\n', 2, "imge is no setting"),
        ('image = "x"\n\ndata_dir = "relative"\n', 3, "data_dir: must be an absolute path"),
        ("pool_size = -1\n", 1, "pool_size: "),
        ('pool_size = "many"\n', 1, "pool_size: "),
        ('network_allow = ["10.0.0.1/8"]\n', 1, "network_allow: "),
        ('git_allow = ["a b"]\n', 1, "git_allow: "),
        ('acceleration = "warp"\n', 1, "acceleration: "),
        ('swap = "yes"\n', 1, "swap: "),
        ('image_ca_certificate = "/not/there.pem"\n', 1, "image_ca_certificate: there is no such file"),
        ('[images]\nx = "y"\n', 1, "images is no setting"),
        ('image = "a"\nimage = "b"\n', 2, "Cannot overwrite a value"),
        ("image = \n", 1, "Invalid value"),
    ],
)
def test_a_slip_in_the_file_is_told_with_its_line(
    text: str, line: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = from_file(text, tmp_path, monkeypatch)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.brief.startswith(f"{path}:{line}:")
    assert says in caught.value.brief
    assert caught.value.resolution


def test_a_misspelt_name_gets_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_file('acelleration = "kvm"\n', tmp_path, monkeypatch)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert "Did you mean acceleration?" in caught.value.resolution


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALOCK_ACELERATION", "kvm")
    with pytest.raises(UsageError, match="SEALOCK_ACELERATION in the environment") as caught:
        settings.load()
    assert "Did you mean SEALOCK_ACCELERATION?" in caught.value.resolution


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALOCK_KEEP_TEMPLATE", "blue")
    with pytest.raises(UsageError, match="SEALOCK_KEEP_TEMPLATE in the environment: keep_template"):
        settings.load()


def test_what_a_build_sets_in_its_own_environment_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.NOT_SETTINGS:
        monkeypatch.setenv(f"SEALOCK_{name}", "x")
    settings.load()


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("SEALOCK_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="SEALOCK_CONFIG names a file that is not there"):
        settings.settings_file()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = from_file("", tmp_path, monkeypatch)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        settings.load()
