"""What the help of each command has beside its own text: an example, and a line for lists that fits.

They stand together, in the order of the help, so that whoever adds a command sees how the others sound. What
a value is called is decided here too, by its kind, where a command has no better name for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import click


class Words(NamedTuple):
    """example: the command as it is typed. summary: for lists; `` for the first sentence of its text."""

    example: str
    summary: str = ""


HELP: Mapping[str, Words] = {
    "run": Words("sealock run --pipeline unit"),
    "lint": Words("sealock lint sealock.yml"),
    "login": Words("sealock login https://ci.example.com"),
    "logout": Words("sealock logout"),
    "whoami": Words("sealock whoami"),
    "projects list": Words("sealock projects list"),
    "projects show": Words("sealock projects show shop"),
    "projects add": Words(
        "sealock projects add shop git@git.example.com:team/shop.git",
        "Add a project, with an SSH key of its own.",
    ),
    "projects settings": Words(
        "sealock projects settings shop --protected main,release", "Show or change the settings of PROJECT."
    ),
    "projects key": Words("sealock projects key shop", "Print the public half of PROJECT's key."),
    "projects reset-key": Words("sealock projects reset-key shop"),
    "projects hook": Words(
        "sealock projects hook shop --script > post-receive",
        "Print what a Git server needs to tell of pushes.",
    ),
    "projects remove": Words(
        "sealock projects remove shop", "Destroy PROJECT with its keys, builds and logs."
    ),
    "builds list": Words("sealock builds list --project shop --outcome red"),
    "builds show": Words("sealock builds show shop#12", "What is known of BUILD, with its steps."),
    "builds start": Words("sealock builds start shop --ref main --watch"),
    "watch": Words("git push && sealock watch shop --commit $(git rev-parse HEAD)"),
    "logs show": Words("sealock logs shop#12 --failed", "Print what BUILD printed: `sealock logs BUILD`."),
    "logs remove": Words("sealock logs remove shop#12"),
    "receipt show": Words("sealock receipt show shop#12"),
    "receipt verify": Words("sealock receipt verify shop#12", "Check a receipt, here and offline."),
    "receipt key": Words("sealock receipt key > installation.pub", "Print this installation's public key."),
    "rerun": Words("sealock rerun shop#12 --failed --watch"),
    "cancel": Words("sealock cancel shop"),
    "secrets set": Words("sealock secrets set shop API_TOKEN < token", "Keep a new version of a secret."),
    "secrets list": Words("sealock secrets list shop", "The secrets of PROJECT: names and versions."),
    "secrets history": Words(
        "sealock secrets history shop API_TOKEN", "Every version there ever was of a secret."
    ),
    "secrets remove": Words(
        "sealock secrets remove shop API_TOKEN --version 2", "Destroy a secret, or one version."
    ),
    "secrets exposures": Words("sealock secrets exposures shop#12", "List which secrets BUILD was given."),
    "workers list": Words("sealock workers list"),
    "workers add": Words(
        "sealock workers add builder-1 > token", "Add a worker, and print the token it joins with."
    ),
    "workers invite": Words(
        "sealock workers invite builder-1 > token", "Print a new token for WORKER to join with."
    ),
    "workers drain": Words("sealock workers drain builder-1", "Have WORKER take nothing new."),
    "workers remove": Words(
        "sealock workers remove builder-1", "Remove WORKER; its certificate opens nothing."
    ),
    "up": Words("sudo sealock up"),
    "web": Words("sealock web"),
    "worker": Words(
        "sealock worker --server https://ci.example.com:8444 --state /var/lib/sealock-worker --join token"
    ),
    "authority": Words("sealock authority --fingerprint"),
    "keeper": Words("sealock keeper"),
    "keeper status": Words("sealock keeper status", "Ask the keeper how it is."),
    "keeper introduce": Words(
        "sealock keeper introduce website-1", "Print how a keeper elsewhere knows this host."
    ),
    "keeper workers": Words("sealock keeper workers", "Whom the keeper makes leases for."),
    "keeper workers admit": Words(
        f"sealock keeper workers admit builder-1 {'9c' * 32}", "Have the keeper know a worker."
    ),
    "keeper workers remove": Words("sealock keeper workers remove builder-1", "Have it know one no more."),
    "keeper end-all": Words("sealock keeper end-all"),
    "settings show": Words("sealock settings show"),
    "settings check": Words("sealock settings check"),
    "keys status": Words("sealock keys status", "Which keys there are, and whether they work."),
    "keys rotate": Words("sealock keys rotate", "Give everything new keys."),
    "keys export": Words("sealock keys export keys.backup", "Write an encrypted backup of all keys to FILE."),
    "keys restore": Words("sealock keys restore keys.backup", "Bring back missing keys from FILE."),
    "keys passphrase": Words("sealock keys passphrase", "Put the keys under another passphrase."),
    "backup": Words("sealock backup server.backup"),
    "restore": Words("sealock restore server.backup"),
    "project list": Words("sealock project list"),
    "project show": Words("sealock project show shop"),
    "project add": Words("sealock project add shop git@github.com:team/shop.git"),
    "project key": Words("sealock project key shop", "Print the public half of PROJECT's key."),
    "project reset-key": Words("sealock project reset-key shop"),
    "project remove": Words("sealock project remove shop", "Forget PROJECT, its keys, secrets and logs."),
    "image build": Words("sealock image build python", "Build an image from a recipe."),
    "image list": Words("sealock image list"),
    "image show": Words("sealock image show python", "What is in IMAGE."),
    "image remove": Words("sealock image remove baf95b57b20d", "Delete images from this host."),
    "machines": Words("sealock machines"),
    "machines reap": Words("sealock machines reap"),
    "completion": Words('eval "$(sealock completion bash)"'),
}


def with_words(command: click.Command, path: str) -> click.Command:
    """The command, and those below it, with all that. path: its name, without `sealock`."""
    words = HELP.get(path)
    if words is not None:
        command.epilog = f"\b\nExample:\n  {words.example}"
        command.short_help = words.summary or command.short_help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.is_flag and parameter.metavar is None:
            parameter.metavar = _value(parameter)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            with_words(below, f"{path} {name}")
    return command


def _value(option: click.Option) -> str | None:
    """What its value is called; None where the choices say it."""
    if isinstance(option.type, click.types.IntParamType):
        return "N"
    if isinstance(option.type, click.Path):
        return "FILE" if option.type.file_okay else "DIRECTORY"
    if isinstance(option.type, click.Choice):
        return None
    return (option.name or "").upper()
