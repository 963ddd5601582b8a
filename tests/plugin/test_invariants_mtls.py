"""Mutual TLS, ports and protocols: what is an error where, which fixes mend it, and what only looks bad."""

from pathlib import Path

import pytest
import yaml

from mlmesh.graph.ports import protocol
from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES, bad_cases, check, findings
from tests.support.streams import policy

# Nothing tells which port is meant.
UNMENDED = (CASES / "MLM313" / "bad-protocol.yaml", CASES / "MLM310" / "bad-bytes-by-name.yaml")
MENDED = ("MLM301", "MLM304", "MLM308", "MLM310", "MLM313", "MLM315", "MLM316")


def codes(text: str, code: str, *policies: str, context: str = "") -> list[str]:
    """The severities of one rule's findings on a stream as it is."""
    files = [("policy", each.encode()) for each in policies]
    beside = [("context", context.encode())] if context else []
    found = post_render(text.encode(), files, context=beside, as_it_is=True).findings
    return [finding.severity for finding in found if finding.code == code]


def case(code: str, name: str = "bad") -> str:
    return (CASES / code / f"{name}.yaml").read_text()


def without(text: str, kind: str) -> str:
    """A stream without its objects of one kind."""
    return "---\n".join(yaml.safe_dump(item) for item in yaml.safe_load_all(text) if item["kind"] != kind)


@pytest.mark.parametrize(
    "file", [file for code in MENDED for file, _ in bad_cases(code)], ids=lambda file: str(file)[-30:]
)
def test_a_fix_mends_what_is_found(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `mlmesh check --unsafe-fixes` writes has no finding of the rule any more, nor another one instead."""
    copy = tmp_path / file.name
    copy.write_text(file.read_text())
    monkeypatch.chdir(tmp_path)
    before = findings(copy)
    check(copy, "--unsafe-fixes")
    after = {each["code"] for each in findings(copy) if each["severity"] != "info"}
    if file in UNMENDED:
        assert copy.read_text() == file.read_text()
    else:
        assert file.parent.name in {each["code"] for each in before}
        assert after == set()


@pytest.mark.parametrize("code", ["MLM302", "MLM303"])
def test_a_namespace_of_others_warns_and_an_unknown_one_is_not_spoken_of(code: str) -> None:
    """What is refused is an error where the release owns the namespace; elsewhere somebody else may except it."""
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ml, labels: {istio-injection: enabled}}\n"
    bare = without(case(code), "Namespace")
    assert codes(case(code), code) == ["error"]
    assert codes(bare, code) == []
    assert codes(bare, code, context=namespace) == ["warning"]
    assert codes(bare, code, policy(owns=["ml"]), context=namespace) == ["error"]


@pytest.mark.parametrize("code", ["MLM301", "MLM302", "MLM303", "MLM315"])
def test_what_is_not_strict_refuses_nothing(code: str) -> None:
    """Without a PeerAuthentication, with one that is PERMISSIVE, and with two of which either may be the oldest."""
    text = case(code)
    assert codes(text, code) == ["error"]
    assert codes(without(text, "PeerAuthentication"), code) == []
    assert codes(text.replace("STRICT", "PERMISSIVE"), code) == []
    strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: %s, namespace: ml}\n"
    name = "vllm" if code == "MLM303" else "llm"
    spec = "spec: {selector: {matchLabels: {app: %s}}, mtls: {mode: %s}}\n"
    two = "---\n".join((strict % mode.lower() + spec % (name, mode)) for mode in ("STRICT", "PERMISSIVE"))
    assert codes(f"{text}---\n{two}", code) == []


@pytest.mark.parametrize("code", ["MLM301", "MLM302", "MLM303"])
def test_the_meshs_own_policy_counts_from_the_context(code: str) -> None:
    """A STRICT policy of the root namespace, which the release does not hold, refuses as much."""
    mesh = (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        "metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n"
    )
    assert codes(without(case(code), "PeerAuthentication"), code, context=mesh) == ["error"]


def test_the_post_renderer_excludes_what_training_pods_meet_on() -> None:
    """A TrainJob that would be refused as it is has its port excluded, and is judged as it leaves."""
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: train, namespace: ml}\nspec:\n  parallelism: 2\n"
        "  template:\n    metadata: {labels: {mlmesh.dev/role: training}}\n    spec:\n      restartPolicy: Never\n"
        "      containers: [{name: t, image: pytorch/pytorch:2.9.0, command: [torchrun, --nnodes=2, train.py]}]\n"
    )
    text = without(case("MLM303"), "LeaderWorkerSet") + "---\n" + job
    assert codes(text, "MLM303") == ["error"]
    assert [each.code for each in post_render(text.encode()).findings if each.code == "MLM303"] == []


@pytest.mark.parametrize(
    "command", ["[torchrun, --standalone, train.py]", "[torchrun, --nnodes=1, train.py]", "[python, train.py]"]
)
def test_303_programs_that_meet_nobody(command: str) -> None:
    """One node alone calls no peer."""
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: train, namespace: ml}\nspec:\n  parallelism: 2\n"
        "  template:\n    spec:\n      restartPolicy: Never\n"
        f"      containers: [{{name: t, image: pytorch/pytorch:2.9.0, command: {command}}}]\n"
    )
    assert codes(without(case("MLM303"), "LeaderWorkerSet") + "---\n" + job, "MLM303") == []


def test_307_an_allow_rule_beside_one_that_lets_connections_in_warns() -> None:
    """Nothing is refused then: the rule about requests just never holds."""
    wide = (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: wide, namespace: ml}\n"
        "spec: {selector: {matchLabels: {app: head}}, rules: [{from: [{source: {namespaces: [ml]}}]}]}\n"
    )
    assert codes(case("MLM307") + "---\n" + wide, "MLM307") == ["warning"]


def test_307_a_head_of_ray_has_tcp_ports_unless_its_service_is_given() -> None:
    """KubeRay gives the Service that it makes appProtocol tcp; one that the cluster's author gives says otherwise."""
    cluster = (
        "apiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: ray, namespace: ml}\nspec:\n  headGroupSpec:\n"
        "    rayStartParams: {}\n%s    template:\n      metadata: {labels: {app: ray}}\n      spec:\n"
        "        containers: [{name: head, image: rayproject/ray:2.53.0, ports: [{containerPort: 8265}]}]\n"
    )
    access = (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: jobs, namespace: ml}\n"
        "spec: {selector: {matchLabels: {ray.io/node-type: head}}, rules: [{to: [{operation: {paths: [/api/*]}}]}]}\n"
    )
    assert codes(f"{cluster % ''}---\n{access}", "MLM307") == ["error"]
    given = "    headService: {spec: {ports: [{name: http, port: 8265, appProtocol: http}]}}\n"
    assert codes(f"{cluster % given}---\n{access}", "MLM307") == []


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"name": "http-api", "port": 80}, "http"),
        ({"name": "HTTP2-x", "port": 80}, "http2"),
        ({"name": "grpc-web-x", "port": 80}, "grpc-web"),
        ({"name": "httpx", "port": 80}, ""),
        ({"name": "h2c", "port": 80}, ""),
        ({"port": 80}, ""),
        ({"port": 3306}, "tcp"),
        ({"name": "http", "port": 3306}, "http"),
        ({"name": "http", "appProtocol": "tcp", "port": 80}, "tcp"),
        ({"name": "http", "appProtocol": "example.com/x", "port": 80}, ""),
        ({"appProtocol": "kubernetes.io/h2c", "port": 80}, "http2"),
        ({"appProtocol": "kubernetes.io/ws", "port": 80}, "http"),
        ({"appProtocol": "kubernetes.io/wss", "port": 80}, "https"),
        ({"name": "http", "protocol": "UDP", "port": 80}, "udp"),
    ],
)
def test_a_ports_protocol_is_istios(port: dict[str, object], expected: str) -> None:
    """As istio/istio pkg/config/kube/conversion.go: appProtocol, then the name's first word, then the number."""
    assert protocol(port) == expected


def test_302_a_gateway_of_the_context_refuses_nothing() -> None:
    """PeerAuthentication does not touch a gateway's listeners, whichever release its pods are of."""
    gateway = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: gw, namespace: ml}\nspec:\n  template:\n"
        '    metadata:\n      labels: {app: gw, sidecar.istio.io/inject: "true"}\n%s    spec:\n'
        "      containers: [{name: x, image: auto, ports: [{name: http, containerPort: 8080}]}]\n"
    )
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: gw, namespace: ml}\n"
        "spec: {selector: {matchLabels: {app: gw}}, podMetricsEndpoints: [{port: http}]}\n"
    )
    release = without(case("MLM302"), "ServiceMonitor") + "---\n" + monitor
    template = "      annotations: {inject.istio.io/templates: gateway}\n"
    server = gateway.replace("image: auto", "image: example.com/server:1")
    assert codes(release, "MLM302", context=server % "") == ["error"]
    assert codes(release, "MLM302", context=server % template) == []
    assert codes(release, "MLM302", context=gateway % "") == []  # its image, which the injector puts in, tells


def test_two_objects_of_one_name_with_other_parts_are_no_defect() -> None:
    """Pods are told apart by the names of their owners: of a second one nothing is said beside MLM903."""
    item = """\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {{name: mpi, namespace: ml}}
spec: {{mpiReplicaSpecs: {{{part}: {{template: {{spec: {{containers: [{{name: mpi, image: x}}]}}}}}}}}}}
"""
    mesh = case("MLM303").partition("---\napiVersion: leaderworkerset")[0]
    both = "---\n".join([mesh, *(item.format(part=part) for part in ("Launcher", "Worker"))])
    assert codes(both, "MLM303") == []
    assert codes(both, "MLM903") != []
