"""What all tests share."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.support.images", "tests.support.machines", "tests.support.installation"]
pytest.register_assert_rewrite("tests.support.machine_contract", "tests.support.machines")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The product runs on asyncio; so do its tests. A module's async fixtures share one loop with them."""
    return "asyncio"
