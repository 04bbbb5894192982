"""Where the keeper's keys lie once it is a user of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.keeper.own_keys import KeyPlaces


def test_a_link_that_its_user_put_there_leads_no_key_elsewhere(tmp_path: Path) -> None:
    """Root moves them, wherever the link leads."""
    shared, elsewhere, keeper = tmp_path / "keys", tmp_path / "elsewhere", tmp_path / "keeper"
    for directory in (shared, elsewhere, keeper):
        directory.mkdir(mode=0o700)
    (shared / "kek").write_bytes(bytes(32))
    (keeper / "keys").symlink_to(elsewhere)
    places = KeyPlaces(shared, keeper / "keys", shared / "kek")
    with pytest.raises(PermanentError, match="is a link"):
        places.settle(tmp_path / "data")
    assert (shared / "kek").exists()
    assert list(elsewhere.iterdir()) == []
