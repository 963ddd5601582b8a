"""deploy/argocd: what Argo CD's plugin server would run, run as it stands there, by both Helms."""

import copy
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dev.helm import Helm
from dev.toolchain import ROOT
from mlmesh.commands.app_source import PARAMETERS
from tests.support.argocd import SCHEMA, PluginServer, fields
from tests.support.clusters import TestCluster
from tests.support.rule_cases import CASES
from tests.support.streams import policy

FILES = ROOT / "deploy" / "argocd"
APPLICATION: dict[str, Any] = yaml.safe_load((FILES / "application.yaml").read_text())
BAD = (CASES / "MLM701" / "bad.yaml").read_text()
PAGE = (ROOT / "docs" / "hosts" / "argocd.md").read_text()

Get = Callable[[str], Helm]
both = pytest.mark.parametrize("name", ["helm3", "helm4"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository that deploy/argocd/application.yaml names: the chart, and two environments' values."""
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "chart", repository / "charts" / "ml-mesh")
    values = repository / "environments"
    values.mkdir()
    weight = "models: {summarizer: {namespace: serving, canary: {from: v1, to: v2, weight: %d}, versions: %s}}\n"
    versions = "{v1: {host: summarizer-v1, port: 8080}, v2: {host: summarizer-v2, port: 8080}}"
    (values / "base.yaml").write_text(weight % (5, versions))
    (values / "prod.yaml").write_text((ROOT / "values" / "prod.yaml").read_text() + weight % (10, "{}"))
    return repository


def server(helm: Helm, plugin: Path = FILES / "plugin.yaml", limit: float = 120, **environment: str) -> PluginServer:
    """The sidecar: the image's programs, and the variables of repo-server-patch.yaml."""
    return PluginServer(plugin, {**helm.environment, **environment}, limit)


def application(**plugin: Any) -> dict[str, Any]:
    """The application with other settings of the plugin."""
    made = copy.deepcopy(APPLICATION)
    made["spec"]["source"]["plugin"] = {"name": "mlmesh", **plugin}
    return made


def parameters(**given: Any) -> dict[str, Any]:
    """The application with parameters, by their names with `_` for `-`."""
    field: dict[type, str] = {str: "string", list: "array", dict: "map"}
    return application(
        parameters=[{"name": name.replace("_", "-"), field[type(value)]: value} for name, value in given.items()]
    )


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What a run gave, which must have gone well."""
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def weights(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The weights of the summarizer's versions."""
    (route,) = [
        item
        for item in objects(done)
        if item["kind"] == "VirtualService" and item["metadata"]["name"] == "summarizer-routing"
    ]
    return {each["destination"]["host"]: each["weight"] for each in route["spec"]["http"][-1]["route"]}


def theirs(repository: Path, text: str, **chart: Any) -> Path:
    """Another chart at the application's place, which renders `text`."""
    folder = repository / "charts" / "ml-mesh"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "theirs", "version": "1.0.0", **chart})
    )
    (folder / "templates" / "all.yaml").write_text(text)
    return folder


@both
def test_the_application_comes_out_as_with_the_post_renderer(helm: Get, repository: Path, name: str) -> None:
    """Byte for byte what `helm template | mlmesh-post` gives with the same values in their order; twice the same."""
    plugins = server(helm(name))
    done = plugins.manifests(repository, APPLICATION)
    assert weights(done) == {"summarizer-v1": 75, "summarizer-v2": 25}  # parameters over prod.yaml over base.yaml
    values = [f"--values={repository}/environments/{file}.yaml" for file in ("base", "prod")]
    wanted = helm(name).run(
        "template", "ml-mesh", ".", "--namespace=ml-mesh", "--include-crds", "--kube-version=1.36.3", *values,
        "--set=models.summarizer.canary.weight=25", cwd=repository / "charts" / "ml-mesh",
    )  # fmt: skip
    assert wanted.returncode == 0, wanted.stderr
    post = subprocess.run(
        ["mlmesh-post", "--namespace=ml-mesh"],
        input=wanted.stdout, capture_output=True, text=True, env=helm(name).environment, check=True,
    )  # fmt: skip
    assert done.stdout == post.stdout
    assert "kind: MeshPolicy" not in done.stdout
    # Argo CD's source hydrator commits what comes out: a second time there is nothing to commit.
    assert plugins.manifests(repository, APPLICATION).stdout == done.stdout


@both
def test_an_api_server_takes_what_comes_out(cluster: TestCluster, helm: Get, repository: Path, name: str) -> None:
    """Every object, strictly validated, in its namespace or the destination's; `helm test` is nothing to Argo CD."""
    items = objects(server(helm(name)).manifests(repository, APPLICATION))
    kept = [item for item in items if item["metadata"].get("annotations", {}).get("helm.sh/hook") != "test"]
    assert len(kept) >= 15
    for item in kept:
        if item["kind"] != "Namespace":
            item["metadata"].setdefault("namespace", "ml-mesh")
    try:
        for namespace in ("ml-mesh", "ml-serving", "ml-training"):
            cluster.kubectl("create", "namespace", namespace)
        strict = ("--dry-run=server", "--server-side", "--validate=strict")
        taken = cluster.kubectl("apply", *strict, "-f", "-", stdin=yaml.safe_dump_all(kept))
        assert taken.returncode == 0, taken.stderr
        assert taken.stdout.count("serverside-applied") == len(kept)
    finally:
        cluster.empty()


@both
def test_a_broken_invariant_stops_the_sync_and_says_why(helm: Get, repository: Path, name: str) -> None:
    """No manifest is printed; the finding is on standard error, which Argo CD shows."""
    theirs(repository, BAD)
    done = server(helm(name)).manifests(repository, application())
    assert (done.returncode, done.stdout) == (1, "")
    assert "ERROR MLM701" in done.stderr
    assert "remedy:" in done.stderr


@both
def test_what_helm_refuses_is_no_manifest(helm: Get, repository: Path, name: str) -> None:
    """Helm's own words, and none of its output."""
    theirs(repository, 'kind: ConfigMap\n---\n{{ fail "replicas are missing" }}\n')
    done = server(helm(name)).manifests(repository, application())
    assert (done.returncode, done.stdout) == (2, "")
    assert "replicas are missing" in done.stderr


def test_half_an_output_is_none(helm: Get, repository: Path, tmp_path: Path) -> None:
    """A Helm that printed manifests before it failed."""
    (tmp_path / "helm").write_text(f"#!/bin/sh\ncat <<'E'\n{BAD.replace('GRPC', 'HTTP')}\nE\nexit 1\n")
    (tmp_path / "helm").chmod(0o755)
    plugins = server(helm("helm3"), PATH=f"{tmp_path}:{helm('helm3').environment['PATH']}")
    done = plugins.manifests(repository, application())
    assert (done.returncode, done.stdout) == (2, "")
    assert "helm template failed" in done.stderr


@both
@pytest.mark.parametrize("text", ["", "# a comment\n", "---\n", "{{ if .Values.on }}kind: X{{ end }}"])
def test_blank_output_is_a_failure(helm: Get, repository: Path, name: str, text: str) -> None:
    """With `prune` Argo CD would delete all that the application has."""
    theirs(repository, text)
    done = server(helm(name)).manifests(repository, application())
    assert (done.returncode, done.stdout) == (2, "")
    assert "the chart renders no object" in done.stderr


def test_values_files_are_found_as_argo_cd_finds_them(helm: Get, repository: Path) -> None:
    """From the source's folder; from the repository's root with a slash; patterns by name, without those named."""
    plugins = server(helm("helm3"))
    source = repository / "charts" / "ml-mesh"

    def weight(*files: str) -> int:
        found = weights(plugins.manifests(repository, parameters(values_files=["/environments/base.yaml", *files])))
        return found["summarizer-v2"]

    for folder, number in (("one", 11), ("two", 12), ("zero", 13)):
        (source / f"{folder}.yaml").write_text(f"models: {{summarizer: {{canary: {{weight: {number}}}}}}}\n")
    assert weight() == 5
    assert weight("one.yaml") == 11
    assert weight("one.yaml", "two.yaml") == 12
    assert weight("two.yaml", "one.yaml") == 11
    assert weight("../../charts/ml-mesh/one.yaml") == 11
    assert weight("/charts/ml-mesh/one.yaml") == 11
    assert weight("[oz]*.yaml") == 13
    assert weight("[oz]*.yaml", "one.yaml") == 11
    assert weight("zero.yaml", "[oz]*.yaml") == 11
    (source / "link.yaml").symlink_to("../../environments/prod.yaml")
    assert weight("link.yaml") == 10


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("missing.yaml", "there is no file missing.yaml in the repository"),
        ("no-*.yaml", "no file is matched by no-*.yaml"),
        ("../../../outside.yaml", "../../../outside.yaml leads out of the repository"),
        ("/../outside.yaml", "leads out of the repository"),
        ("link.yaml", "link.yaml leads out of the repository"),
        ("l*nk.yaml", "link.yaml leads out of the repository"),
        ("https://example.com/values.yaml", "https://example.com/values.yaml is no file of the repository"),
        ("--post-renderer=/bin/sh", "there is no file --post-renderer=/bin/sh in the repository"),
    ],
)
def test_no_other_file_is_read(helm: Get, repository: Path, file: str, said: str) -> None:
    """What is not in the repository is refused, by whatever name or link."""
    (repository / "charts" / "ml-mesh" / "link.yaml").symlink_to("/etc/hostname")
    (repository.parent / "outside.yaml").write_text("")
    plugins = server(helm("helm3"))
    asked = [parameters(values_files=[file])]
    if ":" not in file:  # which parts policies
        asked.append(application(env=[{"name": "MLMESH_POLICY", "value": file}]))
    for each in asked:
        done = plugins.manifests(repository, each)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


def test_every_parameter_does_what_it_announces(helm: Get, repository: Path) -> None:
    """Each announced one is read, by the announced type; what is not set is as announced."""
    plugins = server(helm("helm3"))
    announced = plugins.announced(repository, APPLICATION)
    assert {each["name"]: each.get("collectionType", "string") for each in announced} == PARAMETERS
    folder = theirs(
        repository,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data:\n  values: {{ toJson .Values | quote }}\n  namespace: {{ .Release.Namespace }}\n"
        "  kube: {{ .Capabilities.KubeVersion }}\n"
        '  istio: {{ .Capabilities.APIVersions.Has "networking.istio.io/v1" | quote }}\n',
    )
    (folder / "crds").mkdir()
    (folder / "crds" / "x.yaml").write_text((ROOT / "tests" / "hosts" / "crd.yaml").read_text())

    def made(**given: Any) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
        items = objects(plugins.manifests(repository, parameters(**given)))
        (config,) = [item for item in items if item["kind"] == "ConfigMap"]
        return [item["kind"] for item in items], config, json.loads(config["data"]["values"])

    kinds, config, values = made()
    assert (kinds, values) == (["CustomResourceDefinition", "ConfigMap"], {})
    assert config["metadata"] == {"name": "ml-mesh"}
    del config["data"]["values"]
    assert config["data"] == {"namespace": "ml-mesh", "kube": "v1.36.3", "istio": "true"}
    kinds, config, values = made(
        release_name="other",
        skip_crds="true",
        values="a: {text: 'yes'}\nover: inline\n",
        helm_parameters={"over": "set", "a.list": "{1,2}", "a.commas": "1,2", "a.number": "7"},
        helm_string_parameters={"a.string": "7"},
    )
    assert kinds == ["ConfigMap"]
    assert config["metadata"]["name"] == "other"
    assert values == {
        "over": "set",
        "a": {"text": "yes", "list": [1, 2], "commas": "1,2", "number": 7, "string": "7"},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"name": "value-files", "array": ["x"]}], "there is no such parameter; there are release-name, values-files"),
        ([{"name": "values-files", "string": "x"}], "it is given as string, and read as array"),
        ([{"name": "skip-crds", "string": "maybe"}], 'it is neither "true" nor "false": maybe'),
        ([{"name": "release-name", "string": "--output-dir=/tmp/x"}], "is no name of a release"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused(helm: Get, repository: Path, given: Any, said: str) -> None:
    """Not passed over: an application without its values would be another one."""
    done = server(helm("helm3")).manifests(repository, application(parameters=given))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert given[0]["name"] in done.stderr


def test_the_application_sets_the_post_renderer(helm: Get, repository: Path) -> None:
    """`plugin.env` names policies and more, as files of the repository; what would write files is refused."""
    (repository / "environments" / "policy.yaml").write_text(policy(sidecars={"inference": {"proxyCPU": "750m"}}))
    plugins = server(helm("helm3"))

    def with_env(**env: str) -> subprocess.CompletedProcess[str]:
        return plugins.manifests(
            repository, application(env=[{"name": name, "value": value} for name, value in env.items()])
        )

    assert "750m" not in with_env(FOO="bar").stdout
    assert "750m" in with_env(MLMESH_POLICY="/environments/policy.yaml").stdout
    done = with_env(MLMESH_REPORT="report.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "MLMESH_REPORT cannot be set by an Application" in done.stderr
    theirs(repository, BAD)
    assert with_env().returncode == 1
    assert with_env(MLMESH_WARN_ONLY="1").returncode == 0
    plugins.sidecar["MLMESH_WARN_ONLY"] = "0"
    done = with_env(MLMESH_WARN_ONLY="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "MLMESH_WARN_ONLY is set by the sidecar" in done.stderr


@pytest.mark.parametrize("what", ["invariant", "helm", "parameter"])
def test_a_failure_shows_no_secret(helm: Get, repository: Path, what: str) -> None:
    """Values of parameters, and a Secret's data, are in no message, whatever failed."""
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {key: {{ .Values.key }}}\n---\n"
    theirs(repository, head + {"helm": '{{ fail "no" }}'}.get(what, BAD))
    given = parameters(helm_parameters={"key": "hunter2"}, values="other: hunter2\n")
    if what == "parameter":
        given = parameters(helm_parameters={"key": "hunter2"}, values_files=["missing.yaml"])
    done = server(helm("helm3")).manifests(repository, given)
    assert done.returncode in (1, 2)
    assert "hunter2" not in done.stdout + done.stderr


def test_a_run_that_is_too_long_says_so(helm: Get, repository: Path, tmp_path: Path) -> None:
    """At Argo CD's limit it ends at once, prints no manifest, and names the settings that raise the limit."""
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "helm").write_text("#!/bin/sh\nsleep 60\n")
    (slow / "helm").chmod(0o755)
    environment = helm("helm3").environment
    plugins = server(helm("helm3"), limit=3, PATH=f"{slow}:{environment['PATH']}")
    done = plugins.manifests(repository, application())
    assert (done.returncode, done.stdout) == (2, "")
    assert "raise ARGOCD_EXEC_TIMEOUT" in done.stderr


@pytest.fixture
def charts(tmp_path: Path, helm: Get) -> Iterator[str]:
    """A chart repository on loopback that has the chart `part`."""
    folder = tmp_path / "served"
    part = theirs(tmp_path / "part", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: part}\n", name="part")
    done = helm("helm3").run("package", str(part), "--destination", str(folder))
    assert done.returncode == 0, done.stderr
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{served.server_port}"
    try:
        done = helm("helm3").run("repo", "index", str(folder), "--url", url)
        assert done.returncode == 0, done.stderr
        yield url
    finally:
        served.shutdown()
        served.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@both
def test_dependencies_are_there(helm: Get, repository: Path, charts: str, tmp_path: Path, name: str) -> None:
    """From a repository that nobody added, and from a folder; what is in charts/ is taken without asking."""
    beside = theirs(repository / "beside", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\n", name="beside")
    beside.rename(repository / "charts" / "beside")
    homes = tmp_path / "helm"
    plugins = server(helm(name), HELM_CACHE_HOME=f"{homes}/cache", HELM_CONFIG_HOME=f"{homes}/config")
    wanted = [
        {"name": "part", "version": "1.0.0", "repository": charts},
        {"name": "beside", "version": "1.0.0", "repository": "file://../beside"},
    ]
    folder = theirs(repository, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n", dependencies=wanted)

    def names() -> set[str]:
        return {item["metadata"]["name"] for item in objects(plugins.manifests(repository, application()))}

    assert names() == {"own", "part", "beside"}
    assert not (folder / "charts").exists()  # it was done in Argo CD's copy
    locked = helm(name).run("dependency", "update", str(folder))  # with a Chart.lock Helm takes known repositories only
    assert locked.returncode == 0, locked.stderr
    shutil.rmtree(folder / "charts")
    assert names() == {"own", "part", "beside"}
    assert names() == {"own", "part", "beside"}  # the repository is known by now
    wanted[0]["repository"] = "http://127.0.0.1:9"
    folder = theirs(repository, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n", dependencies=wanted)
    shutil.copytree(repository / "charts" / "beside", folder / "charts" / "beside")
    shutil.copytree(tmp_path / "part" / "charts" / "ml-mesh", folder / "charts" / "part")
    assert len(objects(plugins.manifests(repository, application()))) == 3
    wanted[0] |= {"repository": charts, "version": "9.9.9"}
    theirs(repository, "", dependencies=wanted)
    done = plugins.manifests(repository, application())
    assert (done.returncode, done.stdout) == (2, "")
    assert "helm dependency failed" in done.stderr


def test_an_application_that_is_no_chart_is_told(helm: Get, repository: Path) -> None:
    """The path is the usual mistake."""
    (repository / "charts" / "ml-mesh" / "Chart.yaml").unlink()
    done = server(helm("helm3")).manifests(repository, application())
    assert done.returncode == 2
    assert "there is no chart" in done.stderr
    assert "spec.source.path" in done.stderr


def test_the_plugin_takes_only_applications_that_name_it(helm: Get, repository: Path, tmp_path: Path) -> None:
    """It discovers nothing; with the page's `discover` it takes every chart, and nothing else."""
    plugin = FILES / "plugin.yaml"
    assert server(helm("helm3")).matches(repository, APPLICATION) is None
    (snippet,) = [text for text in PAGE.split("```") if text.startswith("yaml discover\n")]
    every = tmp_path / "plugin.yaml"
    loaded = yaml.safe_load(plugin.read_text())
    loaded["spec"] |= yaml.safe_load(snippet.removeprefix("yaml discover\n"))["spec"]
    jsonschema.validate(loaded, SCHEMA)
    every.write_text(yaml.safe_dump(loaded))
    plugins = server(helm("helm3"), every)
    assert plugins.matches(repository, APPLICATION) is True
    elsewhere = copy.deepcopy(APPLICATION)
    elsewhere["spec"]["source"]["path"] = "environments"
    assert plugins.matches(repository, elsewhere) is False


def test_plugin_yaml_has_only_fields_that_argo_cd_reads(tool: Callable[[str], str]) -> None:
    """By a schema that is held to the Go structs of Argo CD, which itself passes over what it does not know."""
    jsonschema.validate(yaml.safe_load((FILES / "plugin.yaml").read_text()), SCHEMA)
    config = (Path(tool("argo-cd")) / "config.go").read_text()
    spec = SCHEMA["properties"]["spec"]["properties"]
    assert set(spec) == fields(config, "PluginConfigSpec")
    assert set(spec["generate"]["properties"]) == fields(config, "Command")
    assert set(spec["discover"]["properties"]) == fields(config, "Discover")
    assert set(spec["discover"]["properties"]["find"]["properties"]) == fields(config, "Command") | fields(
        config, "Find"
    )
    assert set(spec["parameters"]["properties"]) == fields(config, "Parameters")
    announced = fields((Path(tool("argo-cd")) / "repository.pb.go").read_text(), "ParameterAnnouncement")
    assert set(spec["parameters"]["properties"]["static"]["items"]["properties"]) == announced


def test_argo_cds_own_types_take_the_files(cluster: TestCluster, tool: Callable[[str], str], tmp_path: Path) -> None:
    """The Application by Argo CD's CRD; the sidecar by a real API server, in Argo CD's Deployment; both strictly."""
    argo = Path(tool("argo-cd"))
    (tmp_path / "mlmesh").symlink_to(FILES)
    shutil.copy(argo / "argocd-repo-server-deployment.yaml", tmp_path)
    (overlay,) = [text for text in PAGE.split("```") if text.startswith("yaml kustomization\n")]
    text = overlay.removeprefix("yaml kustomization\n").replace("argo-cd", "argocd-repo-server-deployment.yaml")
    (tmp_path / "kustomization.yaml").write_text(text)
    built = subprocess.run(
        [tool("kustomize"), "build", "--load-restrictor=LoadRestrictionsNone", str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    items = {item["kind"]: item for item in yaml.safe_load_all(built.stdout)}
    pod = items["Deployment"]["spec"]["template"]["spec"]
    (sidecar,) = [each for each in pod["containers"] if each["name"] == "mlmesh"]
    assert sidecar["image"] == "registry.example.com/mlmesh:0.1.0"
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert {each["name"] for each in sidecar["volumeMounts"]} <= set(volumes)
    assert volumes["mlmesh-plugin"]["configMap"]["name"] == items["ConfigMap"]["metadata"]["name"] != "mlmesh-plugin"
    assert items["ConfigMap"]["data"]["plugin.yaml"] == (FILES / "plugin.yaml").read_text()

    strict = ("--dry-run=server", "--server-side", "--validate=strict")
    try:
        crd = cluster.kubectl("create", "-f", str(argo / "application-crd.yaml"))
        assert crd.returncode == 0, crd.stderr
        cluster.kubectl("wait", "--for=condition=Established", "crd/applications.argoproj.io", "--timeout=60s")
        cluster.kubectl("create", "namespace", "argocd")
        taken = cluster.kubectl("apply", *strict, "-f", str(FILES / "application.yaml"))
        assert taken.returncode == 0, taken.stderr
        wrong = (FILES / "application.yaml").read_text().replace("array:", "list:")
        assert cluster.kubectl("apply", *strict, "-f", "-", stdin=wrong).returncode == 1
        taken = cluster.kubectl("apply", *strict, "-n", "argocd", "-f", "-", stdin=built.stdout)
        assert taken.returncode == 0, taken.stderr
    finally:
        cluster.kubectl("delete", "crd", "applications.argoproj.io", "--ignore-not-found")
        cluster.empty()
