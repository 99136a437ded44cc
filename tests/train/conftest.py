"""One little corpus for all tests of training."""

from __future__ import annotations

import pytest

from tests.data.drawn import build_little_corpus


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return build_little_corpus(tmp_path_factory.mktemp("corpus"))
