"""`mlmesh check --live` where a real cluster cannot be brought to answer so; the rest is in tests/cluster."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dev.toolchain import ROOT
from mlmesh.commands import kubectl as child
from mlmesh.commands.beside import lines, text
from mlmesh.commands.kubectl import Kubectl, forbidden, refused_only, told
from mlmesh.commands.live import wanted
from mlmesh.graph.fields import selects
from mlmesh.graph.kinds import LATE
from mlmesh.graph.release import is_read
from mlmesh.manifests.stream import read
from mlmesh.model.errors import InputError
from tests.support.checks import check, found
from tests.support.kubectls import calls, fake, item
from tests.support.streams import BIN

ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: llm, namespace: ml}
spec:
  hosts: [llm.example.com]
  http: [{timeout: 5s, route: [{destination: {host: llm}}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: ml, labels: {istio-injection: disabled}}
"""
DENIED = (
    'Error from server (Forbidden): services is forbidden: User "u" cannot list resource "services" in API group ""'
)


def live(program: Path, *arguments: str, stdin: str = ROUTE) -> tuple[int, dict[str, Any], str]:
    """(exit code, the report in JSON, standard error) of a check beside the cluster of this kubectl."""
    done = check("--live", "--format", "json", *arguments, stdin=stdin, KUBECTL=str(program))
    found(done)  # it is as its schema says
    return done.returncode, json.loads(done.stdout), done.stderr.decode()


def codes(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["code"], each["severity"]) for each in report["findings"]]


def test_a_service_of_the_cluster_is_known(tmp_path: Path) -> None:
    """The counter-proof of all that follows: without it the route leads to nothing, with it there is no finding."""
    assert codes(live(fake(tmp_path / "a"), "-")[1]) == [("MLM102", "error")]
    code, report, _ = live(fake(tmp_path / "b", items=[item("Service", "llm")]), "-")
    assert (code, codes(report)) == (0, [])


def test_what_cannot_be_listed_makes_absence_a_warning(tmp_path: Path) -> None:
    """The error that the stream alone has is softened where Services are unread, and the message says by which."""
    code, report, said = live(fake(tmp_path, ("get namespaces", 0, "", ""), ("get ", 1, '{"items": []}', DENIED)))
    (each,) = report["findings"]
    assert (code, each["severity"]) == (0, "warning")
    assert each["message"].endswith("(a warning, since not all of the cluster could be read: services)")
    assert "unread:    services: forbidden." in said


def test_a_severity_of_the_policy_is_not_softened(tmp_path: Path) -> None:
    """Whoever sets it means it."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: mlmesh.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: p}\n"
        "spec: {invariants: {severity: {MLM102: error}}}\n"
    )
    program = fake(tmp_path / "k", ("get namespaces", 0, "", ""), ("get ", 1, '{"items": []}', DENIED))
    assert live(program, "--policy", str(policy))[0] == 1


def test_a_kind_whose_conversion_is_broken_hides_no_other(tmp_path: Path) -> None:
    """kubectl fails as a whole: the kinds are asked by halves, the broken one is told, the others are read."""
    broken = "Error from server: conversion webhook for networking.istio.io/v1alpha3 failed: EOF"
    answers = [
        ("--selector=", 0, '{"items": []}', ""),
        ("get services,", 1, "", broken),
        ("virtualservices", 1, "", broken),
    ]
    service = item("Service", "llm")
    code, report, _ = live(fake(tmp_path, *answers, items=[service]))
    problems = {each["resource"]: each["problem"] for each in report["live"]["read"] if each["problem"]}
    assert problems == {"virtualservices.networking.istio.io": broken}
    assert (code, codes(report)) == (0, [])


def test_an_api_that_does_not_answer_is_unread_not_unknown(tmp_path: Path) -> None:
    """A list of kinds that is not whole: what is wanted of the lost group counts as unread."""
    kinds = "services svc v1 true Service\nnamespaces ns v1 false Namespace\n"
    lost = "error: unable to retrieve the complete list of server APIs: ray.io/v1: stale GroupVersion discovery"
    report = live(fake(tmp_path, ("api-resources", 1, kinds, lost)))[1]["live"]
    unread = {each["resource"] for each in report["read"] if each["problem"] == "its API does not answer"}
    assert unread == {f"{kind}.ray.io" for kind in ("RayCluster", "RayCronJob", "RayJob", "RayService")}
    assert "ray.io" not in report["unknown"]
    assert "networking.istio.io" in report["unknown"]


@pytest.mark.parametrize(
    ("answers", "part"),
    [
        ([("api-resources", 1, "", "error: You must be logged in to the server\n")], "You must be logged in"),
        ([("api-resources", 1, "", "a plugin says token=abc\n")], "kubectl failed and did not say why"),
        ([("api-resources", 0, "", "")], "it has none of the kinds that are read"),
        ([("get ", 0, "no JSON", "")], "kubectl's answer is no JSON"),
        ([("get ", 1, "", "Unable to connect to the server: https://u:pw@h: EOF")], "Unable to connect to the server"),
        ([("--selector=", 1, "", "error: etcd is gone")], "etcd is gone"),
    ],
)
def test_a_cluster_that_cannot_be_read_ends_the_run(
    answers: list[tuple[str, int, str, str]], part: str, tmp_path: Path
) -> None:
    """With exit code 2, the reason and the cluster; no word of a plugin's and no password; and no findings."""
    code, report, said = live(fake(tmp_path, *answers))
    assert code == 2
    assert part in report["error"]["message"]
    assert "live" not in report
    assert "abc" not in said
    assert "pw" not in said


def test_there_must_be_a_kubectl_that_runs(tmp_path: Path) -> None:
    """One that is not there, and one that is no program."""
    code, report, _ = live(tmp_path / "nowhere")
    assert (code, "there is no program" in report["error"]["message"]) == (2, True)
    (tmp_path / "kubectl").write_bytes(b"\x7fELF")
    (tmp_path / "kubectl").chmod(0o755)
    code, report, _ = live(tmp_path / "kubectl")
    assert (code, "cannot be run" in report["error"]["message"]) == (2, True)


def test_a_slow_cluster_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All calls together have so many seconds, each request to the server its own."""
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("KUBECTL", str(program))
    monkeypatch.setattr(child, "TOTAL_SECONDS", 0.3)
    with pytest.raises(InputError, match="took too long"):
        Kubectl().ask("get")
    assert "--request-timeout=30s" in (live(fake(tmp_path / "f")), calls(tmp_path / "f"))[1][0]


def test_the_server_is_told_without_a_password(tmp_path: Path) -> None:
    """An address may hold one."""
    config = {"clusters": [{"cluster": {"server": "https://me:secret@10.0.0.1:6443"}}], "current-context": "x"}
    report = live(fake(tmp_path, ("config view", 0, json.dumps(config), "")))[1]["live"]
    assert (report["server"], report["context"], report["namespace"]) == ("https://10.0.0.1:6443", "x", "default")


def test_in_a_pod_the_cluster_is_its_own(tmp_path: Path) -> None:
    """Without a configuration kubectl takes the pod's account; the server is the one of its environment."""
    program = fake(tmp_path, ("config view", 1, "", "error: current-context must exist in order to minify"))
    done = check("--live", "--format", "json", stdin=ROUTE, KUBECTL=str(program), KUBERNETES_SERVICE_HOST="10.96.0.1")
    found(done)
    told_of = json.loads(done.stdout)["live"]
    assert (told_of["server"], told_of["context"]) == ("https://10.96.0.1:443", "")


def test_what_is_made_of_another_object_adds_nothing(tmp_path: Path) -> None:
    """A Deployment of an InferenceService, and a Job that is done, are no pods; those of an unknown operator are."""

    def deployment(name: str, *owners: dict[str, object]) -> dict[str, object]:
        container = {"name": "c", "image": "vllm/vllm-openai", "args": ["--enable-lora"]}
        template = {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [container], "hostNetwork": True}}
        spec = {"selector": {"matchLabels": {"app": "llm"}}, "template": template}
        metadata = {"ownerReferences": list(owners)}
        return item("Deployment", name, api_version="apps/v1", spec=spec, metadata=metadata)

    made = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "x", "controller": True}
    others = {"apiVersion": "example.com/v1", "kind": "Model", "name": "x", "controller": True}
    done = item(
        "Job",
        "done",
        api_version="batch/v1",
        spec={"template": {"spec": {"containers": []}}},
        status={"conditions": [{"type": "Complete", "status": "True"}]},
    )
    asking = [deployment("plain"), deployment("made", made), deployment("others", others), done]
    for each in asking[:3]:
        each["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = "true"  # type: ignore[index]
    program = fake(tmp_path, items=[*asking, item("Namespace", "ml", "")])
    judged = subprocess.run(
        [BIN / "mlmesh", "check", "--live", "--format", "json"],
        env={"KUBECTL": str(program), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    names = {each["name"] for each in json.loads(judged.stdout)["findings"] if each["code"] == "MLM510"}
    assert names == {"plain", "others"}
    counts = {each["resource"]: each["count"] for each in json.loads(judged.stdout)["live"]["read"]}
    assert (counts["deployments.apps"], counts["jobs.batch"]) == (3, 1)


def test_only_kinds_that_rules_read_are_asked_for(tmp_path: Path) -> None:
    """Secrets are none, though the cluster has them; nor are pods and ConfigMaps. Each is a kind that context takes."""
    live(fake(tmp_path))
    (asked,) = [call for call in calls(tmp_path) if call.startswith("get ") and "--selector" not in call]
    assert asked.split()[1].split(",") == sorted(
        ["deployments.apps", "jobs.batch", "namespaces", "services", "virtualservices.networking.istio.io"]
    )
    assert not {("", "Secret"), ("", "ConfigMap"), ("", "Pod"), ("apps", "ReplicaSet")} & wanted()
    for group, kind in wanted():
        (document,) = read(text({"apiVersion": f"{group}/v1", "kind": kind})).documents
        assert is_read(document) or kind in LATE, kind


def test_json_of_a_cluster_is_yaml() -> None:
    """Whatever a string holds reads back as it was: line breaks of Unicode's, DEL, a byte order mark, an emoji."""
    held = "a\u0085b\u2028c\u007f\ufeff\U0001f600\t\"\\ 'x': #\n---\n"
    whole = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": held}, "spec": {"a": [1, None, True, held]}}
    for written in (text(whole), text(whole, indent=2), lines(whole)):
        (document,) = read(written).documents
        assert (document.kind, document.data) == ("Service", whole)


@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "b"}}, {"a": "b", "c": "d"}, True),
        ({"matchLabels": {"a": "b"}}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {"a": "b"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, {"a": "b"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": ["a"], "operator": "In", "values": 5}]}, {"a": "b"}, False),
    ],
)
def test_a_selector_takes_what_kubernetes_takes(selector: dict[str, Any], labels: dict[str, Any], taken: bool) -> None:
    """NotIn takes what has no such label, too."""
    assert selects(selector, labels) is taken


def test_a_refusal_is_read_by_resource_and_group() -> None:
    """And only a run whose every error is one counts as refused."""
    more = DENIED.replace('"services" in API group ""', '"gateways" in API group "networking.istio.io"')
    assert forbidden(f"{DENIED}\nWarning: x\n{more}\n") == {"services", "gateways.networking.istio.io"}
    assert refused_only(f"{DENIED}\nE1126 klog\n{more}")
    assert not refused_only(f"{DENIED}\nerror: something else")
    assert not refused_only("")
    assert told("noise\nerror: https://u:p@h/x refused\n") == "error: https://h/x refused"


def test_options_of_the_cluster_need_live(tmp_path: Path) -> None:
    """A named cluster that is not read would look as if it had been."""
    done = check("--kube-context", "prod", stdin=ROUTE)
    assert (done.returncode, b"add --live" in done.stderr) == (2, True)
    live(fake(tmp_path), "--kube-context", "prod", "--kubeconfig", "f")
    assert all(call.startswith("--kubeconfig=f --context=prod ") for call in calls(tmp_path))


@pytest.mark.parametrize("fix", ["--fix", "--unsafe-fixes", "--diff"])
def test_a_cluster_is_never_mended(fix: str, tmp_path: Path) -> None:
    """Where no file is named and nothing piped in, there is nothing that a fix could be written to."""
    program = fake(tmp_path)
    done = subprocess.run(
        [BIN / "mlmesh", "check", "--live", fix],
        env={"KUBECTL": str(program)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"the cluster is only read" in done.stderr) == (2, True)
    assert not (tmp_path / "calls").exists()


def test_the_page_names_every_kind_of_the_role() -> None:
    """The ClusterRole of docs/live.md lets its user read what is asked for, by API group."""
    import yaml

    page = (ROOT / "docs" / "live.md").read_text()
    role = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {
        *(group for group, _ in wanted()),
        "admissionregistration.k8s.io",
    }
