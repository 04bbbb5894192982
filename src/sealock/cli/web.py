"""`sealock web`: serves the website, its API, the hooks and the door for workers."""

from __future__ import annotations

import asyncio

import click

from sealock.cli.saying import say
from sealock.cli.tools import Tools
from sealock.core.own_process import open_many_files


@click.command()
@click.option("--attended", is_flag=True, help="Stop when standard input ends, for whoever starts it.")
@click.pass_obj
def web(tools: Tools, *, attended: bool) -> None:
    """Serve the website, its API and hooks, and the door for workers.

    It needs a keeper (`sealock keeper`) to take secrets and show logs, and workers (`sealock worker`) to
    build; `sealock up` starts all three. It brings the database up to date first, and serves until it is
    stopped (Ctrl-C, SIGTERM): requests have five seconds to end, builds go on with their workers. Its first
    lines say how it is shut in: it starts no program, and has no right beyond its user's.
    """
    open_many_files()
    server = tools.server()
    server.shut_in(say)
    # Whoever starts us has made the link, which the one made here would take the place of.
    ready = asyncio.run(server.make_ready(link=not attended))
    if ready.setup is not None:
        click.echo(f"set it up at {ready.setup.reveal().decode()}")
    asyncio.run(server.serve(say, attended=attended))
