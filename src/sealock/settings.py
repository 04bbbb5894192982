"""Everything an operator can set, read once at the start and frozen.

Values come from one TOML file and from `SEALOCK_*` in the environment, which wins. A value that is
unknown or cannot be used stops the start with an error that names the file and line, or the variable:
an installation never runs on a setting somebody only believes to have made.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sealock.core.errors import ConfigError, SealockError, UsageError
from sealock.core.places import default_data_dir, default_runtime_dir, default_settings_file
from sealock.settings_server import ServerSettings
from sealock.settings_types import Branches, ExistingFile, HostAndPort, Names, Place

PREFIX = "SEALOCK_"
# Variables of ours that are no settings: where the file is, how errors are shown, and what a build's
# own commands find in their environment, since Sealock may well be run inside a build.
NOT_SETTINGS = frozenset(
    {"CONFIG", "TRACEBACK", "BUILD_ID", "COMMIT", "BRANCH", "REF", "PIPELINE", "SECRETS"}
)


class Settings(ServerSettings):
    """Every setting. The text under each says what it is, why one would change it, and its unit."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, enable_decoding=False, validate_default=False
    )

    data_dir: Place = Field(
        default_factory=default_data_dir,
        description="Where projects, receipts, keys and images are kept: the only place on a disk Sealock "
        "writes to; of a build there is its receipt and, for a project's, its sealed log. "
        "Default: /var/lib/sealock for root, else $XDG_DATA_HOME/sealock. An absolute path.",
    )
    images_dir: Place = Field(
        default_factory=lambda data: data["data_dir"] / "images",
        description="Where built images are kept, about 1 GB each; set it to put them on another disk. "
        "Default: images in data_dir. An absolute path.",
    )
    runtime_dir: Place = Field(
        default_factory=default_runtime_dir,
        description="Where sockets, templates and the memory of machines lie. It must be memory (tmpfs), "
        "since what a guest writes must never reach a disk. Default: the first of /run/sealock (root) or "
        "$XDG_RUNTIME_DIR/sealock (others) and /dev/shm/sealock-UID that is. An absolute path.",
    )
    git_allow: Names = Field(
        default=(),
        description="Git servers a build may be fetched from although their address is private or this "
        "host's own: names, addresses or ranges, such as git.example.internal or 10.1.0.0/16. Without it "
        "a project's address could make Sealock knock at services inside. Default: none.",
    )
    known_hosts: Place | None = Field(
        default=None,
        description="An OpenSSH known_hosts file with the keys of your own Git servers, so that making a "
        "project need not ask for them; a server is never trusted on first sight. Default: none. "
        "An absolute path.",
    )
    protected_branches: Branches = Field(
        default=("main", "master"),
        description="Branches that only people you trust can push to. Secrets that are for protected "
        "branches, as all are unless they were set otherwise, are released for builds of these alone. "
        "Default: main,master.",
    )
    network_allow: Names = Field(
        default=(),
        description="Names, addresses or ranges that machines may reach although they are private, such "
        "as a package mirror. Everything else private is closed to them. Default: none.",
    )
    acceleration: Literal["auto", "kvm", "tcg"] = Field(
        default="auto",
        description="How machines run: kvm (the processor's own virtualisation), tcg (software, slower, "
        "works everywhere), or auto: kvm once it has been proved on this host, else tcg. Default: auto.",
    )
    machine_user: str = Field(
        default="sealock-machine",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="The unprivileged user of this host whose group machines' processes run in; it owns "
        "nothing else. Each machine gets a user id of its own besides, from 1879048192 on, so that none "
        "can touch another. Default: sealock-machine.",
    )
    qemu: str = Field(
        default="qemu-system-x86_64",
        min_length=1,
        description="The program that runs machines: a name looked up on PATH, or an absolute path. "
        "Default: qemu-system-x86_64.",
    )
    pasta: str = Field(
        default="pasta",
        min_length=1,
        description="The program that connects machines to the network, part of passt: a name looked up "
        "on PATH, or an absolute path. Default: pasta.",
    )
    key_encryption_key: Place = Field(
        default_factory=lambda data: data["data_dir"] / "keys/key-encryption-key",
        description="The file with the key that wraps every project's key. It is made when it is missing, "
        "readable by its owner only and refused otherwise; put it where the backup of data_dir does not "
        "go. Default: keys/key-encryption-key in data_dir. An absolute path.",
    )
    key_backend: Literal["file", "passphrase", "vault", "kms"] = Field(
        default="file",
        description="What holds the key that wraps all others: the file key_encryption_key; a file under a "
        "passphrase; HashiCorp Vault's or OpenBao's transit engine; or AWS KMS. Default: file.",
    )
    key_backend_before: Literal["file", "passphrase", "vault", "kms"] | None = Field(
        default=None,
        description="What key_backend was before: its keys still open what they wrapped, until `sealock keys "
        "rotate` has moved everything. Default: none.",
    )
    key_passphrase_file: Place | None = Field(
        default=None,
        description="A file with the passphrase for key_backend passphrase, such as a systemd credential, "
        "readable by its owner only. Default: none, it is asked for at the start. An absolute path.",
    )
    vault_address: str | None = Field(
        default=None,
        pattern=r"^https://[^\s]+$",
        description="Where Vault is, for key_backend vault; only HTTPS, since keys go over it. "
        "Default: none. https://HOST:PORT.",
    )
    vault_token_file: Place | None = Field(
        default=None,
        description="A file with the token for Vault, read anew for each request so that an agent can renew "
        "it, readable by its owner only. Default: none. An absolute path.",
    )
    vault_mount: str = Field(
        default="transit",
        min_length=1,
        description="Where Vault's transit engine is mounted. Default: transit.",
    )
    vault_key: str = Field(
        default="sealock",
        min_length=1,
        description="The name of the transit engine's key. It must be there. Default: sealock.",
    )
    vault_namespace: str | None = Field(
        default=None, description="Vault's namespace, where it has any. Default: none."
    )
    vault_ca_certificate: ExistingFile | None = Field(
        default=None,
        description="A PEM file with the authority that certified Vault; no other is believed then. "
        "Default: none, those that Python trusts. An absolute path.",
    )
    kms_key: str | None = Field(
        default=None,
        description="The key for key_backend kms: the ARN of a symmetric key of AWS KMS. Default: none.",
    )
    kms_key_before: str | None = Field(
        default=None,
        description="What kms_key was before, until `sealock keys rotate` has moved everything. "
        "Default: none. An ARN.",
    )
    kms_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Where AWS KMS is reached, for a VPC endpoint of your own. "
        "Default: where the key's region says. A URL.",
    )
    keeper_dir: Place = Field(
        default_factory=lambda data: data["data_dir"] / "keeper",
        description="What the keeper alone writes: the ledger of what it released, its epoch, its signing "
        "key, and authorities.json, which says who may ask it. Default: keeper in data_dir. "
        "An absolute path.",
    )
    keeper_socket: Place = Field(
        default_factory=lambda data: data["runtime_dir"] / "keeper.sock",
        description="The Unix socket the keeper listens on, and where it is asked. "
        "Default: keeper.sock in runtime_dir. An absolute path.",
    )
    keeper_user: str = Field(
        default="",
        pattern=r"^([a-z_][a-z0-9_-]{0,31})?$",
        description="The user the keeper becomes when root starts it, so that nobody else, Sealock's other "
        "processes included, can read its keys: keeper_dir goes over to that user, and its keys move there. "
        "Default: none, the user who starts it.",
    )
    keeper_listen: HostAndPort | None = Field(
        default=None,
        description="An address and a port where the keeper is reached from other hosts as well, over TLS "
        "with certificates on both sides; needs keeper_tls_dir. Default: none, only keeper_socket. "
        "HOST:PORT.",
    )
    keeper_tls_dir: Place | None = Field(
        default=None,
        description="A directory with certificate.pem, key.pem and authority.pem for keeper_listen: the "
        "keeper's certificate and its key, and the authority that certified whoever may connect. "
        "Default: none. An absolute path.",
    )
    keeper_address: HostAndPort | None = Field(
        default=None,
        description="Where the keeper is asked, if it runs on another host: what keeper_listen is there, by "
        "a name or address that its certificate has. No keeper is started on this host then; needs "
        "keeper_client_tls_dir. Default: none, the keeper of this host. HOST:PORT.",
    )
    keeper_client_tls_dir: Place | None = Field(
        default=None,
        description="A directory with certificate.pem, key.pem and authority.pem for keeper_address: this "
        "host's certificate and its key, by which the keeper knows it, and the authority that certified the "
        "keeper. Default: none. An absolute path.",
    )
    image: str = Field(
        default="python",
        min_length=1,
        description="The image of builds that name none: a recipe's name or an image's digest. "
        "Default: python.",
    )
    image_ca_certificate: ExistingFile | None = Field(
        default=None,
        description="A PEM file with certificate authorities that images shall trust besides the usual, "
        "for a proxy or mirror of your own. Default: none. An absolute path.",
    )
    image_apt_mirror: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s\"]+$",
        description="The Debian mirror that images are built from. "
        "Default: what this host's apt uses. A URL.",
    )
    image_apt_security_mirror: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s\"]+$",
        description="The mirror of Debian's security updates that images are built from. "
        "Default: what this host's apt uses. A URL.",
    )
    image_apt_sources: ExistingFile | None = Field(
        default=None,
        description="A file in apt's deb822 format that images get in place of Debian's own sources, so that "
        "builds install packages from your own archive. Default: none. An absolute path.",
    )
    image_pip_configuration: ExistingFile | None = Field(
        default=None,
        description="A pip.conf that images get, so that builds use your own package index. "
        "Default: none. An absolute path.",
    )
    image_npm_configuration: ExistingFile | None = Field(
        default=None,
        description="An npmrc that images get, so that builds use your own package registry. "
        "Default: none. An absolute path.",
    )
    swap: Literal["refuse", "encrypted"] = Field(
        default="refuse",
        description="What to do about swap, which could write a machine's memory to a disk: refuse to "
        "start while any is on, or take your word that it is encrypted with a key made anew at each boot. "
        "Default: refuse.",
    )
    pool_size: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="How many machines are kept ready before they are asked for; each costs about 140 MB. "
        "Default: none, which is 1 for a worker whose host has 2.5 GB of memory to spare, and 0 otherwise. "
        "Machines.",
    )
    keep_template: bool = Field(
        default=True,
        description="Whether the sealed template of an image stays in runtime_dir between runs, so that "
        "the next machine starts in about a second rather than by a cold boot; costs its memory, about "
        "200 MB for each image. Default: true.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which `load` hands over as arguments."""
        return env_settings, init_settings


def settings_file() -> Path | None:
    """The file that is read: what SEALOCK_CONFIG names, else the usual place if there is one."""
    named = os.environ.get("SEALOCK_CONFIG")
    if named:
        if not Path(named).is_file():
            raise UsageError(
                f"SEALOCK_CONFIG names a file that is not there: {named}",
                resolution="Correct the path or unset the variable.",
            )
        return Path(named)
    usual = default_settings_file()
    return usual if usual.is_file() else None


def load() -> tuple[Settings, dict[str, str]]:
    """The settings, and for each where its value is from: `default`, a variable or a file's name.

    UsageError or ConfigError for what is unknown or cannot be used.
    """
    path = settings_file()
    text = _text(path) if path else ""
    values = _parse(path, text) if path else {}
    _refuse_unknown_variables(os.environ)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _explain(error, path, text) from error
    if settings.web_user and settings.web_user in ("root", settings.keeper_user):
        raise UsageError(
            f"web_user is {settings.web_user}, who has the keeper's keys",
            resolution="Make a user for the website alone: it is to have no way to them.",
        )
    return settings, {name: _origin(name, values, path) for name in Settings.model_fields}


def _origin(name: str, values: Mapping[str, Any], path: Path | None) -> str:
    if PREFIX + name.upper() in os.environ:
        return PREFIX + name.upper()
    return str(path) if name in values else "default"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The settings file {path} cannot be read", details=str(error)) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (len(text.splitlines()) or 1, 1)
        message = str(error)[: place.start()] if place else str(error)
        raise ConfigError(str(path), line, column, message, resolution="Correct the TOML there.") from error


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in (*Settings.model_fields, *NOT_SETTINGS)}
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise UsageError(f"{name} in the environment is no setting", resolution=_nearest(name, known))


def _nearest(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name.upper() if name.isupper() else name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    return hint + "`sealock settings show` lists every setting."


def _explain(error: ValidationError, path: Path | None, text: str) -> SealockError:
    """The first mistake, told with the place it was made in."""
    first = next(item for item in error.errors() if item["type"] != "default_factory_not_called")
    name = str(first["loc"][0])
    unknown = first["type"] == "extra_forbidden"
    message = f"{name} is no setting" if unknown else f"{name}: {first['msg'].removeprefix('Value error, ')}"
    resolution = _nearest(name, set(Settings.model_fields)) if unknown else _described(name)
    variable = PREFIX + name.upper()
    if path and variable not in os.environ:
        return ConfigError(str(path), _line_of(name, text), 1, message, resolution=resolution)
    return UsageError(f"{variable} in the environment: {message}", resolution=resolution)


def _described(name: str) -> str:
    return Settings.model_fields[name].description or ""


def _line_of(name: str, text: str) -> int:
    """The line a key stands on; the first if it cannot be told."""
    pattern = re.compile(rf"""^\s*\[*["']?{re.escape(name)}["']?\s*[=.\]]""")
    return next((n for n, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)
