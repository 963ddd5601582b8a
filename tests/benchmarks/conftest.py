"""What the benchmark's tests share."""

import pytest

from benchmarks.contenders import Bench
from dev.progress import StepError
from tests.support.running import not_run


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The programs of the benchmark, mlmesh installed among them."""
    try:
        return Bench(tmp_path_factory.mktemp("bench"))
    except StepError as error:
        not_run(str(error))
