import pytest

from tests.corpus.run.sources import write_sources


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("sources"))
