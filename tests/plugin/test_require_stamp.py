"""`mlmesh check --require-stamp`: manifests that the post-renderer never saw are told from those that it did."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.plugin.test_krm import resource_list
from tests.support.checks import check, found
from tests.support.kubectls import fake
from tests.support.sarif import refused
from tests.support.streams import BIN, pod, policy, rendered, route, run

POLICY = policy(release={"name": "r", "namespace": "ml"})
STREAM = "\n---\n".join((POLICY, pod(), pod("CronJob", name="nightly"), route()))


def codes(stdin: str, *options: str) -> list[tuple[str, str, str]]:
    """(severity, kind, pointer) of each finding that something was not post-rendered."""
    done = check("--require-stamp", "--format", "json", *options, stdin=stdin)
    return [
        (each["severity"], each["kind"], each["pointer"])
        for each in json.loads(done.stdout)["findings"]
        if each["code"] == "MLM003"
    ]


def test_each_object_that_would_be_changed_is_told() -> None:
    """The policy, pods of every kind, and a route: errors, each at its place, with what would become of it."""
    assert codes(STREAM) == [
        ("error", "MeshPolicy", "/kind"),
        ("error", "Deployment", "/metadata"),
        ("error", "CronJob", "/metadata"),
        ("error", "VirtualService", "/metadata"),
    ]
    done = check("--require-stamp", stdin=STREAM)
    assert done.returncode == 1
    for part in (b"ERROR MLM003 not-post-rendered", b"inference sidecar", b"pipe the manifests through mlmesh-post"):
        assert part in done.stdout
    assert b"MLM003" not in check(stdin=STREAM).stdout


def test_what_was_post_rendered_passes() -> None:
    """The post-renderer's own output, whatever of it needed nothing; and what is in a List or a ResourceList."""
    assert codes(run(stdin=STREAM).stdout.decode()) == []
    assert codes(resource_list(pod(), route())) == [
        ("error", "Deployment", "/items/0/metadata"),
        ("error", "VirtualService", "/items/1/metadata"),
    ]
    assert codes(run(stdin=resource_list(pod(), route())).stdout.decode()) == []


def test_one_stamp_that_was_taken_away_is_told() -> None:
    """In what was post-rendered, of any one object: a template that is rendered past the post-renderer."""
    items = list(yaml.safe_load_all(run(stdin=STREAM).stdout))
    for item in items:
        if item["kind"] == "ConfigMap":
            continue
        bare = yaml.safe_load_all(yaml.safe_dump_all(items))
        stripped = []
        for each in bare:
            if each["kind"] == item["kind"]:
                each["metadata"].pop("annotations", None)
                if each["kind"] == "VirtualService":
                    del each["spec"]["http"][0]["timeout"], each["spec"]["http"][0]["retries"]
                else:
                    each["spec"] = yaml.safe_load(pod(each["kind"], name=each["metadata"]["name"]))["spec"]
            stripped.append(each)
        assert [kind for _, kind, _ in codes(yaml.safe_dump_all(stripped))] == [item["kind"]]


def test_an_older_stamp_and_what_needs_nothing_pass() -> None:
    """A new version of the plugin makes nobody render anew; pods without a role and hooks carry no stamp."""
    older = b"".join(rendered(pod(), policy(sidecars={"inference": {"proxyCPU": "111m"}})).output).decode()
    assert (
        codes(
            older.replace('rendered-by: "0.1.0"', 'rendered-by: "0.0.1"').replace(
                "rendered-by: 0.1.0", "rendered-by: 0.0.1"
            )
        )
        == []
    )
    hook = yaml.safe_load(pod("Job"))
    hook["metadata"]["annotations"] = {"helm.sh/hook": "pre-install"}
    assert codes(yaml.safe_dump(hook)) == []


def test_an_allowance_with_a_reason_excuses_and_is_not_told_where_nobody_asks() -> None:
    """By annotation and by the policy; without --require-stamp neither is said to excuse nothing."""
    item = yaml.safe_load(pod())
    item["metadata"]["annotations"] = {"allow.mlmesh.dev/MLM003": "an operator makes it"}
    by_policy = policy(invariants={"allow": [{"code": "MLM003", "name": "llm", "reason": "an operator makes it"}]})
    for stream in (yaml.safe_dump(item), f"{pod()}---\n{by_policy}"):
        assert [each for each in codes(stream) if each[1] == "Deployment"] == []
        assert b"MLM001" not in check(stdin=stream).stdout
        assert b"MLM001" not in check("--require-stamp", stdin=stream).stdout


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "github", "text"])
def test_it_is_in_every_form_of_report(form: str) -> None:
    """With its code and its place, as any other finding."""
    done = check("--require-stamp", "--format", form, stdin=pod())
    assert done.returncode == 1
    assert b"MLM003" in done.stdout
    if form == "sarif":
        assert list(refused(json.loads(done.stdout))) == []


def test_post_render_contradicts_it() -> None:
    """Who post-renders for the question gets no answer."""
    done = check("--require-stamp", "--post-render", stdin=pod())
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--require-stamp asks whether manifests were post-rendered" in done.stderr


def test_by_variable(tmp_path: Path) -> None:
    """And in files, with their lines."""
    file = tmp_path / "pod.yaml"
    file.write_text(pod())
    done = check(str(file), "--format", "json", MLMESH_REQUIRE_STAMP="1")
    assert [(code, name) for code, name, _ in found(done)] == [("MLM003", str(file))]


def test_a_cluster_that_was_never_post_rendered_is_told(tmp_path: Path) -> None:
    """With --live each object of the cluster that lacks the stamp, by its name there."""
    bare, stamped = yaml.safe_load(pod(name="bare")), yaml.safe_load(run(stdin=pod(name="stamped")).stdout)
    kubectl = fake(tmp_path, items=[bare, stamped])
    done = subprocess.run(
        [BIN / "mlmesh", "check", "--live", "--require-stamp", "--format", "json"],
        env={**os.environ, "KUBECTL": str(kubectl)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    files = [file for code, file, _ in found(done) if code == "MLM003"]
    assert files == ["cluster/ml/deployments.apps/bare"]
