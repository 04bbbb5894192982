"""Runs uv so that it fetches from where the user's pip is told to fetch from.

pip's configuration (files and PIP_* variables, merged by pip itself) is put into the variables uv reads.
Whatever UV_* variable the user has set stays. Standard library only: this runs before anything is
installed, on the Python of `.venv/uv`, which has pip and uv and nothing else.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

SAME_MEANING = {
    # pip's option: the variable(s) with which uv, or the libraries under it, are told the same.
    "index-url": ("UV_DEFAULT_INDEX",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "keyring-provider": ("UV_KEYRING_PROVIDER",),
}


def parse(listing: str) -> dict[str, str]:
    """What `pip config list` printed, as option to value; the environment wins over a command's own
    section, that over `global`."""
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in rank and rank[section] >= found.get(option, (0, ""))[0]:
            found[option] = (rank[section], str(ast.literal_eval(value)))
    return {option: value for option, (_, value) in found.items()}


def _reachable(location: str) -> bool:
    """Whether a local directory is there. pip passes over one that is not; uv would stop."""
    if "://" in location and not location.startswith("file:"):
        return True
    return Path(unquote(urlsplit(location).path)).exists()


def translate(options: Mapping[str, str]) -> dict[str, str]:
    """pip's options as variables for uv."""
    variables = {
        name: " ".join(options[option].split())
        for option, names in SAME_MEANING.items()
        if option in options
        for name in names
    }
    if extra := options.get("extra-index-url", "").split():
        variables["UV_INDEX"] = " ".join(extra)
        # pip takes the best version from all indexes alike; the lock's hashes decide what is accepted.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if links := [place for place in options.get("find-links", "").split() if _reachable(place)]:
        variables["UV_FIND_LINKS"] = ",".join(links)
    if options.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        variables["UV_NO_INDEX"] = "1"
    return variables


def main() -> None:
    """Become uv, with the arguments given."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    uv = Path(sys.executable).parent / "uv"
    variables = {**translate(parse(listing)), **os.environ}
    os.execve(uv, ["uv", *sys.argv[1:]], variables)  # noqa: S606 - a list, and no shell


if __name__ == "__main__":
    main()
