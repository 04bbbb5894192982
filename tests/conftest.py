"""What all tests share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.support.machine_contract")


@pytest.fixture
def anyio_backend() -> str:
    """The product runs on asyncio; so do its tests."""
    return "asyncio"
