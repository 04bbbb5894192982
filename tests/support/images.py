"""Images for the tests that boot them, built once and kept outside of the checkout."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.image import Image
from sealock.machines.image.store import ImageStore

KEPT_SECONDS = 3 * 86400


def cache_directory() -> Path:
    """What tests keep between runs: $SEALOCK_TEST_CACHE, /var/cache/sealock-tests for root (whose home
    an unprivileged emulator cannot enter), else ~/.cache/sealock-tests."""
    if chosen := os.environ.get("SEALOCK_TEST_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/sealock-tests")
    return Path.home() / ".cache/sealock-tests"


def tell(line: str) -> None:
    """Progress, for a reader who waits for the first build: pytest shows it with -s or on failure."""
    print(f"image: {line}", file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def image_store() -> ImageStore:
    """The images that tests boot. Each change of a guest script makes others: after three
    days they are removed."""
    store = ImageStore(cache_directory() / "images")
    for image in store.all():
        if image.built_at < time.time() - KEPT_SECONDS:
            with suppress(UsageError):  # in use
                store.remove(image.digest)
    return store


@pytest.fixture(scope="session")
def base_image(image_store: ImageStore) -> Image:
    """The image of the shipped recipe `base`."""
    return image_store.build("base", tell)


@pytest.fixture(scope="session")
def python_image(image_store: ImageStore) -> Image:
    """The image of the shipped recipe `python`."""
    return image_store.build("python", tell)
