"""An installation whose projects' keys lie in a database, rotated as `sealock keys rotate` does.

Run as a program (`python -m tests.support.hosted_keys DIRECTORY URL LEVEL`) it rotates, to be killed by a
test.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sealock.core.keyring import Level, Rotated
from sealock.core.sealed import SealedPlace
from sealock.keeper.asked_rotation import AskedRotation
from sealock.store.database.sealed_place import DatabaseSealedPlace
from tests.support.keys import Installation


def rotate(ours: Installation, url: str, level: Level) -> Rotated:
    """Rotate one level, or finish what was cut short, over every place there is."""
    places: list[SealedPlace] = [ours.projects, ours.store, DatabaseSealedPlace(url)]
    return asyncio.run(AskedRotation(ours.ask, places, ours.projects).run(level, ours.told.append))


if __name__ == "__main__":
    print("begun", flush=True)
    rotate(Installation(Path(sys.argv[1])), sys.argv[2], "root" if sys.argv[3] == "root" else "sets")
