"""The database's file goes to a directory that can be somebody's own, whole at each moment."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.store.database.own_place import database_file, settle_database
from sealock.store.database.sqlite import only_server


def filled(data: Path) -> sqlite3.Connection:
    """A database with something in its log that is not in its file yet."""
    connection = sqlite3.connect(database_file(data), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE kept (value TEXT)")
    connection.execute("INSERT INTO kept VALUES ('something')")
    return connection


def kept(data: Path) -> list[tuple[str]]:
    with sqlite3.connect(database_file(data)) as connection:
        return connection.execute("SELECT value FROM kept").fetchall()


def test_it_goes_there_with_its_log_and_stays(tmp_path: Path) -> None:
    database = filled(tmp_path)
    assert (tmp_path / "server.db-wal").stat().st_size > 0
    assert settle_database(tmp_path) == tmp_path / "website"
    del database
    assert kept(tmp_path) == [("something",)]
    assert database_file(tmp_path) == tmp_path / "website" / "server.db"
    assert [path.name for path in tmp_path.iterdir()] == ["website"]
    settle_database(tmp_path)
    assert kept(tmp_path) == [("something",)]


@pytest.mark.parametrize("after", ["link", "rename"])
def test_cut_short_it_is_done_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    filled(tmp_path).close()
    cut = {"link": (Path, "rename"), "rename": (Path, "unlink")}[after]

    def power_cut(*_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(*cut, power_cut)
        settle_database(tmp_path)
    assert kept(tmp_path) == [("something",)]
    settle_database(tmp_path)
    assert kept(tmp_path) == [("something",)]
    assert [path.name for path in tmp_path.iterdir()] == ["website"]


def test_where_there_is_none_the_first_one_is_made_there(tmp_path: Path) -> None:
    settle_database(tmp_path / "data")
    assert database_file(tmp_path / "data") == tmp_path / "data" / "website" / "server.db"


def test_not_from_under_a_server(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with only_server(tmp_path / "server.db"), pytest.raises(UsageError, match="another server is using"):
        settle_database(tmp_path)
    assert kept(tmp_path) == [("something",)]
