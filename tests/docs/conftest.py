"""The release in the session's API server, as the tests of the cluster have it."""

from tests.cluster.conftest import releases

__all__ = ["releases"]
