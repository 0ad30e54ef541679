"""No test may reach the engine of whoever runs them."""

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def runtime_of_their_own() -> Iterator[None]:
    """A runtime folder, and a cache, for all tests and the processes that they start."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("FACEPLATE_RUNTIME", os.path.join(folder, "run"))  # noqa: PTH118
        patch.setenv("FACEPLATE_LOGS", os.path.join(folder, "log"))  # noqa: PTH118
        patch.setenv("FACEPLATE_CACHE", os.path.join(folder, "cache"))  # noqa: PTH118
        yield
