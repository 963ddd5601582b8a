"""`mlmesh check --live` against a real API server: what it holds is context, and only read."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.cluster import free_ports
from dev.toolchain import ROOT
from tests.support.checks import check, found
from tests.support.clusters import TestCluster
from tests.support.kubectls import calls, noted
from tests.support.streams import BIN

PAGE = (ROOT / "docs" / "live.md").read_text()
ROLE = yaml.safe_load(PAGE.partition("```yaml\n")[2].partition("```")[0])
READERS = ("mlmesh-live", "live-some", "live-one")  # what tests make besides namespaces, and delete
WEBHOOK = "mutatingwebhookconfigurations.admissionregistration.k8s.io/istio-sidecar-injector-canary"
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: llm, namespace: ml}
spec:
  hosts: [llm.example.com]
  http: [{timeout: 5s, route: [{destination: {host: llm.other.svc.cluster.local, port: {number: 8080}}}]}]
---
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata: {name: p}
spec: {owns: [other]}
"""


def service(port: int = 8080, namespace: str = "other") -> str:
    """The Service that the route leads to."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: llm, namespace: {namespace}}}\n"
        f"spec: {{selector: {{app: llm}}, ports: [{{name: http, port: {port}}}]}}\n"
    )


def namespace(name: str, **labels: str) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}) + "\n"


class Live:
    """The cluster, its users, and checks beside it."""

    def __init__(self, cluster: TestCluster, kubectl: str, folder: Path) -> None:
        self.cluster = cluster
        self.kubectl = kubectl
        self.folder = folder
        self.environment = {  # kubectl keeps what it knows of a cluster, which is not to be the user's
            "KUBECTL": kubectl,
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBECACHEDIR": str(folder / "cache"),
        }

    def apply(self, *manifests: str) -> None:
        done = self.cluster.kubectl("apply", "-f", "-", stdin="---\n".join(manifests))
        assert done.returncode == 0, done.stderr

    def check(self, *arguments: str, stdin: str | None = ROUTE, **environment: str) -> tuple[int, dict[str, Any], str]:
        """(exit code, JSON report, standard error) of a check beside the cluster; without `stdin` nothing is piped."""
        given = {**self.environment, **environment}
        if stdin is None:
            command = [str(BIN / "mlmesh"), "check", "--live", "--format", "json", *arguments]
            done = subprocess.run(command, env=given, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        else:
            done = check("--live", "--format", "json", *arguments, stdin=stdin, **given)
        found(done)  # it is as its schema says
        return done.returncode, json.loads(done.stdout), done.stderr.decode()

    def user(self, name: str) -> str:
        """The configuration of a ServiceAccount of the namespace `users`."""
        self.apply(
            namespace("users"), f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: users}}\n"
        )
        token = self.cluster.kubectl("create", "token", name, "-n", "users").stdout
        config = json.loads(self.cluster.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(config))
        return str(file)

    def may(self, name: str, rules: list[dict[str, object]], *namespaces: str) -> str:
        """The configuration of a user that may do this, in some namespaces or in all."""
        config = self.user(name)
        head = "rbac.authorization.k8s.io/v1"
        role = {"apiVersion": head, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
        self.apply(json.dumps(role))
        for each in namespaces or [""]:
            binding = {
                "apiVersion": head,
                "kind": "RoleBinding" if each else "ClusterRoleBinding",
                "metadata": {"name": name, **({"namespace": each} if each else {})},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "users"}],
            }
            self.apply(json.dumps(binding))
        return config

    def versions(self) -> str:
        """Kind, name and version of what a check could have written to."""
        kinds = (
            "namespaces,services,configmaps,secrets,serviceaccounts,virtualservices.networking.istio.io,clusterroles"
        )
        columns = "custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name,V:.metadata.resourceVersion"
        done = self.cluster.kubectl("get", kinds, "-A", "-o", columns)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def emptied(cluster: TestCluster) -> Iterator[TestCluster]:
    """The cluster without what other tests left, and in the end without what these did."""
    cluster.empty()
    yield cluster
    cluster.empty()


@pytest.fixture
def live(emptied: TestCluster, tool: Callable[[str], str], tmp_path: Path) -> Iterator[Live]:
    """A cluster with the namespaces `ml` and `other`, both empty; whatever a test makes is gone when it ends."""
    own = Live(emptied, tool("kubectl"), tmp_path)
    own.apply(namespace("ml"), namespace("other"))
    yield own
    names = [f"{kind}/{name}" for name in READERS for kind in ("clusterrole", "clusterrolebinding")]
    emptied.kubectl("delete", "--ignore-not-found", *names, WEBHOOK)
    for place in ("ml", "other", "default"):
        emptied.kubectl("delete", "--all", "-n", place, "rolebindings,secrets,virtualservices.networking.istio.io")
        emptied.kubectl("delete", "--ignore-not-found", "-n", place, "service", "llm", "more")


def codes(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["code"], each["severity"]) for each in report["findings"]]


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {each["resource"]: each["count"] for each in report["live"]["read"]}


def problems(report: dict[str, Any]) -> dict[str, str]:
    return {each["resource"]: each["problem"] for each in report["live"]["read"] if each["problem"]}


def test_a_service_of_another_release_makes_the_route_lead_somewhere(live: Live) -> None:
    """An error without it; with it there is none, and the report says where it was read and how many there are."""
    assert codes(live.check()[1]) == [("MLM102", "error")]
    live.apply(service())
    code, report, said = live.check()
    assert (code, codes(report), problems(report)) == (0, [], {})
    assert counts(report)["services"] == 2  # the API server has one of its own
    config = json.loads(live.cluster.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    assert (report["live"]["context"], report["live"]["server"]) == ("mlmesh", server)
    assert said.startswith(f"mlmesh: read the cluster (context mlmesh, {server}); nothing was written there\n")
    assert config["users"][0]["user"]["token"] not in said + json.dumps(report)


def test_an_upgrade_is_judged_with_the_new_object(live: Live) -> None:
    """The stream's Service counts, not the cluster's of the same name, and the object is not there twice."""
    live.apply(service(8080))
    assert codes(live.check(stdin=f"{ROUTE}---\n{service(8080)}")[1]) == []
    assert codes(live.check(stdin=f"{ROUTE}---\n{service(9090)}")[1]) == [("MLM105", "error")]
    unnamed = service(9090).replace(", namespace: other", "")
    assert codes(live.check("--namespace", "other", stdin=f"{ROUTE}---\n{unnamed}")[1]) == [("MLM105", "error")]


def test_what_an_upgrade_deletes_is_no_context(live: Live) -> None:
    """A release of Helm's that renames its VirtualService: the old one, which has the host, is not held against it.

    That of another release is, and so is one that Helm keeps; and what Helm did not render is no whole release.
    """
    annotations = "annotations: {meta.helm.sh/release-name: r, meta.helm.sh/release-namespace: ml}"
    route = ROUTE.partition("---")[0].replace("llm.example.com", "llm")
    old = route.replace("name: llm, namespace: ml}", f"name: old, namespace: ml, {annotations}}}")
    held = service(8080, "ml").replace("namespace: ml}", f"namespace: ml, {annotations}}}")
    new = route.replace("host: llm.other.svc.cluster.local", "host: llm")
    stream = f"# Source: r/templates/a.yaml\n{new}---\n# Source: r/templates/b.yaml\n{service(8080, 'ml')}"
    live.apply(old, held)
    assert "MLM107" not in dict(codes(live.check(stdin=stream)[1]))
    assert "MLM107" in dict(codes(live.check(stdin=stream.replace("# Source", "# "))[1]))
    live.apply(old.replace("{meta", "{helm.sh/resource-policy: keep, meta"))
    assert "MLM107" in dict(codes(live.check(stdin=stream)[1]))
    live.apply(old.replace("release-name: r", "release-name: s"))
    assert "MLM107" in dict(codes(live.check(stdin=stream)[1]))


def test_what_names_no_namespace_is_in_that_of_the_context(live: Live) -> None:
    """As kubectl would apply it; `default` where the context has none. A policy that names the release's goes first."""
    live.apply(service(8080))
    config = json.loads(live.cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = "other"
    file = live.folder / "other.json"
    file.write_text(json.dumps(config))
    stream = f"{ROUTE}---\n{service(9090).replace(', namespace: other', '')}"
    assert codes(live.check(stdin=stream)[1]) == []
    code, report, _ = live.check(stdin=stream, KUBECONFIG=str(file))
    assert (codes(report), report["live"]["namespace"]) == ([("MLM105", "error")], "other")
    said = stream.replace("spec: {owns: [other]}", "spec: {owns: [other], release: {name: r, namespace: ml}}")
    report = live.check(stdin=said, KUBECONFIG=str(file))[1]
    assert (code, codes(report), report["live"]["namespace"]) == (1, [], "ml")


def test_the_cluster_is_chosen_as_kubectl_chooses_it(live: Live) -> None:
    """By --kubeconfig over KUBECONFIG, by --kube-context over the current one."""
    config = json.loads(live.cluster.kubeconfig.read_text())
    config["contexts"].append({"name": "second", "context": {**config["contexts"][0]["context"], "namespace": "ml"}})
    file = live.folder / "both.json"
    file.write_text(json.dumps(config))
    nowhere = {"KUBECONFIG": str(live.folder / "none")}
    report = live.check("--kubeconfig", str(file), **nowhere)[1]["live"]
    assert (report["context"], report["namespace"]) == ("mlmesh", "default")
    report = live.check("--kubeconfig", str(file), "--kube-context", "second", **nowhere)[1]["live"]
    assert (report["context"], report["namespace"]) == ("second", "ml")
    code, report, _ = live.check("--kubeconfig", str(file), "--kube-context", "third", **nowhere)
    assert (code, "third" in report["error"]["message"]) == (2, True)


def test_the_role_of_the_page_is_enough_and_nothing_is_written(live: Live) -> None:
    """Its user may only get and list, and no Secrets: every kind is read, and no object has another version after."""
    live.apply(service(), "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ml}\nstringData: {a: hidden}\n")
    config = live.may("mlmesh-live", ROLE["rules"])
    secrets = live.cluster.kubectl("get", "secrets", "-A", "--kubeconfig", config)
    assert "forbidden" in secrets.stderr
    before = live.versions()
    code, report, said = live.check(KUBECONFIG=config)
    assert (code, codes(report), problems(report)) == (0, [], {})
    assert report["live"]["istiod"] == report["live"]["webhooks"] == []
    assert "hidden" not in said + json.dumps(report)
    assert live.versions() == before


def test_kubectl_is_asked_to_read_and_for_nothing_secret(live: Live) -> None:
    """Its four calls, written down."""
    program = noted(live.folder / "noted", live.kubectl)
    assert live.check(KUBECTL=str(program))[0] == 1
    asked = calls(live.folder / "noted")
    verbs = [call.split()[0] for call in asked]
    assert verbs == ["config", "api-resources", "get", "get"]
    assert not [call for call in asked if "secret" in call or "configmap" in call]


def test_what_is_forbidden_is_told_and_makes_absence_a_warning(live: Live) -> None:
    """A user that may list routes and no Services: what they lead to may be there."""
    live.apply(service())
    rules: list[dict[str, object]] = [
        {"apiGroups": ["networking.istio.io", "apps"], "resources": ["*"], "verbs": ["get", "list"]}
    ]
    code, report, said = live.check(KUBECONFIG=live.may("live-some", rules))
    assert (code, codes(report)) == (0, [("MLM102", "warning")])
    assert problems(report)["services"] == "forbidden"
    assert "virtualservices.networking.istio.io" not in problems(report)
    assert report["live"]["istiod"] is report["live"]["webhooks"] is None
    assert "  istiod:    its pods could not be read\n" in said


def test_a_user_of_some_namespaces_reads_those(live: Live) -> None:
    """Where a kind may not be listed in all, it is in those of the stream; with one that may not be read it is told."""
    live.apply(service())
    stream = f"{ROUTE}---\n{service().replace('name: llm', 'name: more')}---\n{namespace('other')}"
    config = live.may("mlmesh-live", ROLE["rules"], "ml", "other", "default")
    code, report, said = live.check(stdin=stream, KUBECONFIG=config)
    (read,) = (each for each in report["live"]["read"] if each["resource"] == "services")
    assert (code, codes(report)) == (0, [])
    assert (read["count"], read["namespaces"]) == (2, ["default", "ml", "other"])
    assert "services 2 in default, ml, other" in said
    live.cluster.kubectl("delete", "rolebinding", "mlmesh-live", "-n", "other")
    code, report, _ = live.check(stdin=stream, KUBECONFIG=config)
    assert problems(report)["services"] == "forbidden but in default, ml"


def test_who_may_read_nothing_is_told_so(live: Live) -> None:
    """With exit code 2, the kinds by name: an empty context would make everything look absent."""
    code, report, _ = live.check(KUBECONFIG=live.user("nobody"))
    assert code == 2
    assert "forbidden" in report["error"]["message"]
    assert "services" in report["error"]["message"]
    assert report["findings"] == []


def test_a_kind_without_its_definition_is_skipped(live: Live) -> None:
    """KServe is not installed there, nor the older InferencePool: told as unknown, and no problem."""
    report = live.check()[1]
    assert {"serving.kserve.io", "InferencePool.inference.networking.x-k8s.io"} & set(report["live"]["unknown"])
    assert not {"networking.istio.io", "apps"} & set(report["live"]["unknown"])
    assert problems(report) == {}


def test_a_server_that_is_not_there_ends_the_run(live: Live) -> None:
    """With exit code 2 and its address, in the report, too; nothing is judged without it."""
    (port,) = free_ports(1)
    config = json.loads(live.cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    file = live.folder / "gone.json"
    file.write_text(json.dumps(config))
    code, report, said = live.check(KUBECONFIG=str(file))
    assert (code, report["findings"], "live" in report) == (2, [], False)
    assert f"127.0.0.1:{port}" in report["error"]["place"]
    assert "refused" in said


def control_plane(live: Live, istioctl: str) -> None:
    """A ready pod of istiod, and the injector's webhooks as Istio's own chart has them, of revision canary."""
    done = subprocess.run(
        [istioctl, "manifest", "generate", "--set", "values.revision=canary"],
        capture_output=True,
        text=True,
        check=True,
    )
    (hooks,) = (
        each for each in yaml.safe_load_all(done.stdout) if each and each["kind"] == "MutatingWebhookConfiguration"
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "istiod-canary-7d9f",
            "namespace": "istio-system",
            "labels": {"app": "istiod", "istio.io/rev": "canary"},
        },
        "spec": {"containers": [{"name": "discovery", "image": "docker.io/istio/pilot:1.31.0"}]},
    }
    live.apply(namespace("istio-system"), json.dumps(pod))
    status = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    target = ["pod", "istiod-canary-7d9f", "-n", "istio-system", "--subresource=status"]
    assert live.cluster.kubectl("patch", *target, "--type=merge", "-p", status).returncode == 0
    live.apply(json.dumps(hooks))


def test_the_control_plane_is_told(live: Live, tool: Callable[[str], str]) -> None:
    """istiod's pod with its version, the webhooks with their selectors; and which namespaces nobody serves."""
    control_plane(live, tool("istioctl"))
    live.apply(service(), namespace("served", **{"istio.io/rev": "canary"}))
    labelled = "".join(
        f"---\n{namespace(name, **labels)}"
        for name, labels in {
            "served": {"istio.io/rev": "canary"},
            "lost": {"istio.io/rev": "stable"},
            "legacy": {"istio-injection": "enabled"},
            "silent": {},
        }.items()
    )
    code, report, said = live.check(stdin=ROUTE + labelled)
    told = report["live"]
    assert code == 0
    assert told["istiod"] == [
        {
            "namespace": "istio-system",
            "name": "istiod-canary-7d9f",
            "revision": "canary",
            "image": "docker.io/istio/pilot:1.31.0",
            "version": "1.31.0",
            "ready": True,
        }
    ]
    assert {each["revision"] for each in told["webhooks"]} == {"canary"}
    assert {"key": "istio-injection", "operator": "DoesNotExist"} in told["webhooks"][0]["namespaceSelector"][
        "matchExpressions"
    ]
    assert told["revisions"] == ["canary"]
    assert told["unserved"] == [
        {"namespace": "legacy", "label": "istio-injection: enabled"},
        {"namespace": "lost", "label": "istio.io/rev: stable"},
    ]
    assert "WARNING namespace lost is labelled istio.io/rev: stable, and no injector's webhook" in said


def test_without_files_the_cluster_itself_is_judged(live: Live) -> None:
    """Each finding names its object; Kubernetes' own namespaces are looked at only."""
    route = ROUTE.partition("---")[0]
    other = route.replace("namespace: ml", "namespace: kube-system").replace("llm.example", "other.example")
    live.apply(route, other)
    try:
        code, report, _ = live.check(stdin=None)
        assert code == 1
        assert [(each["code"], each["file"]) for each in report["findings"]] == [
            ("MLM102", "cluster/ml/virtualservices.networking.istio.io/llm")
        ]
        live.apply(service())
        assert live.check(stdin=None)[0] == 0
    finally:
        live.cluster.kubectl("delete", "virtualservice", "llm", "-n", "kube-system")


def test_the_session_of_the_page_comes_out_as_written(live: Live, tool: Callable[[str], str], tmp_path: Path) -> None:
    """Line by line, but for the address, the name of the context, and where the page breaks off with three dots."""
    control_plane(live, tool("istioctl"))
    live.apply(service(), namespace("ml", **{"istio.io/rev": "stable"}))
    (session,) = [part.partition("```")[0] for part in PAGE.split("```console\n")[1:]]
    command, *lines = session.splitlines()
    (tmp_path / "route.yaml").write_text(ROUTE + f"---\n{namespace('ml', **{'istio.io/rev': 'stable'})}")
    done = subprocess.run(
        [BIN / "mlmesh", *command.split()[2:]],
        cwd=tmp_path,
        env=live.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    config = json.loads(live.cluster.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    shown = (
        (done.stderr + done.stdout).replace(server, "https://10.0.0.1:6443").replace("context mlmesh", "context prod")
    )
    for line, real in zip(lines, shown.splitlines(), strict=True):
        assert real.startswith(line[:-3]) if line.endswith("...") else counted(real) == counted(line)


def counted(line: str) -> str:
    """A line that counts what other tests left, too, without the numbers."""
    return re.sub(r"\d+", "N", line) if line.startswith("  read:") else line
