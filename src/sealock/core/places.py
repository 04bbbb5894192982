"""Where an installation keeps its things when nobody says otherwise, by who runs it."""

from __future__ import annotations

import os
from pathlib import Path

from sealock.core.mounts import is_on_tmpfs


def default_data_dir() -> Path:
    """/var/lib/sealock for root, else the user's own data directory."""
    if os.geteuid() == 0:
        return Path("/var/lib/sealock")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "sealock"


def default_runtime_dir() -> Path:
    """The first of the usual places that is memory. PermanentError is the preflight's to raise: where
    none is, the first is returned and refused there."""
    places = [Path("/run/sealock"), Path(f"/dev/shm/sealock-{os.geteuid()}")]  # noqa: S108 - memory, 0700
    if os.geteuid() != 0:
        session = os.environ.get("XDG_RUNTIME_DIR")
        places[:1] = [Path(session) / "sealock"] if session else []
    return next((place for place in places if is_on_tmpfs(place)), places[0])


def default_settings_file() -> Path:
    """/etc/sealock/sealock.toml for root, else in the user's own configuration directory."""
    if os.geteuid() == 0:
        return Path("/etc/sealock/sealock.toml")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sealock/sealock.toml"
