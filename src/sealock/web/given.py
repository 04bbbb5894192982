"""Which secrets builds were given, over all of their attempts: each has an id of its own with the keeper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealock.core.builds import BuildView, run_id
from sealock.core.release import Entry, Exposures, Released


@dataclass(frozen=True)
class Given:
    """A release for an attempt at a build; entry: the ledger's, whose fact it is."""

    build: BuildView
    attempt: int
    entry: Entry
    fact: Released


async def given_to(exposures: Exposures, builds: Sequence[BuildView]) -> list[Given]:
    """Every release for these builds, in the order of the ledger. As `Exposures.exposures`. What is another
    account's is left out, whatever the ledger says."""
    runs = {
        run_id(view.id, number): (view, number) for view in builds for number in range(1, view.attempt + 1)
    }
    entries = await exposures.exposures(*runs) if runs else []
    found = {}
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, Released) and fact.build in runs:
            view, attempt = runs[fact.build]
            if fact.account == view.account:
                found[entry.sequence] = Given(view, attempt, entry, fact)
    return [found[sequence] for sequence in sorted(found)]
