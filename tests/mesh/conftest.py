"""The release in a real mesh, shared by the session; the table of what was measured; and `--red`, the counter-proof."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.mesh.demo import CALLERS
from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod
from tests.mesh import red, table
from tests.mesh.slow import SlowRequests
from tests.mesh.starred import SIDES, Case, Topic
from tests.mesh.upgrades import Upgrade, upgrades
from tests.support.meshes import running_mesh


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line(
        "markers", "proves(kind, name, namespace='ml-serving', part='', put=None): what the test's claim rests on"
    )
    config.addinivalue_line("markers", "starred(code): shows what a starred rule's bad and good case do")
    config.addinivalue_line(
        "markers", "ends_connections: changes a listener, so that Envoy ends its connections 45 seconds later"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of this folder, tests that end connections come last, and before them those that upgrade the release.

    Upgrades replace pods, and with them goes what the apps noted of requests that others ask about. With `--red` only
    tests that can be proved are run.
    """
    places = [index for index, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ours = [items[index] for index in places]
    ours.sort(
        key=lambda item: (
            item.get_closest_marker("ends_connections") is not None,
            "upgrade" in getattr(item, "fixturenames", ()),
        )
    )
    for index, item in zip(places, ours, strict=True):
        items[index] = item
    if config.getoption("--red"):
        red.expect_failure(config, items)


@pytest.fixture(scope="session")
def mesh() -> Iterator[Mesh]:
    """istiod and the release of values/demo.yaml, installed with the post-renderer; beside it the tests' own pods."""
    with running_mesh() as own:
        for file in (CALLERS, Path(__file__).parent / "beside.yaml"):
            own.cluster.kubectl("apply", "-f", str(file))
        own.install("--values", "values/demo.yaml")
        yield own


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table of what was measured into the docs."""
    if not session.config.getoption("--red"):
        table.write(exitstatus)


@pytest.fixture(autouse=True)
def _red(request: pytest.FixtureRequest) -> Iterator[None]:
    if not request.config.getoption("--red"):
        yield
        return
    with red.taken_away(request.getfixturevalue("mesh"), request.node):
        yield


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`measured(row, what)`: a row of the reference design, with its section, and what this run saw of it."""
    return lambda row, what: table.add(request.node, row, what)


@pytest.fixture
def upgrade(mesh: Mesh, tmp_path: Path) -> Iterator[Upgrade]:
    """`upgrade(values)`: the release with other values over the demo's, until the test ends."""
    with upgrades(mesh, tmp_path) as run:
        yield run


@pytest.fixture(scope="session")
def frontend(mesh: Mesh) -> Pod:
    """A caller with a sidecar, as `frontend-sa` of `ml-frontend`, which `inference-access` names."""
    return mesh.pod("ml-frontend", app="frontend")


@pytest.fixture(scope="session", autouse=True)
def slow(request: pytest.FixtureRequest) -> SlowRequests | None:
    """The requests that take minutes, begun as soon as the mesh stands; with `--red` each when it is asked for."""
    if not any("slow_requests" in getattr(item, "fixturenames", ()) for item in request.session.items):
        return None
    requests = SlowRequests(request.getfixturevalue("frontend"))
    if not request.config.getoption("--red"):
        requests.begin_all()
    return requests


@pytest.fixture
def slow_requests(slow: SlowRequests) -> SlowRequests:
    """The same, for a test that looks at one of them."""
    return slow


@pytest.fixture(scope="module")
def topic(request: pytest.FixtureRequest, mesh: Mesh) -> Iterator[Topic]:
    """The cases of the module's TOPIC, for as long as the module runs."""
    own = Topic(mesh, request.module.TOPIC)
    yield own
    own.end()


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest, topic: Topic) -> str:
    """Every bad case of the topic in force, then every good one. With `--red` the other is there."""
    asked: str = request.param
    other = SIDES[asked == "bad"]
    topic.turn(other if request.config.getoption("--red") else asked, wait=getattr(request.module, "WAITS", True))
    return asked


@pytest.fixture
def case(request: pytest.FixtureRequest, side: str) -> Case:
    """The case of the rule that the test is marked with, which is in force."""
    (code,) = request.node.get_closest_marker("starred").args
    return Case(request.node, code, side)


@pytest.fixture(scope="session")
def stranger(mesh: Mesh) -> Pod:
    """A caller with a sidecar whom no policy names."""
    return mesh.pod("ml-frontend", app="stranger")


@pytest.fixture(scope="session")
def breaker(mesh: Mesh) -> Pod:
    """A caller like `frontend`, for itself: what its Envoy ejects is ejected for no other test."""
    return mesh.pod("ml-frontend", app="breaker")


@pytest.fixture(scope="session")
def outsider(mesh: Mesh) -> Pod:
    """A caller without a sidecar, outside the mesh."""
    return mesh.pod("outside", app="outsider")


@pytest.fixture(scope="session")
def gateway(mesh: Mesh) -> Pod:
    """The pod that istiod deployed for the Gateway `ml-gateway`."""
    return mesh.pod("ml-serving", **{"gateway.networking.k8s.io/gateway-name": "ml-gateway"})
