"""Rehearses a fetch in a clone that waits, so that the real one is quicker.

QEMU translates a program's code the first time it runs in a machine and keeps that, not in the template but
in its own process. A small repository is made, fetched, checked out and read here, and ssh is started, by
the programs that will fetch the build's code. Nothing of anybody's is there yet, no server is asked, and
nothing stays but what was translated.
"""

from __future__ import annotations

import logging

from sealock.core.git_options import FETCH_OPTIONS
from sealock.core.machine import Machine

log = logging.getLogger(__name__)

# The text is constant; its arguments are Git's options, none of which has a blank in it. What it does not
# need to succeed, such as the removal, it does not stop for.
_FETCH = """\
export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
place=$(mktemp -d) || exit
trap 'cd / && rm -rf -- "$place"' EXIT
set -e
options=$*
run() { git $options "$@"; }
cd "$place"
run init --quiet --template= from
run init --quiet --template= to
for name in 1 2 3 4 5 6 7 8; do echo "$name" >"from/$name"; done
run -C from add --all
run -C from -c user.name=x -c user.email=x commit --quiet --message=x
run --git-dir to/.git fetch --quiet --no-progress --depth=50 "$place/from/.git" +HEAD:refs/sealock/commit
run -C to checkout --quiet --detach refs/sealock/commit --
echo HEAD | run --git-dir to/.git cat-file --batch >/dev/null
ssh -F none -G -T localhost >/dev/null
"""


async def rehearse(machine: Machine) -> None:
    """Run it; only worth its time where the processor is emulated. TemporaryError if the machine is lost,
    TimeoutError if it takes minutes. A rehearsal that fails is told in the worker's log, no more: it
    changes nothing but how long the first fetch takes."""
    done = await machine.run(["sh", "-c", _FETCH, "sh", *FETCH_OPTIONS])
    if done.exit_code or done.stderr:
        log.warning("The rehearsal of a fetch failed: %s", done.stderr.decode(errors="replace").strip())
