"""What a guest's record says of the disk."""

from __future__ import annotations

import pytest

from sealock.machines.guest import _both


@pytest.mark.parametrize(("qemu", "pasta", "said"), [(0, 0, 0), (1, 2, 3), (None, 0, None), (0, None, None)])
def test_what_was_not_counted_is_not_nothing(qemu: int | None, pasta: int | None, said: int | None) -> None:
    assert _both(qemu, pasta) == said
