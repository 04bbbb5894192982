"""The settings of the server: where it is reached, what it shows there, where it keeps what it knows."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from sealock.core.log_retention import DEFAULT_DAYS
from sealock.settings_types import ExistingFile, HostAndPort, KeptDays


class ServerSettings(BaseSettings):
    """Of `sealock web`, `sealock worker` and `sealock up`."""

    origin: str = Field(
        default="https://localhost:8443",
        pattern=r"^https://[^\s/]+/?$",
        description="The address people and Git servers reach the website by; links and redirects name it, "
        "and a request for any other host is refused. Default: https://localhost:8443. https://HOST or "
        "https://HOST:PORT.",
    )
    listen: HostAndPort = Field(
        default="127.0.0.1:8443",
        description="The address and port the website listens on, over HTTPS. 0.0.0.0 stands for all of this "
        "host's. Default: 127.0.0.1:8443. HOST:PORT.",
    )
    http_listen: HostAndPort | None = Field(
        default=None,
        description="An address and port for plain HTTP, where every request is answered with a redirect to "
        "origin and nothing else. Default: none. HOST:PORT.",
    )
    worker_listen: HostAndPort = Field(
        default="127.0.0.1:8444",
        description="The address and port where workers are spoken to, over TLS with certificates on both "
        "sides. Open it to the hosts of your workers alone. Default: 127.0.0.1:8444. HOST:PORT.",
    )
    certificate: ExistingFile | None = Field(
        default=None,
        description="The website's certificate, PEM, the authorities between it and a known one behind it; "
        "needs certificate_key. It is looked at anew twice a day. Default: none, one of the installation's "
        "own authority, which `sealock authority` prints. An absolute path.",
    )
    certificate_key: ExistingFile | None = Field(
        default=None,
        description="The private key of certificate, PEM, readable by its owner only, or root's and readable "
        "by a group too. Default: none. An absolute path.",
    )
    database: SecretStr | None = Field(
        default=None,
        description="Where the server keeps accounts, projects, builds and the queue. On another host it is "
        "reached over verified TLS alone. Default: the file server.db in data_dir, in `website` there with "
        "web_user. sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    web_user: str = Field(
        default="",
        pattern=r"^([a-z_][a-z0-9_-]{0,31})?$",
        description="The user the website becomes when root starts it, so that it owns nothing but its own "
        "things: the database's file, logs, sealed values, its authority and its keys go over to that user. "
        "Default: none, the user who starts it.",
    )
    keep_logs: KeptDays = Field(
        default=DEFAULT_DAYS,
        description="For how many days after a build's end the server keeps its log; then it is destroyed, "
        "its key first. A project's own settings may shorten that. 0 or forever: it is kept until somebody "
        "removes it. Default: 30. Days.",
    )
    website_away: float = Field(
        default=600.0,
        ge=0,
        le=3600,
        description="For how long a worker that cannot reach the website goes on with its builds, so that "
        "an upgrade or a move of the website costs none. What is built one at a time is given to nobody else "
        "for as long; anything else may meanwhile run a second time, and one end is taken. Default: 600. "
        "Seconds, up to 3600.",
    )
    redis: SecretStr | None = Field(
        default=None,
        description="A Redis or Valkey that several websites share, for wake-ups and rate limits; nothing is "
        "only there. Needs the extra `redis`; on another host over TLS alone. Default: none. "
        "rediss://USER:PASSWORD@HOST:PORT.",
    )
    redis_ca_certificate: ExistingFile | None = Field(
        default=None,
        description="A PEM file with the authority that certified redis; no other is believed then. "
        "Default: none, those that this host trusts. An absolute path.",
    )
