"""No test may reach the engine of whoever runs them."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests.wire.engines import close_links


@pytest.fixture(scope="session", autouse=True)
def runtime_of_their_own() -> Iterator[None]:
    """A runtime folder, and a cache, for all tests and the processes that they start."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("FACEPLATE_RUNTIME", os.path.join(folder, "run"))  # noqa: PTH118
        patch.setenv("FACEPLATE_LOGS", os.path.join(folder, "log"))  # noqa: PTH118
        patch.setenv("FACEPLATE_CACHE", os.path.join(folder, "cache"))  # noqa: PTH118
        yield


@pytest.fixture(autouse=True)
def links_are_closed() -> Iterator[None]:
    """Also those of a test that fails."""
    yield
    close_links()
