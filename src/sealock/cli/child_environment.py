"""What each program that `sealock up` starts finds in its environment: what it needs, and nothing else.

A worker runs machines that strangers' code is in, and is the part that would be taken over first. The whole
environment would give it the database's password, or what opens the keys in the cloud. So each part has a
list; a test holds that every setting is on one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "SEALOCK_"

HOST = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
        *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
        *("LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME", "LC_COLLATE", "LC_NUMERIC"),
    }
)
"""Variables of the host that any program may read: where things are, and in which language."""

CLOUD = ("AWS_",)
"""What variables begin with by which a library finds its way into the cloud, and the keys that are there."""

PROXIES = frozenset({"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"})
"""How a program gets out of a closed network. The keeper's, whose keys may be in a cloud or a Vault."""

EVERYBODY = frozenset({"config", "traceback", "data_dir", "runtime_dir"})
"""Settings, as are the sets below; and two variables of ours that are none."""

KEEPER = frozenset(
    {
        *("keeper_dir", "keeper_socket", "keeper_user", "keeper_listen", "keeper_tls_dir", "keeper_address"),
        *("key_encryption_key", "key_backend", "key_backend_before", "key_passphrase_file"),
        *("vault_address", "vault_token_file", "vault_mount", "vault_key", "vault_namespace"),
        *("vault_ca_certificate", "kms_key", "kms_key_before", "kms_endpoint", "web_user"),
    }
)

WEBSITE = frozenset(
    {
        *("origin", "listen", "http_listen", "worker_listen", "certificate", "certificate_key"),
        *("database", "redis", "redis_ca_certificate", "keep_logs", "website_away"),
        *("known_hosts", "protected_branches", "web_user"),
        *("keeper_dir", "keeper_socket", "keeper_user", "keeper_address", "keeper_client_tls_dir"),
    }
)

WORKER = frozenset(
    {
        *("images_dir", "image", "image_ca_certificate", "image_apt_sources"),
        *("image_pip_configuration", "image_npm_configuration"),
        *("git_allow", "network_allow", "acceleration", "machine_user", "qemu", "pasta"),
        *("swap", "pool_size", "keep_template"),
    }
)

NO_CHILD = frozenset({"image_apt_mirror", "image_apt_security_mirror"})
"""Settings of what `sealock up` does by itself: it builds the first image."""

SETTINGS: Mapping[str, frozenset[str]] = {"keeper": KEEPER, "website": WEBSITE, "worker": WORKER}


def environment_of(child: str, ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of that child: `keeper`, `website` or `worker`. ours: of this process."""
    settings = SETTINGS[child] | EVERYBODY
    begins, host = (CLOUD, HOST | PROXIES) if child == "keeper" else ((), HOST)
    return {
        name: value
        for name, value in ours.items()
        if name in host
        or name.startswith(begins)
        or (name.upper().startswith(PREFIX) and name[len(PREFIX) :].lower() in settings)
    }
