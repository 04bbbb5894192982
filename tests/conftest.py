"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Whatever lies elsewhere needs machines, servers or patience.
QUICK = {"unit", "contract", "architecture"}
SLOW_AMONG_THEM = ("unit/web/api", "unit/web/pages", "contract/records")
"""A whole website with its database for each test, or both kinds of database."""

pytest_plugins = [
    "tests.support.images",
    "tests.support.machines",
    "tests.support.installation",
    "tests.support.postgres",
]
pytest.register_assert_rewrite("tests.support.machine_contract", "tests.support.machines")


# Its deadline for one example is in wall time, which a loaded machine takes at will.
settings.register_profile("any host", settings(), deadline=None)
settings.load_profile("any host")


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and `nohup` with SIGHUP; every
    program that tests start would inherit that, and the signal could not be tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The product runs on asyncio; so do its tests. A module's async fixtures share one loop with them."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test is either quick or slow, by the directory it lies in or by a mark of its own."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here)
        if place.parts[0] not in QUICK or any(place.is_relative_to(each) for each in SLOW_AMONG_THEM):
            item.add_marker("slow")
