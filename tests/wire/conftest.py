"""Engines, clients and strangers of the tests of the wire, and leases of either kind of memory."""

from collections.abc import Iterator

import pytest

from engine.leases import Leases
from engine.segments import Create, named_block, unnamed_block
from tests.jobs.conftest import originals, whole, work
from tests.wire.engines import client, engine, own_engine, raw

__all__ = ["client", "engine", "originals", "own_engine", "raw", "whole", "work"]


@pytest.fixture(params=[unnamed_block, named_block])
def create(request: pytest.FixtureRequest) -> Create:
    return request.param


@pytest.fixture
def leases(create: Create) -> Iterator[Leases]:
    leases = Leases(64 << 20, create=create)
    yield leases
    leases.close()


@pytest.fixture
def unnamed() -> Iterator[Leases]:
    leases = Leases(64 << 20, create=unnamed_block)
    yield leases
    leases.close()
