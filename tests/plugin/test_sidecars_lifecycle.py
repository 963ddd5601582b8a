"""How pods start and end: held until the proxy is ready, not cut off in an answer, done when their work is done."""

import json
from math import inf
from typing import Any

import pytest
import yaml

from mlmesh.graph.release import Release
from mlmesh.model.errors import InputError
from mlmesh.post_renderer import Result
from tests.support.streams import codes, documents, pod, policy, rendered, route

CONFIG = "proxy.istio.io/config"
NATIVE = "sidecar.istio.io/nativeSidecar"
UNTIL_IDLE = {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}
BOTH = {"holdApplicationUntilProxyStarts": True, "proxyMetadata": UNTIL_IDLE}


def template(result: Result, *path: str) -> Any:
    """The pod template of the only object."""
    (item,) = documents(result)
    for key in path or ("spec", "template"):
        item = item[key]
    return item


def config(result: Result, *path: str) -> Any:
    """The proxy's settings of the only object's pods, as istiod reads them."""
    text = template(result, *path)["metadata"]["annotations"].get(CONFIG)
    return yaml.safe_load(text) if text is not None else None


def mesh(native: bool | str) -> str:
    return policy(mesh={"nativeSidecars": native})


@pytest.fixture
def timeout(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what the longest timeout of the routes to every pod is."""

    def says(seconds: float | None) -> None:
        monkeypatch.setattr(Release, "longest_timeout", lambda *_: seconds)

    says(None)
    return says


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("inference", BOTH),
        ("feature-store", BOTH),
        ("model-registry", BOTH),
        ("pipeline", BOTH),
        ("training", {"holdApplicationUntilProxyStarts": True}),
        ("monitoring", None),
    ],
)
def test_each_role_starts_and_ends_as_its_policy_says(role: str, expected: dict[str, Any] | None) -> None:
    """What serves stays for its connections; what asks others as it starts is held; what monitors asks again."""
    assert config(rendered(pod(role=role))) == expected


def test_the_text_is_the_same_on_every_run_and_readable() -> None:
    """One line of JSON, which is YAML too, the user's keys in front: no pod is rolled for another spelling."""
    ours = '"holdApplicationUntilProxyStarts": true, "proxyMetadata": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}'
    for theirs, text in (
        ({}, f"{{{ours}}}"),
        ({CONFIG: "tracing: {sampling: 1.5}"}, f'{{"tracing": {{"sampling": 1.5}}, {ours}}}'),
    ):
        assert template(rendered(pod(**theirs)))["metadata"]["annotations"][CONFIG] == text


@pytest.mark.parametrize(
    ("native", "annotation", "expected"),
    [("auto", None, BOTH), (False, None, BOTH), (True, None, None), (True, "false", BOTH), ("auto", "true", None)],
)
def test_only_a_sidecar_that_may_be_classic_gets_classic_settings(
    native: bool | str, annotation: str | None, expected: Any
) -> None:
    """On a native sidecar they do nothing; the pod's own annotation beats what the policy says of the mesh."""
    text = pod(**({NATIVE: annotation} if annotation else {}))
    assert config(rendered(text, mesh(native))) == expected


@pytest.mark.parametrize(("kind", "path"), [("Job", ()), ("CronJob", ("spec", "jobTemplate", "spec", "template"))])
@pytest.mark.parametrize(("native", "expected"), [("auto", "true"), (True, None), (False, None)])
def test_pods_that_end_get_a_native_sidecar(kind: str, path: tuple[str, ...], native: Any, expected: Any) -> None:
    """A Job with a classic sidecar never completes; nothing is written where all are native, or none can be."""
    result = rendered(pod(kind, role="training"), mesh(native))
    annotations = template(result, *path)["metadata"]["annotations"]
    assert annotations.get(NATIVE) == expected
    assert (CONFIG in annotations) is (native is False)
    assert [found for found in codes(result) if found[0] == "MLM506"] == [("MLM506", "warning")] * (native is False)


def test_a_pod_that_its_restart_policy_ends_is_one_that_ends() -> None:
    """A bare Pod that runs once is a job, too; one that is restarted always is not."""
    for restart, expected in (("Never", "true"), ("OnFailure", "true"), ("Always", None)):
        item = yaml.safe_load(pod("Pod", role="training"))
        item["spec"]["restartPolicy"] = restart
        (after,) = documents(rendered(yaml.safe_dump(item)))
        assert after["metadata"]["annotations"].get(NATIVE) == expected


def test_506_a_job_whose_user_wants_a_classic_sidecar() -> None:
    """Told, unless the application ends its proxy itself; of a Job of no known role, where it asks for a sidecar."""
    text = pod("Job", role="training", **{NATIVE: "false"})
    assert ("MLM506", "warning") in codes(rendered(text))
    item = yaml.safe_load(text)
    item["spec"]["template"]["spec"]["containers"][0]["command"] = [
        "sh",
        "-c",
        "train; curl -X POST :15020/quitquitquit",
    ]
    assert codes(rendered(yaml.safe_dump(item))) == []
    item = yaml.safe_load(pod("Job", role="training"))
    item["spec"]["template"]["metadata"]["labels"] = {"sidecar.istio.io/inject": "true"}
    assert codes(rendered(yaml.safe_dump(item))) == [("MLM506", "warning")]
    assert codes(rendered(yaml.safe_dump(item), mesh(native=True))) == []
    item["spec"]["template"]["metadata"]["labels"] = {"app": "x"}
    assert codes(rendered(yaml.safe_dump(item))) == []


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("concurrency: 2\n", {"concurrency": 2, **BOTH}),
        ("# a comment\nproxyMetadata:\n  A: b\n", {**BOTH, "proxyMetadata": {"A": "b", **UNTIL_IDLE}}),
        ("proxy_metadata: {A: b}", {**BOTH, "proxyMetadata": None, "proxy_metadata": {"A": "b", **UNTIL_IDLE}}),
        ("holdApplicationUntilProxyStarts: false", {**BOTH, "holdApplicationUntilProxyStarts": False}),
        (
            "hold_application_until_proxy_starts: true",
            {"hold_application_until_proxy_starts": True, "proxyMetadata": UNTIL_IDLE},
        ),
        ("terminationDrainDuration: 90s", {"holdApplicationUntilProxyStarts": True, "terminationDrainDuration": "90s"}),
        (
            'proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "false"}',
            {**BOTH, "proxyMetadata": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "false"}},
        ),
        ("proxyMetadata: {}", BOTH),
        ("1: 2", {"1": 2, **BOTH}),
        ("", BOTH),
    ],
)  # fmt: skip
def test_a_user_s_settings_are_added_to_and_win(theirs: str, expected: dict[str, Any]) -> None:
    """Key by key, in either spelling that protobuf takes; a drain of the user's own is not replaced by another way."""
    result = rendered(pod(**{CONFIG: theirs}))
    assert config(result) == {key: value for key, value in expected.items() if value is not None}
    again = rendered(b"".join(result.output).decode())
    assert again.patches == []


def test_settings_that_say_it_all_keep_their_text() -> None:
    """A user who wrote the same by hand finds his own text again, comments and all."""
    text = "holdApplicationUntilProxyStarts: true # wait\nterminationDrainDuration: 90s\n"
    assert template(rendered(pod(**{CONFIG: text})))["metadata"]["annotations"][CONFIG] == text


@pytest.mark.parametrize("theirs", ["concurrency: 2", "proxyMetadata: {A: b}", "proxyMetadata: {}", None])
def test_a_second_run_under_another_policy_takes_back_its_own_keys_only(theirs: str | None) -> None:
    """The stamp names keys inside the text, so the user's stay when the policy no longer asks for ours."""
    once = b"".join(rendered(pod(**({CONFIG: theirs} if theirs is not None else {}))).output).decode()
    off = {"inference": {"holdApplicationUntilProxyStarts": None, "drainMaximum": None}}
    after = config(rendered(once, policy(sidecars=off)))
    assert (after or {}) == {key: value for key, value in (yaml.safe_load(theirs or "") or {}).items() if value}
    assert (after is None) is (theirs is None)
    hold = {"inference": {"drainMaximum": None}}
    after = config(rendered(once, policy(sidecars=hold)))
    assert after["holdApplicationUntilProxyStarts"] is True
    assert "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" not in after.get("proxyMetadata", {})


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("- a\n- b\n", "the document is no object"),
        ("only words", "the document is no object"),
        ("a: [", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "several documents"),
        ("proxyMetadata: [a]", "proxyMetadata is not a map"),
    ],
)
def test_settings_that_are_no_map_are_an_error_with_a_place(bad: str, what: str) -> None:
    """The injector refuses the pod; nothing of the text is shown."""
    with pytest.raises(InputError, match=what) as caught:
        rendered(pod(**{CONFIG: bad}))
    assert CONFIG in caught.value.place
    assert "document 0" in caught.value.place
    assert "YAML map" in caught.value.remedy


def test_settings_that_are_no_text_are_an_error() -> None:
    """A map where the annotation's text belongs is refused by the API server."""
    item = yaml.safe_load(pod())
    item["spec"]["template"]["metadata"]["annotations"] = {CONFIG: {"concurrency": 2}}
    with pytest.raises(InputError, match="no string"):
        rendered(yaml.safe_dump(item))


@pytest.mark.parametrize(
    ("seconds", "grace"), [(120, 130), (600, 600), (3600, 600), (inf, 600), (0.5, None), (20, None), (20.5, 31)]
)
def test_the_grace_period_outlasts_the_longest_timeout(timeout: Any, seconds: float, grace: int | None) -> None:
    """Ten seconds more, never above the role's maximum, and not written where Kubernetes' own 30 seconds do."""
    timeout(seconds)
    result = rendered(pod())
    assert template(result)["spec"].get("terminationGracePeriodSeconds") == grace
    assert rendered(b"".join(result.output).decode()).patches == []
    if grace:
        (item,) = documents(result)
        assert (
            "/spec/template/spec/terminationGracePeriodSeconds" in item["metadata"]["annotations"]["mlmesh.dev/derived"]
        )
        assert f"terminationGracePeriodSeconds {grace}: a route to it" in result.patches[0].reason


@pytest.mark.parametrize("native", [True, False, "auto"])
def test_the_grace_period_matters_to_both_kinds_of_sidecar(timeout: Any, native: Any) -> None:
    """The kubelet kills what is left of a pod when it is over, whatever its proxy does."""
    timeout(120)
    assert template(rendered(pod(), mesh(native)))["spec"]["terminationGracePeriodSeconds"] == 130


SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: llm, namespace: ml}
spec: {selector: {app: llm}, ports: [{name: http, port: 80}]}
"""


def test_the_timeout_that_was_derived_into_a_route_reaches_the_pods_behind_it() -> None:
    """A chat route gets 120 seconds from the policy; so the pods of its Service, wherever they stand in the stream."""
    for parts in ([pod(), SERVICE, route()], [route(), pod(), SERVICE]):
        result = rendered("---\n".join(parts))
        (item,) = (item for item in documents(result) if item["kind"] == "Deployment")
        assert item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 130
        assert rendered(b"".join(result.output).decode()).patches == []


def test_without_a_route_the_grace_period_is_nobody_s_business(timeout: Any) -> None:
    """Nothing is written on no evidence."""
    timeout(None)
    assert "terminationGracePeriodSeconds" not in template(rendered(pod()))["spec"]


def test_a_role_s_maximum_is_the_policy_s(timeout: Any) -> None:
    """Longer for batch answers, none at all for a role whose pods just go."""
    timeout(3600)
    longer = policy(sidecars={"inference": {"drainMaximum": "2h"}})
    assert template(rendered(pod(), longer))["spec"]["terminationGracePeriodSeconds"] == 3610
    none = rendered(pod(), policy(sidecars={"inference": {"drainMaximum": None}}))
    assert "terminationGracePeriodSeconds" not in template(none)["spec"]
    assert config(none) == {"holdApplicationUntilProxyStarts": True}


def test_a_second_run_follows_a_changed_timeout(timeout: Any) -> None:
    """A derived grace period moves with the route and goes with it; the user's own stays."""
    timeout(120)
    once = b"".join(rendered(pod()).output).decode()
    timeout(300)
    assert template(rendered(once))["spec"]["terminationGracePeriodSeconds"] == 310
    timeout(None)
    assert "terminationGracePeriodSeconds" not in template(rendered(once))["spec"]


def with_grace(seconds: int) -> str:
    item = yaml.safe_load(pod())
    item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds
    return yaml.safe_dump(item)


def test_212_a_pod_that_is_killed_before_its_answer_is_whole(timeout: Any) -> None:
    """The user's own grace period stays and is told; so is a policy's maximum below a route's timeout."""
    timeout(120)
    result = rendered(with_grace(60))
    assert template(result)["spec"]["terminationGracePeriodSeconds"] == 60
    assert codes(result) == [("MLM212", "warning")]
    assert result.findings[0].pointer == "/spec/template/spec/terminationGracePeriodSeconds"
    assert "130" in result.findings[0].remedy
    assert codes(rendered(with_grace(120))) == []
    timeout(3600)
    (finding,) = rendered(pod()).findings
    assert finding.code == "MLM212"
    assert "drainMaximum" in finding.remedy
    timeout(inf)
    assert codes(rendered(with_grace(60))) == []


def test_213_a_proxy_that_leaves_before_the_last_answer(timeout: Any) -> None:
    """Five seconds are the default of terminationDrainDuration; on a native sidecar none of it counts."""
    timeout(120)
    for theirs in ("terminationDrainDuration: 30s", 'proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "false"}'):
        assert codes(rendered(pod(**{CONFIG: theirs}))) == [("MLM213", "warning")]
        assert codes(rendered(pod(**{CONFIG: theirs}), mesh(native=True))) == []
    for theirs in ("terminationDrainDuration: 120s", 'proxyMetadata: {EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"}'):
        assert codes(rendered(pod(**{CONFIG: theirs}))) == []


def test_505_an_application_that_is_not_held() -> None:
    """Info only: the user said so. Nothing where the role asks for no hold."""
    text = pod(**{CONFIG: "holdApplicationUntilProxyStarts: false"})
    assert codes(rendered(text)) == [("MLM505", "info")]
    off = policy(sidecars={"inference": {"holdApplicationUntilProxyStarts": False}})
    assert codes(rendered(text, off)) == []
    assert codes(rendered(text, mesh(native=True))) == []


STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}
COMPONENT = {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}}}


@pytest.mark.parametrize(
    ("kind", "spec", "annotations", "at"),
    [
        ("serving.kserve.io/v1beta1 InferenceService", COMPONENT, STANDARD, ("spec", "predictor")),
        ("serving.kserve.io/v1beta1 InferenceService", COMPONENT, {}, None),
        ("serving.kserve.io/v1alpha1 LLMInferenceService", {"template": {"containers": []}}, {}, ("spec", "template")),
        ("serving.kserve.io/v1alpha1 LLMInferenceService", {"model": {}}, {}, None),
        ("serving.kserve.io/v1alpha1 ServingRuntime", {"containers": []}, {}, None),
        ("serving.knative.dev/v1 Service", {"template": {"spec": {}}}, {}, None),
        ("monitoring.coreos.com/v1 Prometheus", {"replicas": 2}, {}, None),
    ],
)
def test_the_grace_period_is_written_where_the_kind_takes_it(
    timeout: Any, kind: str, spec: Any, annotations: dict[str, str], at: tuple[str, ...] | None
) -> None:
    """KServe's components are PodSpecs, but Knative takes no such field, and other kinds have none."""
    timeout(120)
    metadata = {"name": "x", "labels": {"mlmesh.dev/role": "inference"}, "annotations": annotations}
    api_version, name = kind.split()
    result = rendered(json.dumps({"apiVersion": api_version, "kind": name, "metadata": metadata, "spec": spec}))
    (after,) = documents(result)
    if at is None:
        assert "terminationGracePeriodSeconds" not in json.dumps(after["spec"])
        return
    for key in at:
        after = after[key]
    assert after["terminationGracePeriodSeconds"] == 130


@pytest.mark.parametrize(
    ("spec", "seconds", "expected"),
    [({}, 300, 0), ({}, 301, 1), ({"timeoutSeconds": 600}, 600, 0), ({"timeoutSeconds": 60}, 120, 1)],
)
def test_212_knows_knative_s_own_bound(timeout: Any, spec: dict[str, int], seconds: float, expected: int) -> None:
    """Knative ends a pod's grace with its requests' timeout, five minutes where it is left out."""
    timeout(seconds)
    item = yaml.safe_load(pod())
    item |= {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    item["spec"]["template"]["spec"].update(spec)
    result = rendered(yaml.safe_dump(item))
    assert codes(result) == [("MLM212", "warning")] * expected
    assert all("timeoutSeconds" in finding.remedy for finding in result.findings)
