"""One sample report for all tests of the report: it takes a few seconds to evaluate."""

from typing import Any

import pytest
from sample_report import sample_report


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    return sample_report()
