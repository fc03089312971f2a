"""The command sets up the log for its own process; the tests share one, and each begins anew."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As it was before any command."""
    yield
    structlog.reset_defaults()
