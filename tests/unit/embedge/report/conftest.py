"""One sample report for all tests of the report: it takes a few seconds to evaluate."""

import pytest
from sample_report import sample_report

from embedge.report.model import Report


@pytest.fixture(scope="session")
def sample() -> Report:
    return sample_report()
