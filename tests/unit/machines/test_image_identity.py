"""An image's digest: the same for the same inputs, another for each that differs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.machines.image import identity
from sealock.machines.image.additions import Additions, read_certificates
from sealock.machines.image.apt import Package
from sealock.machines.image.identity import Resolution, Wanted
from sealock.machines.image.recipe import Recipe, RecipeFile

PACKAGE = Package("git", "1:2.39.5-0", "amd64", "a" * 64, 10, "git_1%3a2.39.5-0_amd64.deb")
RECIPE = Recipe("mine", packages=("git",), files=(RecipeFile("/a", b"a", 0o644),), commands=(("true",),))
ADDITIONS = Additions(pip_conf="[global]\n")
RESOLUTION = Resolution(
    (PACKAGE,), replace(PACKAGE, name="linux"), replace(PACKAGE, name="busybox"), {"mmdebstrap": "1"}, 5.0
)


def digest(
    recipe: Recipe = RECIPE, additions: Additions = ADDITIONS, resolution: Resolution = RESOLUTION
) -> str:
    return identity.digest_of(identity.inputs(Wanted.of(recipe, additions), resolution))


def test_it_is_the_same_for_the_same_inputs() -> None:
    assert digest() == digest(replace(RECIPE), replace(ADDITIONS), replace(RESOLUTION, at=99.0))
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest())


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECIPE, name="other"),
        replace(RECIPE, suite="trixie"),
        replace(RECIPE, user="worker"),
        replace(RECIPE, packages=("git", "zsh")),
        replace(RECIPE, files=()),
        replace(RECIPE, files=(RecipeFile("/a", b"b", 0o644),)),
        replace(RECIPE, files=(RecipeFile("/a", b"a", 0o600),)),
        replace(RECIPE, files=(RecipeFile("/b", b"a", 0o644),)),
        replace(RECIPE, commands=(("false",),)),
        replace(RECIPE, commands=(("true", ""),)),
    ],
)
def test_every_part_of_a_recipe_counts(changed: Recipe) -> None:
    assert digest(recipe=changed) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        Additions(),
        Additions(pip_conf="[global]\nx = 1\n"),
        Additions(npmrc="[global]\n"),
        replace(ADDITIONS, ca_certificates="pem"),
        replace(ADDITIONS, apt_sources="Types: deb\n"),
        replace(ADDITIONS, npmrc=""),
    ],
)
def test_every_addition_counts(changed: Additions) -> None:
    assert digest(additions=changed) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        replace(RESOLUTION, packages=()),
        replace(RESOLUTION, packages=(replace(PACKAGE, version="2"),)),
        replace(RESOLUTION, packages=(replace(PACKAGE, sha256="b" * 64),)),
        replace(RESOLUTION, kernel=replace(PACKAGE, version="2")),
        replace(RESOLUTION, busybox=replace(PACKAGE, sha256="c" * 64)),
        replace(RESOLUTION, tools={"mmdebstrap": "2"}),
    ],
)
def test_every_package_and_tool_counts(changed: Resolution) -> None:
    assert digest(resolution=changed) != digest()


@pytest.mark.parametrize("what", ["guest", "builder"])
def test_our_own_files_count(what: str) -> None:
    fixed = dict(Wanted.of(RECIPE, ADDITIONS).fixed)
    assert {"init", "start", "exec", "shell"} <= set(fixed["guest"])
    assert "hooks/customize" in fixed["builder"]
    for name in fixed[what]:
        changed = {**fixed, what: {**fixed[what], name: "0" * 64}}
        assert identity.digest_of(changed) != identity.digest_of(fixed)


def test_additions_are_named_by_hash_alone() -> None:
    secret = Additions(pip_conf="https://user:hunter2@index.example", npmrc="_authToken=hunter2")
    assert "hunter2" not in repr(Wanted.of(RECIPE, secret).fixed)


def test_a_resolution_goes_to_json_and_back() -> None:
    assert Resolution.from_json(RESOLUTION.to_json()) == RESOLUTION


def test_a_private_key_is_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert read_certificates(path) == path.read_text()
    path.write_text(path.read_text() + "-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match="holds a private key"):
        read_certificates(path)
    path.write_text("hello")
    with pytest.raises(UsageError, match="holds no PEM certificate"):
        read_certificates(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_certificates(tmp_path / "none")
