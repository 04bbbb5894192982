"""Options of the Git in a machine that decide what a fetch does there: which programs it runs, and which not.

A fetch of a build's commit and its rehearsal in a machine that waits are to do the same, or the rehearsal
makes ready what is not needed.
"""

from __future__ import annotations

FETCH_OPTIONS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    # A pack stays one, as in a clone: a file for each object takes longer.
    *("-c", "fetch.unpackLimit=1"),
)
