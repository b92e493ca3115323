"""A folder with a small study in it."""

from pathlib import Path

import pytest

from tests.search.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
