"""Routes of every API as one thing, and how long a request to a pod may take."""

from math import inf
from typing import Any

import pytest

from mlmesh.graph.backends import pods_behind
from mlmesh.graph.gateways import accounts
from mlmesh.graph.pools import picker, pods_of
from mlmesh.graph.release import Release
from mlmesh.graph.route import Route
from mlmesh.graph.routes import routes
from tests.support.graphs import graph, item
from tests.support.graphs import pods_of as pods_in

ISTIO = "networking.istio.io/v1"
GATEWAY = "gateway.networking.k8s.io/v1"
POOL = "inference.networking.k8s.io/v1"


def only(text: str) -> Route:
    """The one route of a stream."""
    (route,) = routes(graph(text))
    return route


@pytest.mark.parametrize("name", ["edge", "ml/edge", "./edge", "edge.ml", "edge.ml.svc.cluster.local"])
def test_a_gateway_is_one_however_a_virtual_service_names_it(name: str) -> None:
    """As istiod resolves it: with or without its namespace, and as a full name, as it was written once."""
    (parent,) = only(item(ISTIO, "VirtualService", "r", {"hosts": ["llm"], "gateways": [name]})).parents
    assert (parent.kind, parent.namespace, parent.name) == ("Gateway", "ml", "edge")


def test_a_virtual_service_as_a_route() -> None:
    """Hosts in full, gateways with their namespace, destinations with subset and weight, mirrors, matches, timeouts."""
    http = [
        {
            "match": [{"uri": {"prefix": "/v1"}, "method": {"exact": "POST"}, "headers": {"x-model": {"exact": "a"}}}],
            "timeout": "1m30s",
            "mirror": {"host": "shadow"},
            "route": [
                {"destination": {"host": "llm", "subset": "v1", "port": {"number": 8080}}, "weight": 90},
                {"destination": {"host": "llm.other.svc.cluster.local"}, "weight": 10},
            ],
        },
        {"redirect": {"uri": "/"}},
    ]
    spec = {
        "hosts": ["llm", "llm.example.com"],
        "gateways": ["mesh", "edge", "istio-system/public"],
        "http": http,
        "tcp": [{"route": [{"destination": {"host": "db"}}]}],
    }
    route = only(item(ISTIO, "VirtualService", "r", spec))
    assert route.hosts == ["llm.ml.svc.cluster.local", "llm.example.com"]
    assert route.in_mesh
    assert [(parent.kind, parent.namespace, parent.name) for parent in route.parents] == [
        ("mesh", "", ""),
        ("Gateway", "ml", "edge"),
        ("Gateway", "istio-system", "public"),
    ]
    first, second, tcp = route.rules
    assert [(rule.pointer, rule.protocol, rule.timeout) for rule in route.rules] == [
        ("/spec/http/0", "http", 90),
        ("/spec/http/1", "http", inf),
        ("/spec/tcp/0", "tcp", None),
    ]
    (match,) = first.matches
    assert (match.form, match.path, match.method, match.headers) == ("prefix", "/v1", "POST", ["x-model"])
    assert [(to.host, to.subset, to.port, to.weight, to.mirror, to.pointer) for to in first.backends] == [
        ("llm.ml.svc.cluster.local", "v1", 8080, 90, False, "/spec/http/0/route/0/destination"),
        ("llm.other.svc.cluster.local", "", None, 10, False, "/spec/http/0/route/1/destination"),
        ("shadow.ml.svc.cluster.local", "", None, None, True, "/spec/http/0/mirror"),
    ]
    assert not second.backends
    assert [to.host for to in tcp.backends] == ["db.ml.svc.cluster.local"]


def test_a_virtual_service_without_gateways_is_the_mesh_s() -> None:
    """`gateways` left out means sidecars; named without `mesh` it does not."""
    assert only(item(ISTIO, "VirtualService", "r", {"hosts": ["a"]})).in_mesh
    assert not only(item(ISTIO, "VirtualService", "r", {"hosts": ["a"], "gateways": ["edge"]})).in_mesh


def test_an_http_route_as_a_route() -> None:
    """Services and pools of any namespace, mirrors in filters, paths by element, the parent's section."""
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}, "headers": [{"name": "X", "value": "y"}]}],
        "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "shadow"}}}],
        "backendRefs": [
            {"name": "llm", "port": 80, "weight": 3},
            {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool", "namespace": "gpu"},
            {"group": "networking.istio.io", "kind": "Hostname", "name": "api.example.com"},
        ],
    }
    refs = [
        {"name": "edge", "namespace": "infra", "sectionName": "https"},
        {"kind": "Service", "group": "", "name": "llm"},
    ]
    route = only(item(GATEWAY, "HTTPRoute", "r", {"hostnames": ["a.example"], "parentRefs": refs, "rules": [rule]}))
    assert route.in_mesh
    assert [(parent.kind, parent.namespace, parent.name, parent.section) for parent in route.parents] == [
        ("Gateway", "infra", "edge", "https"),
        ("Service", "ml", "llm", ""),
    ]
    (found,) = route.rules
    assert [(to.kind, to.namespace, to.name, to.host, to.mirror) for to in found.backends] == [
        ("Service", "ml", "llm", "llm.ml.svc.cluster.local", False),
        ("InferencePool", "gpu", "pool", "", False),
        ("Hostname", "ml", "api.example.com", "api.example.com", False),
        ("Service", "ml", "shadow", "shadow.ml.svc.cluster.local", True),
    ]
    (match,) = found.matches
    assert (match.form, match.path, match.headers) == ("path-prefix", "/v1", ["X"])


@pytest.mark.parametrize(
    ("match", "form", "path"),
    [
        ({"method": {"service": "a.B", "method": "C"}}, "exact", "/a.B/C"),
        ({"method": {"service": "a.B"}}, "prefix", "/a.B/"),
        ({"method": {"method": "C"}}, "regex", "/[^/]+/C"),
        ({"method": {"type": "RegularExpression", "service": "a[.].*"}}, "regex", "/a[.].*/[^/]+"),
        ({"headers": []}, "", ""),
    ],
)
def test_a_grpc_method_is_a_path(match: dict[str, Any], form: str, path: str) -> None:
    """gRPC calls `/package.Service/Method`."""
    (rule,) = only(item(GATEWAY, "GRPCRoute", "r", {"rules": [{"matches": [match]}]})).rules
    assert [(found.form, found.path) for found in rule.matches] == [(form, path)]
    assert rule.timeout == inf


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        ({}, inf),
        ({"timeouts": {"request": "30s"}}, 30),
        ({"timeouts": {"request": "0s"}}, inf),
        ({"timeouts": {"request": "300s", "backendRequest": "60s"}}, 60),
        ({"timeouts": {"request": "300s", "backendRequest": "60s"}, "retry": {"attempts": 1}}, 300),
        ({"timeouts": {"backendRequest": "60s"}, "retry": {"attempts": 1}}, inf),
        ({"timeouts": {"request": "5 minutes"}}, inf),
    ],
)
def test_what_ends_a_request_of_an_http_route(rule: dict[str, Any], seconds: float) -> None:
    """As istiod converts it: without `retry`, backendRequest takes the place of request; 0s is no timeout."""
    assert only(item(GATEWAY, "HTTPRoute", "r", {"rules": [rule]})).rules[0].timeout == seconds


def deployment(namespace: str = "ml", **labels: str) -> str:
    """A Deployment whose pods have these labels."""
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": "sa", "containers": []}}
    return item("apps/v1", "Deployment", "llm", {"template": template}, namespace)


def timeout(*items: str, context: tuple[str, ...] = ()) -> float | None:
    """The longest timeout to the pods of the first template of the first of these objects."""
    return graph(*items, context=context).longest_timeout(pods_in(items[0])[0])


def mesh_route(host: str, seconds: str | None, name: str = "r", **destination: Any) -> str:
    """A VirtualService that sends to a host with a timeout, or none."""
    rule = {"route": [{"destination": {"host": host, **destination}}]} | ({"timeout": seconds} if seconds else {})
    return item(ISTIO, "VirtualService", name, {"hosts": ["any"], "http": [rule]})


SELECTING = item("v1", "Service", "svc", {"selector": {"app": "llm"}})


def test_the_longest_timeout_of_every_route_counts() -> None:
    """Through a VirtualService, an HTTPRoute and a pool; the longest of them all is the pod's."""
    pool = item(POOL, "InferencePool", "pool", {"selector": {"matchLabels": {"app": "llm"}}})
    ref = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}
    to_pool = item(GATEWAY, "HTTPRoute", "h", {"rules": [{"timeouts": {"request": "300s"}, "backendRefs": [ref]}]})
    pods = deployment(app="llm", x="y")
    assert timeout(pods, SELECTING, mesh_route("svc", "60s")) == 60
    assert timeout(pods, SELECTING, mesh_route("svc", "60s"), pool, to_pool) == 300
    assert timeout(pods, SELECTING, mesh_route("svc", "60s"), mesh_route("svc", None, "b"), pool, to_pool) == inf


def test_no_route_no_timeout() -> None:
    """Neither a Service that no route names, nor one of other pods or of another namespace, leads to the pod."""
    assert timeout(deployment(app="llm"), SELECTING) is None
    assert timeout(deployment(app="other"), SELECTING, mesh_route("svc", "60s")) is None
    assert timeout(deployment("other", app="llm"), SELECTING, mesh_route("svc", "60s")) is None
    without_selector = item("v1", "Service", "svc")
    assert timeout(deployment(app="llm"), without_selector, mesh_route("svc", "60s")) is None


def test_a_subset_leads_to_its_own_pods_only() -> None:
    """v2's timeout is not v1's."""
    rule = item(
        ISTIO, "DestinationRule", "d", {"host": "svc", "subsets": [{"name": "v2", "labels": {"version": "v2"}}]}
    )
    stream = (SELECTING, rule, mesh_route("svc", "60s", subset="v2"))
    assert timeout(deployment(app="llm", version="v2"), *stream) == 60
    assert timeout(deployment(app="llm", version="v1"), *stream) is None


def test_routes_of_tcp_have_no_requests() -> None:
    """A connection of a database has no timeout, and nobody waits for its end."""
    tcp = item(ISTIO, "VirtualService", "t", {"hosts": ["svc"], "tcp": [{"route": [{"destination": {"host": "svc"}}]}]})
    assert timeout(deployment(app="llm"), SELECTING, tcp) is None


def test_services_that_controllers_make_lead_to_their_pods() -> None:
    """KServe's predictor, Ray's head and Serve's Service, a LeaderWorkerSet by the label that its controller sets."""
    model = item("serving.kserve.io/v1beta1", "InferenceService", "m", {"predictor": {"model": {}}})
    assert timeout(model, mesh_route("m-predictor", "60s")) == 60
    assert timeout(model, mesh_route("m-transformer", "60s")) is None
    assert timeout(model, mesh_route("m-predictor", "60s"), mesh_route("m-predictor", "30s", "b")) == 60
    both = item("serving.kserve.io/v1beta1", "InferenceService", "m", {"predictor": {}, "transformer": {}})
    others = [mesh_route("a", None, "c"), mesh_route("m-predictor-00001.other.svc.cluster.local", None, "d")]
    release = graph(both, mesh_route("m-transformer", "60s"), mesh_route("m-predictor-00001", "30s", "b"), *others)
    assert [release.longest_timeout(pod) for pod in pods_in(both)] == [30, 60]
    ray = item("ray.io/v1", "RayService", "r", {"rayClusterConfig": {"headGroupSpec": {"template": {}}}})
    assert timeout(ray, mesh_route("r-head-svc", "60s")) == 60
    spec = {"headGroupSpec": {"template": {}}, "workerGroupSpecs": [{"groupName": "gpu", "template": {}}]}
    cluster = item("ray.io/v1", "RayCluster", "c", spec)
    release = graph(cluster, mesh_route("c-head-svc", "60s"))
    assert [release.longest_timeout(pod) for pod in pods_in(cluster)] == [60, None]
    assert timeout(ray, mesh_route("r-serve-svc", "60s")) == 60
    group = item(
        "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "g", {"leaderWorkerTemplate": {"workerTemplate": {}}}
    )
    selecting = item("v1", "Service", "svc", {"selector": {"leaderworkerset.sigs.k8s.io/name": "g"}})
    assert timeout(group, selecting, mesh_route("svc", "60s")) == 60


def test_a_controller_s_pool_leads_to_its_workload_not_to_its_picker() -> None:
    """An LLMInferenceService's pool is made by its controller; the route to it may stand in the stream."""
    model = item("serving.kserve.io/v1alpha1", "LLMInferenceService", "m", {"router": {"scheduler": {}}})
    ref = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "m-inference-pool"}
    route = item(GATEWAY, "HTTPRoute", "h", {"rules": [{"timeouts": {"request": "300s"}, "backendRefs": [ref]}]})
    workload, scheduler = pods_in(model)
    release = graph(model, route)
    assert (release.longest_timeout(workload), release.longest_timeout(scheduler)) == (300, None)


def test_a_route_of_the_context_counts() -> None:
    """The gateway's release has the route, this one the pods; this one's own version of an object goes first."""
    pods = deployment(app="llm")
    assert timeout(pods, SELECTING, context=(mesh_route("svc", "60s"),)) == 60
    assert timeout(pods, SELECTING, mesh_route("svc", "30s"), context=(mesh_route("svc", "60s"),)) == 30


def test_pods_are_selected_by_what_they_will_carry() -> None:
    """Their template's labels and those that controllers set, one of each pod's own included; by nothing, none are."""
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}}
    release = graph(
        item("apps/v1", "StatefulSet", "db", {"template": template}),
        item("jobset.x-k8s.io/v1alpha2", "JobSet", "j", {"replicatedJobs": [{"template": {"spec": {"template": {}}}}]}),
    )

    def selected(labels: dict[str, str], namespace: str = "ml") -> list[str]:
        return [pods.title for pods in release.selected(namespace, labels)]

    assert selected({"app": "db"}) == ["StatefulSet ml/db"]
    assert selected({"app": "db", "statefulset.kubernetes.io/pod-name": "db-0"}) == ["StatefulSet ml/db"]
    assert selected({"jobset.sigs.k8s.io/jobset-name": "j"}) == ["JobSet ml/j, 0"]
    assert not selected({"statefulset.kubernetes.io/pod-name": "other-0"})
    assert not selected({})
    assert not selected({"app": "db"}, "other")


def accounts_of(kind: str, *items: str) -> set[tuple[str, str]]:
    """The accounts of the release's one gateway."""
    release: Release = graph(*items)
    group = "networking.istio.io" if kind == "istio" else "gateway.networking.k8s.io"
    (gateway,) = release.of(group, "Gateway")
    return accounts(gateway, release)


def test_a_gateway_s_accounts_are_its_pods() -> None:
    """istiod's own for a Gateway that it runs; of Istio's Gateway, and of one that names a Service, of its pods."""
    managed = item(GATEWAY, "Gateway", "g", {"gatewayClassName": "istio"})
    assert accounts_of("api", managed) == {("ml", "g-istio")}
    selecting = item(ISTIO, "Gateway", "g", {"selector": {"istio": "ingress"}})
    pods = deployment("istio-system", istio="ingress")
    assert accounts_of("istio", selecting, pods) == {("istio-system", "sa")}
    assert accounts_of("istio", selecting) == set()
    address = {"type": "Hostname", "value": "edge.istio-system.svc.cluster.local"}
    manual = item(GATEWAY, "Gateway", "g", {"gatewayClassName": "istio", "addresses": [address]})
    service = item("v1", "Service", "edge", {"selector": {"istio": "ingress"}}, "istio-system")
    assert accounts_of("api", manual, service, pods) == {("istio-system", "sa")}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"endpointPickerRef": {"name": "epp", "port": {"number": 9002}}}, ("epp", 9002)),
        ({"extensionRef": {"name": "epp"}}, ("epp", None)),
        ({"endpointPickerRef": {"kind": "Deployment", "group": "apps", "name": "epp"}}, ("", None)),
        ({}, ("", None)),
    ],
)
def test_a_pool_names_its_picker(spec: dict[str, Any], expected: tuple[str, Any]) -> None:
    """A Service of the pool's namespace, under the name that the field had before 1.0 too."""
    (pool,) = graph(item(POOL, "InferencePool", "p", spec)).of("inference.networking.k8s.io", "InferencePool")
    assert picker(pool) == expected


def test_a_pool_has_the_pods_of_its_namespace_that_it_selects() -> None:
    """Also in the context, and with the selector as it was before 1.0."""
    pool = item("inference.networking.x-k8s.io/v1alpha2", "InferencePool", "p", {"selector": {"app": "llm"}})
    release = graph(pool, deployment(app="llm"), deployment("other", app="llm"), context=(deployment(app="llm"),))
    (found,) = release.of("inference.networking.x-k8s.io", "InferencePool")
    assert [pods.title for pods in pods_of(found, release)] == ["Deployment ml/llm"]
    elsewhere = graph(pool, context=(deployment(app="llm"),))
    assert [pods.title for pods in pods_of(found, elsewhere)] == ["Deployment ml/llm"]


def behind(*items: str, context: tuple[str, ...] = ()) -> list[str]:
    """Whose pods stand behind the first backend of the release's one route."""
    release = graph(*items, context=context)
    (route,) = routes(release)
    return [pods.title for pods in pods_behind(route.rules[0].backends[0], release)]


def test_a_route_leads_to_pods() -> None:
    """By the selector of a Service or a pool, or by what a controller makes, of this release or another."""
    assert behind(deployment(app="llm"), SELECTING, mesh_route("svc", None)) == ["Deployment ml/llm"]
    assert behind(SELECTING, mesh_route("svc", None), context=(deployment(app="llm"),)) == ["Deployment ml/llm"]
    assert behind(deployment(app="llm"), SELECTING, mesh_route("example.com", None)) == []
    model = item("serving.kserve.io/v1beta1", "InferenceService", "m", {"predictor": {}, "explainer": {}})
    assert behind(model, mesh_route("m-predictor", None)) == ["InferenceService ml/m, predictor"]
    assert behind(mesh_route("m-explainer", None), context=(model,)) == ["InferenceService ml/m, explainer"]
    llm = item("serving.kserve.io/v1alpha1", "LLMInferenceService", "m", {"router": {"scheduler": {}}})
    assert behind(llm, mesh_route("m-epp-service", None)) == ["LLMInferenceService ml/m, scheduler"]
    ref = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "m-inference-pool"}
    to_pool = item(GATEWAY, "HTTPRoute", "h", {"rules": [{"backendRefs": [ref]}]})
    assert behind(llm, to_pool) == ["LLMInferenceService ml/m"]
    pool = item(POOL, "InferencePool", "m-inference-pool", {"selector": {"matchLabels": {"app": "llm"}}})
    assert behind(pool, deployment(app="llm"), to_pool) == ["Deployment ml/llm"]
