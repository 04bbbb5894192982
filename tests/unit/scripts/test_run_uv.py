"""pip's configuration decides where uv fetches from."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts/run_uv.py"
spec = importlib.util.spec_from_file_location("run_uv", SCRIPT)
assert spec is not None
assert spec.loader is not None
run_uv = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_uv)


def test_the_environment_wins_over_the_commands_section_and_that_over_global() -> None:
    listing = (
        ":env:.index-url='https://env.example/simple'\n"
        "global.index-url='https://global.example/simple'\n"
        "install.index-url='https://install.example/simple'\n"
        "global.cert='/etc/ours.pem'\n"
        "install.cert='/etc/theirs.pem'\n"
        "freeze.timeout='10'\n"
    )
    assert run_uv.parse(listing) == {
        "index-url": "https://env.example/simple",
        "cert": "/etc/theirs.pem",
    }


def test_values_of_several_lines_are_lists() -> None:
    options = run_uv.parse(
        "global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'\n"
    )
    assert run_uv.translate(options) == {
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


@pytest.mark.parametrize(
    ("option", "value", "variable"),
    [
        ("index-url", "https://mirror.example/simple", "UV_DEFAULT_INDEX"),
        ("cert", "/etc/ours.pem", "SSL_CERT_FILE"),
        ("trusted-host", "mirror.example other.example", "UV_INSECURE_HOST"),
        ("proxy", "http://proxy.example:3128", "HTTPS_PROXY"),
        ("timeout", "90", "UV_HTTP_TIMEOUT"),
    ],
)
def test_an_option_means_the_same_to_uv(option: str, value: str, variable: str) -> None:
    assert run_uv.translate({option: value})[variable] == value


def test_folders_of_packages_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    places = f"{tmp_path} {tmp_path}/missing file://{tmp_path} https://links.example/"
    assert run_uv.translate({"find-links": places}) == {
        "UV_FIND_LINKS": f"{tmp_path},file://{tmp_path},https://links.example/"
    }


def test_no_index_is_carried_over() -> None:
    assert run_uv.translate({"no-index": "true"}) == {"UV_NO_INDEX": "1"}
    assert run_uv.translate({"no-index": "0"}) == {}


def test_uv_gets_the_variables_and_the_users_own_stay(tmp_path: Path) -> None:
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    (bin_directory / "python").write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -m ]; then\n'
        "  echo \"global.index-url='https://pip.example/simple'\"\n"
        "  echo \"global.cert='/etc/pip.pem'\"\n"
        "else\n"
        f'  exec {sys.executable} -c "import sys, runpy; sys.executable = sys.argv.pop(1); '
        'sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$0" "$@"\n'
        "fi\n"
    )
    (bin_directory / "uv").write_text('#!/bin/sh\necho "$UV_DEFAULT_INDEX $SSL_CERT_FILE $*"\n')
    for program in bin_directory.iterdir():
        program.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "UV_DEFAULT_INDEX": "https://own.example/simple"}
    result = subprocess.run(
        [bin_directory / "python", SCRIPT, "pip", "sync"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "https://own.example/simple /etc/pip.pem pip sync\n"
