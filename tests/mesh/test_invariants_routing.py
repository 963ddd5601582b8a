"""The starred rules about the routes that sidecars follow, by traffic of a caller with a sidecar."""

from collections import Counter

import pytest

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.starred import Case

TOPIC = "routing"


def url(service: str, path: str = "/") -> str:
    """A Service of the topic."""
    return f"http://{service}.rules-routing:8080{path}"


@pytest.fixture
def server(mesh: Mesh) -> Pod:
    """The server v1, which has seen nothing yet."""
    pod = mesh.pod("rules-routing", app="v1")
    pod.forget()
    return pod


@pytest.mark.starred("MLM101")
def test_a_policy_for_a_host_that_nothing_is_sent_to_guards_nothing(case: Case, frontend: Pod, server: Pod) -> None:
    """A server fails, and is to be ejected after three errors: bad, it gets all of the requests; good, three."""

    def look() -> str:
        server.forget()
        for _ in range(12):
            frontend.call(url("failing"), "--header", "x-do: status=503")
        got = len(server.requests())
        return "ejected after 3 errors" if got in (3, 4) else f"{got} of 12 requests to a failing server"

    # A request that is under way when a worker of Envoy hears of it makes 4.
    case.shows(look, bad="12 of 12 requests to a failing server", good="ejected after 3 errors")


@pytest.mark.starred("MLM105")
def test_a_port_that_the_service_does_not_have_is_an_error(case: Case, frontend: Pod, server: Pod) -> None:
    """Bad: the route sends to port 80 of a Service that has 8080, and each request is a 503. Good: 200."""

    def look() -> str:
        server.forget()
        answers = frontend.calls(url("moved"), 5)["statuses"]
        return f"{_counted(answers)}, {len(server.requests())} at the server"

    case.shows(look, bad="503 for 5 of 5, 0 at the server", good="200 for 5 of 5, 5 at the server")


@pytest.mark.starred("MLM107")
def test_of_two_rules_for_one_host_sidecars_follow_one(case: Case, frontend: Pod) -> None:
    """Bad: the requests that only the second VirtualService takes are a 404. Good, both in one: they are answered."""

    def look() -> str:
        asked = (("chat", "/v1/chat"), ("embeddings", "/v1/embeddings"))
        return ", ".join(f"{name} {_from(frontend, url('twice', path))}" for name, path in asked)

    case.shows(look, bad="chat 200 from v1, embeddings 404", good="chat 200 from v1, embeddings 200 from v2")


@pytest.mark.starred("MLM109")
def test_a_rule_behind_one_that_takes_everything_is_never_used(case: Case, frontend: Pod) -> None:
    """Requests that ask for v2 by header: bad, the catch-all before that rule sends all of them to v1; good, to v2."""

    def look() -> str:
        names = frontend.calls(url("shadowed"), 20, "--header", "x-model-version: v2")["names"]
        return " and ".join(f"{count} of 20 that ask for v2 to {name}" for name, count in names.items())

    case.shows(look, bad="20 of 20 that ask for v2 to v1", good="20 of 20 that ask for v2 to v2")


@pytest.mark.starred("MLM201")
def test_a_try_that_may_take_all_the_time_is_not_repeated(case: Case, frontend: Pod, server: Pod) -> None:
    """The server hangs once, and `attempts: 1` is to help. Bad: 504 after one try. Good: the second is answered."""

    def look() -> str:
        server.forget()
        server.behave("delay=9;")
        answer = frontend.call(url("slow"))
        eventually(lambda: len(server.requests()) > 1, 1)  # a server notes a request when it ends
        server.behave("")
        return f"{answer.status} after {answer.seconds:.0f} s, tries: {len(server.requests())}"

    case.shows(look, bad="504 after 3 s, tries: 1", good="200 after 1 s, tries: 2")


def _counted(statuses: dict[str, int]) -> str:
    total = Counter(statuses)
    return ", ".join(f"{status} for {count} of {total.total()}" for status, count in sorted(total.items()))


def _from(caller: Pod, address: str) -> str:
    answer = caller.call(address)
    return f"{answer.status} from {answer.json['name']}" if answer.status == 200 else str(answer.status)
