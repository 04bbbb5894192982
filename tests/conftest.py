"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# Whatever lies elsewhere needs machines, servers or patience.
QUICK = {"unit", "contract", "architecture"}

pytest_plugins = [
    "tests.support.images",
    "tests.support.machines",
    "tests.support.installation",
    "tests.support.postgres",
]
pytest.register_assert_rewrite("tests.support.machine_contract", "tests.support.machines")


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and every program that tests
    start would inherit that; Ctrl-C then could not be tested."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The product runs on asyncio; so do its tests. A module's async fixtures share one loop with them."""
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test is either quick or slow, by the directory it lies in or by a mark of its own."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] not in QUICK:
            item.add_marker("slow")
