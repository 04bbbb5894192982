"""Lines of a log as rows of a page. The only HTML that is put together here by hand, for its speed.

What a line holds was made safe where it was read (`core.log_pages.LogLine`); all else in a row is a number
or a time of ours. The class names stand in build.css.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from sealock.core.log_pages import LogLine
from sealock.core.log_times import by_the_clock, since

_CUT = '<span class="cut">… the line goes on: see the download</span>'
_HIDDEN = ' title="Something of this line was written over. The download has all of it."'


def rows(lines: Iterable[LogLine], begun: float, *, link: str = "", failing: int | None = None) -> Markup:
    """Rows in order, one a line. begun: what times are told from, seconds since 1970. link: what stands
    before `#L…` in a line's address, an address of ours. failing: number of the line that says why."""
    return Markup("\n").join(row(line, begun, link=link, is_failing=line.number == failing) for line in lines)


def row(line: LogLine, begun: float, *, link: str = "", is_failing: bool = False) -> Markup:
    """A line's row: its number with its address, when it came (since `begun`, and by the clock), its text."""
    number = line.number
    hidden = _HIDDEN if line.hidden else ""
    kind = "l" + " hid" * line.hidden + " failing" * is_failing
    return Markup(  # noqa: S704  the line's HTML is safe by its port; the rest is numbers
        f'<div class="{kind}" id="L{number}" data-n="{number}" data-r="{since(line.at, begun)}"'
        f' data-a="{by_the_clock(line.at)}"{hidden}>'
        f'<a class="n" href="{link}#L{number}" tabindex="-1">{number}</a>'
        f'<span class="x">{line.html}{_CUT if line.cut else ""}</span></div>'
    )
