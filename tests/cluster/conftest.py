"""A release of the chart in the session's API server, and what a test leaves behind."""

from collections.abc import Iterator

import pytest

from tests.cluster.releases import Releases
from tests.support.clusters import TestCluster


@pytest.fixture
def releases(cluster: TestCluster) -> Iterator[Releases]:
    """Releases of the chart in a cluster that holds none yet; whatever a test installs is gone when it ends."""
    own = Releases(cluster)
    own.clean()
    yield own
    own.clean()
