"""`sealock receipt`: show what a build left behind, and check it, offline.

A receipt may come from anywhere. Its fields are shown only after its form was checked, and always with a
word on whether the signature was.
"""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import click

from sealock.cli.attempts import ATTEMPT
from sealock.cli.places import LOCAL, places
from sealock.cli.receipt_words import Fields, summary
from sealock.cli.tools import Tools
from sealock.core.decision import Decision, Denied
from sealock.core.errors import ExitCode, UsageError
from sealock.core.receipt import Check, Verification, is_its_log

NAMED = click.argument("named", metavar="BUILD|FILE")
KEY = click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="Public key (PEM) of the installation that signed it. Default: this installation's, or the server's "
    "as it was when you signed in.",
)
THE_LOG = "the log is the one it names"
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


@click.group()
def receipt() -> None:
    """Show and verify what a build left: its signed receipt."""


@receipt.command()
@NAMED
@ATTEMPT
@KEY
@AS_JSON
@LOCAL
@click.pass_context
def show(
    ctx: click.Context, named: str, *, attempt: int | None, key: Path | None, as_json: bool, local: bool
) -> None:
    """Show a receipt. Ends with 1 if it is not authentic.

    Signed in to a server it is that of BUILD: an id, PROJECT#NUMBER, or PROJECT for its latest. Else, and
    with --local, it is the one in FILE.
    """
    tools: Tools = ctx.obj
    place = places(tools, local=local).receipts
    data, verifier = place.receipt(named, attempt), tools.verifier()
    statements = verifier.read(data)
    found = _verify_if_possible(tools, data, place.key(key), given=key is not None)
    if as_json:
        click.echo(json.dumps({"verdict": _verdict(found), "statements": list(statements)}, indent=2))
    else:
        _print_fields(summary(statements))
        click.echo(_last_line(found), err=found is not None and not found.authentic)
    ctx.exit(ExitCode.BUILD_FAILED if found is not None and not found.authentic else ExitCode.GREEN)


@receipt.command()
@NAMED
@ATTEMPT
@KEY
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path),
    help="Also check that this is the sealed log it names.",
)
@AS_JSON
@LOCAL
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    named: str,
    attempt: int | None,
    key: Path | None,
    log_file: Path | None,
    as_json: bool,
    local: bool,
) -> None:
    """Check a receipt against a public key, here: no server is believed.

    Signed in to a server it is that of BUILD, fetched for it: an id, PROJECT#NUMBER, or PROJECT for its
    latest. Else, and with --local, it is the one in FILE, and no network is needed.

    Ends with 0 if it is authentic and every promise was kept, 1 if it is refused or --log is not the log it
    names, 2 if there is no such file or key, 3 if it is authentic and shows that a promise was not kept.
    """
    tools: Tools = ctx.obj
    place = places(tools, local=local).receipts
    found = tools.verifier().verify(place.receipt(named, attempt), place.key(key))
    log = None if log_file is None else _judge_log(found, _digest(log_file))
    if as_json:
        click.echo(json.dumps(_as_json(found) | _log_as_json(log), indent=2))
    else:
        _print_verification(found, log)
    ctx.exit(_exit_code(found, log))


@receipt.command("key")
@click.pass_obj
def key_(tools: Tools) -> None:
    """Print the public key of this installation, to be given to whoever checks its receipts."""
    click.echo(tools.installation_public_key().decode(), nl=False)


def _digest(file: Path) -> str:
    """Of a sealed log, which may be long: read piece by piece."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for without a word
            raise UsageError(f"{str(file)!r} is no regular file")
        with file.open("rb") as opened:
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}", details=str(error.strerror)) from error


def _judge_log(found: Verification, digest: str) -> Decision:
    if not found.authentic:
        return Denied("the receipt is refused, so it names no log")
    return is_its_log(found.statements, digest)


def _exit_code(found: Verification, log: Decision | None) -> ExitCode:
    if not found.authentic or isinstance(log, Denied):
        return ExitCode.BUILD_FAILED
    return ExitCode.GREEN if found.kept else ExitCode.INFRASTRUCTURE


def _verify_if_possible(tools: Tools, data: bytes, key: bytes | None, *, given: bool) -> Verification | None:
    """None where there is no key to check against; a key that was given must be one."""
    try:
        return tools.verifier().verify(data, key)
    except UsageError:
        if given:
            raise
        return None


def _verdict(found: Verification | None) -> str:
    if found is None:
        return "unchecked"
    if not found.authentic:
        return "refused"
    return "kept" if found.kept else "broken"


def _last_line(found: Verification | None) -> str:
    if found is None:
        return "The signature was NOT checked: there is no key. Give one with --key installation.pub."
    if not found.authentic:
        return f"REFUSED, believe nothing in it: {_reason(found.checks[-1])}."
    if found.broken:
        promises = ", ".join(str(check.promise) for check in found.broken)
        return f"Authentic, and it shows that a promise was NOT kept: {promises}."
    return f"Authentic, signed by {found.key_id[:16]}, and every promise it speaks of was kept."


def _print_verification(found: Verification, log: Decision | None) -> None:
    for check in found.checks:
        _print_check(check)
    if log is not None:
        _print_check(Check(THE_LOG, None, log))
    click.echo(_last_line(found))
    if found.authentic and isinstance(log, Denied):
        click.echo("The log is NOT the one this receipt names.")


def _print_check(check: Check) -> None:
    mark = click.style("ok    ", fg="green") if check.decision else click.style("FAILED", fg="red", bold=True)
    promise = f"{check.promise}: " if check.promise else ""
    click.echo(f"{mark}  {promise}{check.name}")
    if not check.decision:
        click.echo(f"        {_reason(check)}")


def _reason(check: Check) -> str:
    return check.decision.reason if isinstance(check.decision, Denied) else ""


def _as_json(found: Verification) -> dict[str, object]:
    checks = [
        {"name": it.name, "promise": it.promise, "ok": bool(it.decision), "reason": _reason(it)}
        for it in found.checks
    ]
    return {"verdict": _verdict(found), "key_id": found.key_id, "checks": checks}


def _log_as_json(log: Decision | None) -> dict[str, object]:
    """Nothing where no log was to be checked."""
    return {} if log is None else {"log": {"ok": bool(log), "reason": _reason(Check(THE_LOG, None, log))}}


def _print_fields(fields: Fields) -> None:
    for label, value in fields:
        click.echo(click.style(f"{label:<14}", fg="cyan") + value)
