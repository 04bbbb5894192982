"""Shows a build that is watched: with its log, compact, or as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

import click

from sealock.cli.display import seconds
from sealock.cli.sanitize import printable
from sealock.cli.server import page
from sealock.cli.server_logs import print_line, wants_colour
from sealock.cli.sign_ins import SignIn
from sealock.cli.watch_order import InOrder, What, Window
from sealock.cli.words import Found, listed, name_of, number, said, status, took


class Telling(Protocol):
    """Takes what is seen. looked: whether the build was told at all."""

    looked: bool

    def build(self, found: Found) -> None:
        """How it stands by now; may be the same as before."""
        ...

    def line(self, line: dict[str, Any]) -> None:
        """A line of its log."""
        ...

    def note(self, text: str) -> None:
        """A sentence for who watches."""
        ...

    def ended(self, found: Found, code: int) -> None:
        """The last words."""
        ...


def telling(sign_in: SignIn, *, quiet: bool, as_json: bool) -> Telling:
    """As it was asked for."""
    return _Json() if as_json else _Lines(sign_in, quiet=quiet)


class _Lines:
    """Plain lines, each written once, steps and log in the order they were. quiet: without the log."""

    def __init__(self, sign_in: SignIn, *, quiet: bool) -> None:
        self.looked = False
        self._sign_in, self._quiet = sign_in, quiet
        self._said: set[tuple[object, ...]] = set()
        self._colour = wants_colour()
        self._order = InOrder()
        self._attempt = ""
        self._printed = False
        self._reasons: set[str] = set()

    def build(self, found: Found) -> None:
        if not self.looked:
            self.looked = True
            click.echo(f"{name_of(found)}  {page(self._sign_in, 'builds', said(found, 'id'))}")
        attempt = said(found, "attempt")
        if attempt != self._attempt:
            self._order.tell(all_of_it=True)
            self._attempt, self._printed = attempt, False
            self._reasons.clear()
        if attempt not in ("0", "1"):
            self._once(f"--- attempt {attempt}", attempt)
        self._waiting(found)
        self._order.steps(_windows(found))
        for count, phase in enumerate(listed(found, "phases")):
            self._phase((attempt, count, said(phase, "name")), phase)
        if found.get("stopping"):
            self._once("--- it is being stopped", attempt, "stopping")
        self._order.tell()

    def line(self, line: dict[str, Any]) -> None:
        self._printed = True
        if not self._quiet:
            self._order.put(
                number(line, "at"),
                lambda: print_line(line, as_json=False, colour=self._colour),
                line=int(number(line, "number") or 0),
            )
            self._order.tell()

    def note(self, text: str) -> None:
        click.echo(f"--- {printable(text)}", err=True)

    def ended(self, found: Found, code: int) -> None:
        self._order.tell(all_of_it=True)
        for step in listed(found, "steps"):
            if said(step, "state") in ("failed", "stopped"):
                reason = self._new_reason(step)
                told = f"  {said(step, 'state')}: {said(step, 'name')}"
                click.echo(told + (f", {reason}" if reason else ""))
        length = took(found)
        click.echo(f"{status(found)}" + (f" in {length}" if length else ""))
        if reason := self._new_reason(found):
            click.echo(f"  {reason}")
        for line in self._next(found) if code else ():
            click.echo(f"  {line}")
        click.echo(page(self._sign_in, "builds", said(found, "id")))

    def _new_reason(self, found: Found) -> str:
        """Why it ended so; `` where that was told already."""
        reason = said(found, "reason")
        new = reason not in self._reasons
        self._reasons.add(reason)
        return reason if new else ""

    def _next(self, found: Found) -> Iterator[str]:
        """What may be done about one that is not green, as far as it is of use: one that failed before it
        printed anything has no log to look at, one without steps none that failed."""
        name = name_of(found)
        if self._printed:
            yield f"What failed:     sealock logs {name} --failed"
        steps = " --failed" if listed(found, "steps") else ""
        yield f"Build it again:  sealock rerun {name}{steps}"

    def _waiting(self, found: Found) -> None:
        waiting = found.get("waiting")
        if waiting:
            why = "; ".join(said(reason, "sentence") for reason in listed(waiting, "reasons"))
            self._once(f"--- waits, {said(waiting, 'position')} of {said(waiting, 'of')}: {why}", why)

    def _phase(self, key: tuple[object, ...], phase: Found) -> None:
        begun, ended = number(phase, "started_at"), number(phase, "ended_at")
        self._once(f"==> {said(phase, 'name')}", *key, "begun", at=begun, what=What.BEGUN)
        if begun is None or ended is None:
            return
        detail = said(phase, "detail")
        self._reasons.add(detail)
        how = "done" if phase.get("ok") else "failed"
        told = f"    {how} in {seconds(max(0.0, ended - begun))}" + (f": {detail}" if detail else "")
        self._once(told, *key, "ended", at=ended, what=What.ENDED)

    def _once(self, text: str, *key: object, at: float | None = None, what: What = What.BEGUN) -> None:
        """Write a line, unless it was written. at: when that was; None: now."""
        if key in self._said:
            return
        self._said.add(key)
        if at is None:
            click.echo(text)
        else:
            self._order.put(at, lambda: click.echo(text), what)


def _windows(found: Found) -> list[Window]:
    """Of the steps that have begun. Times are those of their phases, which are told to the microsecond."""
    phases = {said(phase, "name"): phase for phase in listed(found, "phases")}
    windows = []
    for step in listed(found, "steps"):
        kind, name = said(step, "kind"), said(step, "name")
        phase = phases.get(name if kind == name else f"{kind}:{name}")
        first, begun = number(step, "first_line"), number(phase or {}, "started_at")
        if phase and first is not None and begun is not None:
            windows.append(Window(int(first), begun, number(phase, "ended_at")))
    return windows


class _Json:
    """A JSON object a line: `build` whenever it changed, `line`, `note`, and last `result`."""

    def __init__(self) -> None:
        self.looked = False
        self._before: Found | None = None

    def build(self, found: Found) -> None:
        self.looked = True
        if found != self._before:
            self._before = found
            self._write("build", build=found)

    def line(self, line: dict[str, Any]) -> None:
        self._write("line", line=line)

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def ended(self, found: Found, code: int) -> None:
        self._write("result", exit_code=int(code), build=found)

    def _write(self, kind: str, **values: object) -> None:
        click.echo(json.dumps({"event": kind, **values}))
