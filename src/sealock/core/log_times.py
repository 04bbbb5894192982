"""When a line came, as a reader likes it: since the build began, or by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def since(at: float, begun: float) -> str:
    """`0:05.312`, `1:00:05.312` from the hour on. at, begun: seconds since 1970. A clock that was set back
    gives `-0:01.000`."""
    thousandths = round(abs(at - begun) * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if at < begun and (hours or minutes or thousandths) else ""
    long = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{sign}{long}:{thousandths // 1000:02}.{thousandths % 1000:03}"


def by_the_clock(at: float) -> str:
    """`2026-03-01T12:00:05.312Z`. `?` for a time no calendar has."""
    try:
        moment = _BEGIN + timedelta(milliseconds=round(at * 1000))
    except OverflowError:
        return "?"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
