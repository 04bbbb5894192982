"""The command line's door: finds the command, and turns every error into words and an exit code.

Commands are imported when they are called, so that `sealock --help` and completion stay quick however
heavy the libraries under a command are.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sealock import __version__
from sealock.cli.errors import tell
from sealock.cli.help_words import with_words
from sealock.cli.saying import lead_nowhere
from sealock.core.errors import ExitCode, SealockError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sealock.cli.tools import Tools

INTERRUPTED = 130

# For each section of the help, name: the module that holds it, and its line; so the help needs no import.
SECTIONS = {
    "Build on this host": {
        "run": ("sealock.cli.run", "Build a directory or repository in a new machine."),
        "lint": ("sealock.cli.lint", "Check a sealock.yml, without a server."),
        "project": ("sealock.cli.project", "This host's own projects, for `sealock run`."),
        "image": ("sealock.cli.image", "What machines start from: build, list, show, remove."),
        "machines": ("sealock.cli.machines", "Machines on this host, and what crashed runs left."),
    },
    "Use a server": {
        "login": ("sealock.cli.login", "Sign in to a server; commands act on it from then on."),
        "logout": ("sealock.cli.logout", "Revoke this host's token at the server and forget it."),
        "whoami": ("sealock.cli.whoami", "The server that commands act on, and as whom."),
        "projects": ("sealock.cli.projects", "The server's projects: add, settings, keys, hooks."),
        "builds": ("sealock.cli.builds", "The server's builds: list, show, start."),
        "watch": ("sealock.cli.watch", "Watch a build, live."),
        "rerun": ("sealock.cli.rerun", "Build a commit again, or only what failed."),
        "cancel": ("sealock.cli.cancel", "Cancel a build."),
        "workers": ("sealock.cli.workers", "The server's workers: hosts that builds run on."),
    },
    "Of a server's builds once signed in, else of this host's": {
        "logs": ("sealock.cli.logs", "What a build printed, out of its sealed log."),
        "receipt": ("sealock.cli.receipt", "Show and verify a build's signed receipt."),
        "secrets": ("sealock.cli.secrets", "Secrets of projects, and which build had them."),
    },
    "Run a server": {
        "up": ("sealock.cli.up", "Start the whole server on this host."),
        "web": ("sealock.cli.web", "The website alone: pages, API, hooks, workers' door."),
        "worker": ("sealock.cli.worker", "Take builds from a website and run them here."),
        "keeper": ("sealock.cli.keeper", "The one process that opens what is sealed."),
        "settings": ("sealock.cli.settings", "Show and check this installation's settings."),
        "authority": ("sealock.cli.authority", "The certificate of its own authority."),
        "keys": ("sealock.cli.keys", "What all is sealed under: status, rotation, backup."),
        "backup": ("sealock.cli.backup", "Write what the server keeps to one file, without a key."),
        "restore": ("sealock.cli.backup", "Bring back what a backup holds."),
    },
    "This command line": {
        "completion": ("sealock.cli.completion", "Completion of commands for a shell."),
    },
}
COMMANDS = {name: told for section in SECTIONS.values() for name, told in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `NAME` of module `sealock.cli.NAME`."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return with_words(command, cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names out of the table: whoever presses a key does not wait for imports."""
        named = [(name, text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in named] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands' sections of the help, out of the table."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<10}", text) for name, (_, text) in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sealock")
def sealock() -> None:
    """CI that forgets your code: each build in a new virtual machine, in RAM, with a signed receipt.

    \b
    Build what lies here:       sealock run
    Use a server:               sealock login https://HOST
    Run a server on this host:  sudo sealock up

    `sealock COMMAND --help` says more of a command, with an example.

    Exit codes: 0 green, 1 the build failed, 2 wrong usage, 3 a fault of Sealock or its host, 130 stopped by
    Ctrl-C.
    """


def run_command_line(tools: Tools, arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Nothing but exit codes and text leaves here."""
    try:
        result = _called(tools, arguments)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort) as error:
        _close_line(error)
        return INTERRUPTED
    except SealockError as error:
        tell(error)
        return error.exit_code
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # the last door: the reader gets words, not a stack
        return _unexpected(error)
    return result if isinstance(result, int) else ExitCode.GREEN


def _close_line(error: BaseException) -> None:
    """End the line of a question that got no answer: what the shell says next is not to stand on it. Where no
    question was open, click has ended the line, and says what the error comes from."""
    if isinstance(error, click.Abort) and error.__cause__ is None and error.__context__ is not None:
        click.echo(err=True)


def _called(tools: Tools, arguments: Sequence[str] | None) -> object:
    """What the command returns. BrokenPipeError if who reads it has ended: click would end us there, with a
    code that says that a build failed, and leaves another standard output behind."""
    args, output = None if arguments is None else list(arguments), sys.stdout
    try:
        return sealock.main(args=args, prog_name="sealock", obj=tools, standalone_mode=False)
    except SystemExit:
        if sys.stdout is output:
            raise
        raise BrokenPipeError from None


def _reader_gone() -> int:
    """The program our output was piped into has ended; the interpreter must not say so again."""
    lead_nowhere(sys.stdout.fileno())
    return ExitCode.INFRASTRUCTURE


def _unexpected(error: Exception) -> int:
    if os.environ.get("SEALOCK_TRACEBACK"):
        traceback.print_exception(error)
    else:
        click.secho(f"Error: {type(error).__name__}: {error}", fg="red", bold=True, err=True)
        click.echo("This is a fault of Sealock. SEALOCK_TRACEBACK=1 shows where it happened.", err=True)
    return ExitCode.INFRASTRUCTURE
