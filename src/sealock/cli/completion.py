"""`sealock completion`: what makes a shell complete our commands and options with the tab key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    To install it, have your shell read it at its start:

    \b
    bash   echo 'eval "$(sealock completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(sealock completion zsh)"' >> ~/.zshrc
    fish   sealock completion fish > ~/.config/fish/completions/sealock.fish

    It takes effect in the next shell.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "sealock", "_SEALOCK_COMPLETE").source())
