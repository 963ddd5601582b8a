"""Who reaches whom in a platform that uses every way to say so: each pair is tried, by port, method and path."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from dev.mesh.lab import Mesh
from dev.mesh.traffic import Pod, eventually
from tests.mesh.platforms import Platform, Values, component, standing

MeasuredBy = Callable[[str, str], None]

NAME = "edges"
GATEWAY, PLAIN = "ml-gateway", "a pod without a sidecar"
REFUSED, SHUT = 403, 0
PERMISSION_DENIED = 7  # gRPC's
AT_ONCE = 6

HTTP = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/secret"),
    ("POST", "/v1/models"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/chat/completions"),
    ("PUT", "/models/m"),
    ("GET", "/metrics"),
    ("GET", "/"),
]
GRPC = ["ml.Inference/Infer", "ml.Inference/Explain", "ml.Admin/Load"]

# Default deny refuses what a route leads to, which is to be seen here and would be an error elsewhere.
DENIED: Values = {
    "policy": {
        "invariants": {
            "allow": [{"code": "MLM402", "kind": "HTTPRoute", "name": "quiet", "reason": "the refusal is to be seen"}]
        }
    }
}
MODES: dict[str, Values] = {
    "enforced": {},
    "default deny in serving, dry-run in training": {
        "authorization": {"defaultDeny": {"serving": True}, "namespaces": {"training": "dry-run"}},
        **DENIED,
    },
    "dry-run": {"authorization": {"mode": "dry-run", "defaultDeny": {"serving": True}}, **DENIED},
}


class Request(NamedTuple):
    """Who asks whom, on which of its ports, for what."""

    caller: str
    callee: str
    port: str
    method: str
    path: str


class Model:
    """What the values mean, read from them alone: no policy that the chart renders is looked at."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._components = values["components"]

    def component(self, name: str) -> Values:
        """The values of a component."""
        found: Values = self._components[name]
        return found

    def requests(self) -> Iterator[Request]:
        """Every ordered pair, by port, method and path; through the gateway to what its routes lead to."""
        routed = {next(iter(each["rules"]["all"]["backends"])) for each in self._values["routes"].values()}
        for callee, target in self._components.items():
            for port in target["ports"]:
                asked = [("POST", f"/{method}") for method in GRPC] if port == "grpc" else HTTP
                for caller in (*self._components, GATEWAY, PLAIN):
                    if caller == callee or (caller == GATEWAY and (port != "http" or callee not in routed)):
                        continue
                    yield from (Request(caller, callee, port, *each) for each in asked)

    def mode(self, callee: str) -> str:
        """How policies hold where that component is."""
        settings = self._values.get("authorization", {})
        mode: str = settings.get("namespaces", {}).get(
            self._components[callee]["namespace"], settings.get("mode", "enforce")
        )
        return mode

    def status(self, request: Request) -> int:
        """What it gets: 200, 403, or no answer."""
        metrics = self._components[request.callee].get("metrics", {})
        open_port = metrics.get("direct", False) and metrics["port"] == request.port
        if request.caller == PLAIN and not open_port:
            return SHUT
        if self.mode(request.callee) == "dry-run" or self.let_in(request):
            return 200
        return SHUT if request.port.startswith("tcp") else REFUSED

    def let_in(self, request: Request) -> bool:
        """Whether policies that hold would let it in."""
        callee = self._components[request.callee]
        metrics = callee.get("metrics", {})
        if self._any(callee.get("refuses", {}), request):
            return False
        scraped = metrics.get("direct", False) and metrics["port"] == request.port
        if scraped and (request.method, request.path) == ("GET", metrics.get("path", "/metrics")):
            return True
        if not callee.get("accepts"):
            denied = self._values.get("authorization", {}).get("defaultDeny", {})
            return not denied.get(callee["namespace"], False)
        return self._any(callee["accepts"], request)

    def _any(self, rules: Values, request: Request) -> bool:
        return any(self._matches(rule, request) for rule in rules.values() if rule.get("enabled", True))

    def _matches(self, rule: Values, request: Request) -> bool:
        if request.caller == PLAIN or self._identity(request.caller) not in self._named(rule):
            return False
        if "ports" in rule and request.port not in rule["ports"]:
            return False
        plain, grpc = "methods" in rule or "paths" in rule, "grpc" in rule
        if request.port.startswith("tcp"):
            return not (plain or grpc)
        if grpc and request.method == "POST" and any(_covers(f"/{each}", request.path) for each in rule["grpc"]):
            return True
        if grpc and not plain:
            return False
        methods, paths = rule.get("methods", [request.method]), rule.get("paths", ["*"])
        return request.method in methods and any(_covers(each, request.path) for each in paths)

    def _named(self, rule: Values) -> set[tuple[str, str]]:
        names = {
            self._identity(name) for kind in ("components", "gateways") for name, on in rule.get(kind, {}).items() if on
        }
        callers = (self._values["callers"][name] for name, on in rule.get("callers", {}).items() if on)
        return names | {(each["namespace"], each["serviceAccount"]) for each in callers}

    def _identity(self, name: str) -> tuple[str, str]:
        """Namespace and ServiceAccount."""
        if name == GATEWAY:
            return "serving", "gateway-sa"
        found = self._components[name]
        return found["namespace"], found.get("serviceAccount", {}).get("name", name)


def _covers(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


class Mode(NamedTuple):
    """The platform while its policies hold in one way."""

    name: str
    platform: Platform
    model: Model


@pytest.fixture(scope="module")
def platform(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, of which nothing stands yet."""
    with standing(mesh, NAME, tmp_path_factory.mktemp(NAME)) as own:
        yield own


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest, platform: Platform) -> Mode:
    """One of the modes, in force."""
    values: Values = yaml.safe_load((Path(__file__).parent / "edges.yaml").read_text())
    values.update(MODES[request.param])
    deployed = {
        name: component(namespace=each["namespace"], app=name, ports=each["ports"])
        for name, each in values["components"].items()
    }
    platform.turn({"components": deployed}, values)
    return Mode(request.param, platform, Model(values))


def _ask(mode: Mode, request: Request, outsider: Pod, mark: str = "") -> int:
    """The status that a request gets; `mark` tells it from all others in a log."""
    target = mode.model.component(request.callee)
    port = target["ports"][request.port]
    path = "" if request.port == "grpc" else request.path + (f"?{mark}" if mark else "")
    flags = ("--grpc", request.path) if request.port == "grpc" else ("--method", request.method)
    if request.caller == GATEWAY:
        host = ("--header", f"Host: {request.callee}.example.com")
        got = outsider.call(f"http://{mode.platform.gateway().address}{path}", *host, *flags)
    elif request.caller == PLAIN:
        address = mode.platform.pod(target["namespace"], request.callee).address
        got = outsider.call(f"http://{address}:{port.get('targetPort', port['port'])}{path}", *flags, timeout=3)
    else:
        caller = mode.platform.pod(mode.model.component(request.caller)["namespace"], request.caller)
        host_name = f"{request.callee}.{NAME}-{target['namespace']}"
        got = caller.call(f"http://{host_name}:{port['port']}{path}", *flags, timeout=3)
    # Of gRPC the refusal is in the trailers.
    return REFUSED if got.grpc_status == PERMISSION_DENIED else got.status


@pytest.mark.ends_connections
def test_every_pair_by_port_method_and_path(mode: Mode, outsider: Pod, measured: MeasuredBy) -> None:
    """Exactly what the values say is let in, and all else refused; in dry-run nothing is."""
    requests = list(mode.model.requests())
    wanted = {request: mode.model.status(request) for request in requests}

    def seen(request: Request) -> int:
        got = -1

        def right() -> bool:
            nonlocal got
            got = _ask(mode, request, outsider)
            return got == wanted[request]

        eventually(right, 5)
        return got

    with ThreadPoolExecutor(AT_ONCE) as pool:
        got = dict(zip(requests, pool.map(seen, requests), strict=True))
    assert {request: status for request, status in got.items() if status != wanted[request]} == {}
    assert {each.caller for each in requests} >= {GATEWAY, PLAIN}
    pairs = len({(each.caller, each.callee) for each in requests})
    count = Counter(got.values())
    told = f"{count[200]} let in, {count[REFUSED]} got 403, {count[SHUT]} no answer"
    measured(f"the graph: every pair, {mode.name}", f"{pairs} pairs, {len(requests)} requests: {told}")


@pytest.mark.ends_connections
def test_the_log_tells_what_dry_run_would_refuse(mode: Mode, outsider: Pod, measured: MeasuredBy) -> None:
    """Each request that a policy in dry-run would refuse, and no other, is told as denied by the log `ml-audit`."""
    requests = [
        each
        for each in mode.model.requests()
        if mode.model.mode(each.callee) == "dry-run" and each.port == "http" and each.caller != PLAIN
    ]

    def marked(request: Request) -> str:
        """The mark of a request that was answered: a connection that is open goes by the old policy for up to 45 s."""
        mark = ""

        def answered() -> bool:
            nonlocal mark
            mark = uuid.uuid4().hex
            return _ask(mode, request, outsider, mark) == 200

        assert eventually(answered, 60), request
        return mark

    with ThreadPoolExecutor(AT_ONCE) as pool:
        marks = dict(zip(pool.map(marked, requests), requests, strict=True))
    told: dict[str, bool] = {}

    def read() -> bool:
        for callee in {each.callee for each in requests}:
            for line in mode.platform.pod(mode.model.component(callee)["namespace"], callee).proxy_log():
                if line.startswith("{") and '"ml-audit"' in line:
                    entry = json.loads(line)
                    mark = (entry["path"] or "").partition("?")[2]
                    told[mark] = "denied" in (entry["dry_run_allow"], entry["dry_run_deny"])
        return marks.keys() <= told.keys()

    assert eventually(read, 20)
    wrong = {each for mark, each in marks.items() if told[mark] is mode.model.let_in(each)}
    assert wrong == set()
    if requests:
        refused = sum(told[mark] for mark in marks)
        assert 0 < refused < len(marks)
        measured(f"the graph: the log, {mode.name}", f"{len(marks)} requests answered, {refused} told as denied")
