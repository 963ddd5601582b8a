"""Values of a wrong kind in every place that the graph reads: told, or passed on, but never met with a traceback."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mlmesh.graph.backends import pods_behind
from mlmesh.graph.gateways import accounts
from mlmesh.graph.hosts import resolve
from mlmesh.graph.pods import pod_templates
from mlmesh.graph.pools import picker, pods_of
from mlmesh.graph.ports import protocol
from mlmesh.graph.release import Release
from mlmesh.graph.routes import routes
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.model.errors import InputError
from mlmesh.post_renderer import post_render
from tests.support.graphs import item

POD = {"metadata": {"labels": {"app": "llm"}, "annotations": {"a": "b"}}, "spec": {"containers": [{"image": "i"}]}}
POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool", "namespace": "ml"}
GATEWAY = "gateway.networking.k8s.io/v1"
ISTIO = "networking.istio.io/v1"
OBJECTS = [
    item("apps/v1", "Deployment", "llm", {"template": POD}, annotations={"sidecar.istio.io/inject": "true"}),
    item("serving.kserve.io/v1beta1", "InferenceService", "m", {"predictor": {"labels": {"a": "b"}, "workerSpec": {}}}),
    item(
        "ray.io/v1",
        "RayService",
        "r",
        {"rayClusterConfig": {"workerGroupSpecs": [{"groupName": "g", "template": POD}]}},
    ),
    item("kubeflow.org/v1", "PyTorchJob", "p", {"pytorchReplicaSpecs": {"Worker": {"template": POD}}}),
    item(
        "argoproj.io/v1alpha1",
        "Workflow",
        "w",
        {"podMetadata": {}, "templates": [{"name": "s", "container": {"image": "i"}}]},
    ),
    item("sparkoperator.k8s.io/v1beta2", "SparkApplication", "s", {"image": "i", "driver": {"template": POD}}),
    item("trainer.kubeflow.org/v1alpha1", "TrainJob", "t", {"trainer": {"image": "i"}, "podTemplateOverrides": [POD]}),
    item("example.com/v1", "Farm", "f", {"holder": [POD]}),
    item(
        "workload.codeflare.dev/v1beta2",
        "AppWrapper",
        "a",
        {"components": [{"template": json.loads(item("batch/v1", "Job", "j", {"template": POD}))}]},
    ),
    item("v1", "Service", "llm", {"selector": {"app": "llm"}, "ports": [{"name": "http", "port": 80}]}),
    item(ISTIO, "ServiceEntry", "e", {"hosts": ["hub.example.com"], "workloadSelector": {"labels": {"app": "llm"}}}),
    item(ISTIO, "DestinationRule", "d", {"host": "llm", "subsets": [{"name": "v1", "labels": {"app": "llm"}}]}),
    item(
        ISTIO,
        "VirtualService",
        "v",
        {
            "hosts": ["llm"],
            "gateways": ["edge"],
            "http": [
                {
                    "match": [{"uri": {"prefix": "/"}, "headers": {"x": {"exact": "y"}}}],
                    "timeout": "1s",
                    "mirror": {"host": "llm"},
                    "route": [{"destination": {"host": "llm", "subset": "v1", "port": {"number": 80}}, "weight": 1}],
                },
                {
                    "match": [{"uri": {"prefix": "/v1/embeddings"}}],
                    "rewrite": {"uri": "/"},
                    "delegate": {"name": "w", "namespace": "ml"},
                },
            ],
            "tcp": [{"route": [{"destination": {"host": "hub.example.com"}}]}],
        },
    ),
    item(
        GATEWAY,
        "HTTPRoute",
        "h",
        {
            "hostnames": ["a.example"],
            "parentRefs": [{"name": "g", "sectionName": "s"}],
            "rules": [
                {
                    "matches": [{"path": {"type": "Exact", "value": "/"}, "headers": [{"name": "x"}]}],
                    "filters": [{"requestMirror": {"backendRef": {"name": "llm"}}}],
                    "timeouts": {"request": "1s", "backendRequest": "1s"},
                    "backendRefs": [POOL, {"name": "llm", "port": 80}],
                }
            ],
        },
    ),
    item(GATEWAY, "GRPCRoute", "c", {"rules": [{"matches": [{"method": {"service": "a", "method": "b"}}]}]}),
    item(GATEWAY, "Gateway", "g", {"gatewayClassName": "istio", "addresses": [{"type": "Hostname", "value": "llm"}]}),
    item(ISTIO, "Gateway", "edge", {"selector": {"app": "llm"}}),
    item(
        "inference.networking.k8s.io/v1",
        "InferencePool",
        "pool",
        {"selector": {"matchLabels": {"app": "llm"}}, "endpointPickerRef": {"name": "llm", "port": {"number": 1}}},
    ),
]
WRONG: list[Any] = ["text", "", 7, True, None, ["x"], [["x"]], {"a": ["b"]}, [{"a": {"b": "c"}}], []]


def spoilt(node: Any) -> Iterator[Any]:
    """The node with each of its parts replaced by each wrong value, one at a time."""
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        for value in WRONG:
            yield {**node, key: value} if isinstance(node, dict) else [*node[:key], value, *node[key + 1 :]]
        for below in spoilt(node[key]):
            yield {**node, key: below} if isinstance(node, dict) else [*node[:key], below, *node[key + 1 :]]


def ask_everything(release: Release) -> None:
    """Every question that the graph answers."""
    for route in routes(release):
        for backend in (backend for rule in route.rules for backend in rule.backends):
            list(pods_behind(backend, release))
            resolve(release, backend.host, "ml")
    for group in ("gateway.networking.k8s.io", "networking.istio.io"):
        for gateway in release.of(group, "Gateway"):
            accounts(gateway, release)
    for pool in release.of("inference.networking.k8s.io", "InferencePool"):
        picker(pool)
        list(pods_of(pool, release))
    for host in ("llm", "*.example.com", "nothing", "pool-ip-1"):
        resolve(release, host, "ml")
    for text in OBJECTS[:9]:
        (document,) = manifests.read(text.encode()).documents
        for pod in (pod for found in objects(document, document.data) for pod in pod_templates(found)):
            release.longest_timeout(pod)


@pytest.mark.parametrize("number", range(len(OBJECTS)), ids=[json.loads(text)["kind"] for text in OBJECTS])
def test_a_wrong_value_in_any_place_is_told_or_passed_on(number: int) -> None:
    """A text, a number, a list, a map of lists or nothing in the place of each part of an object: only InputErrors."""
    others = "\n---\n".join(OBJECTS[:number] + OBJECTS[number + 1 :]).encode()
    whole = json.loads(OBJECTS[number])
    tried = 0
    for spec in spoilt(whole["spec"]):
        tried += 1
        text = json.dumps({**whole, "spec": spec}).encode()
        try:
            ask_everything(post_render(text, namespace="ml", context=[("c", others)]).graph)
        except InputError:
            continue
    assert tried >= len(WRONG)


@pytest.mark.parametrize("number", WRONG)
def test_a_port_that_is_no_number_has_no_known_protocol(number: Any) -> None:
    """Its name and its appProtocol still tell."""
    assert protocol({"port": number}) == ""
    assert protocol({"port": number, "name": "grpc-x"}) == "grpc"
