"""Gateways' servers, certificates and selectors: what is an error where, what no rule may say, and what never shows."""

from base64 import b64encode

import pytest
import yaml

from mlmesh.graph.certificates import validity
from mlmesh.invariants.selectors import SELECTING
from mlmesh.post_renderer import post_render
from tests.support.rule_cases import CASES, check

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"


def case(code: str, name: str = "bad") -> str:
    return (CASES / code / f"{name}.yaml").read_text()


def severities(text: str, code: str, context: str = "") -> list[str]:
    """Those of one rule's findings on a stream as it is."""
    beside = [("context", context.encode())] if context else []
    found = post_render(text.encode(), context=beside, as_it_is=True).findings
    return [finding.severity for finding in found if finding.code == code]


def only(text: str, *kinds: str) -> str:
    """A stream's objects of some kinds."""
    return "---\n".join(yaml.safe_dump(item) for item in yaml.safe_load_all(text) if item["kind"] in kinds)


def without(text: str, *kinds: str) -> str:
    """A stream without its objects of some kinds."""
    return "---\n".join(yaml.safe_dump(item) for item in yaml.safe_load_all(text) if item["kind"] not in kinds)


@pytest.mark.parametrize("code", ["MLM951", "MLM959"])
def test_a_clash_with_what_another_release_has_warns(code: str) -> None:
    """Two objects of one release are an error in each; one of them in the context is a warning in the other."""
    kind = "Sidecar" if code == "MLM951" else "Gateway"
    first, second = [item for item in yaml.safe_load_all(case(code)) if item["kind"] == kind]
    assert severities(case(code), code) == ["error", "error"]
    assert severities(yaml.safe_dump(first), code, yaml.safe_dump(second)) == ["warning"]
    assert severities(yaml.safe_dump(first), code, yaml.safe_dump(first)) == []


def test_two_sidecars_that_say_the_same_warn() -> None:
    """Whichever of the two counts, nothing changes until one of them does."""
    items = list(yaml.safe_load_all(case("MLM951")))
    sidecars = [item for item in items if item["kind"] == "Sidecar"]
    sidecars[0]["spec"] = sidecars[1]["spec"]
    assert severities("---\n".join(map(yaml.safe_dump, items)), "MLM951") == ["warning", "warning"]


def test_no_sidecar_counts_in_an_ambient_namespace() -> None:
    """Pods without sidecars go by no Sidecar, so two of them are in nobody's way."""
    ambient = case("MLM951").replace("istio-injection: enabled", "istio.io/dataplane-mode: ambient")
    assert severities(ambient, "MLM951") == []


def test_gateways_of_http_are_joined() -> None:
    """Of servers of HTTP on one port istiod joins the hosts, also where one of them redirects to TLS."""
    http = case("MLM959").replace("protocol: HTTPS", "protocol: HTTP").replace("mode: SIMPLE", "httpsRedirect: true")
    assert severities(http, "MLM959") == []


def test_gateways_of_two_revisions_or_of_one_name_do_not_clash() -> None:
    """Each istiod reads the Gateways of its own revision; one that is written twice is another rule's finding."""
    first, second = yaml.safe_load_all(case("MLM959"))
    assert severities("---\n".join(map(yaml.safe_dump, (first, first))), "MLM959") == []
    for item, revision in ((first, "stable"), (second, "canary")):
        item["metadata"]["labels"] = {"istio.io/rev": revision}
    assert severities("---\n".join(map(yaml.safe_dump, (first, second))), "MLM959") == []


def test_one_host_with_one_certificate_is_no_reuse() -> None:
    """Where both servers have the same hosts no request comes to the wrong one: that they clash is said alone."""
    text = case("MLM958").replace("b.example.com", "a.example.com")
    assert severities(text, "MLM958") == []
    assert severities(text, "MLM959") == ["error", "error"]


def test_an_overlap_is_told_once_however_many_pods_it_has() -> None:
    """Two Sidecars that both select the pods of many Deployments are two findings, one in each."""
    text = case("MLM951", "bad-selecting")
    more = only(text, "Deployment").replace("name: llm\n  namespace", "name: more\n  namespace")
    assert more != only(text, "Deployment")
    assert severities(f"{text}---\n{more}", "MLM951") == ["error", "error"]


def test_a_server_that_is_for_its_namespace_clashes_with_its_like() -> None:
    """`./host` is the host of the Gateway's own namespace: in two namespaces it is two."""
    here = case("MLM959").replace("[llm.example.com", '["./llm.example.com"')
    first, second = here.split("---\n")
    assert severities(here, "MLM959") == ["error", "error"]
    assert severities(first + "---\n" + second.replace("namespace: ml", "namespace: edge"), "MLM959") == []


@pytest.mark.parametrize(("group", "kind", "path"), SELECTING, ids=str)
def test_every_kind_with_a_selector_is_looked_at(group: str, kind: str, path: str) -> None:
    """A selector of each kind that no pod has warns in a namespace of the release; one of a pod's labels does not."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "llm", "namespace": "ml", "labels": {"app": "llm"}},
        "spec": {"containers": [{"name": "server", "image": "example.com/llm:1"}]},
    }
    for label, expected in (("lmm", ["warning"]), ("llm", [])):
        spec: object = {"app": label}
        for key in reversed(path.split(".")):
            spec = {key: spec}
        assert isinstance(spec, dict)
        item = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "x", "namespace": "ml"}, **spec}
        text = NAMESPACE % "ml" + "---\n" + yaml.safe_dump(pod) + "---\n" + yaml.safe_dump(item)
        assert severities(text, "MLM953") == expected


def test_a_selector_is_only_wrong_where_all_pods_are_known() -> None:
    """An info where another release, or a controller, may have the pods; nothing where none of the pods are here."""
    text = case("MLM953")
    policy = only(text, "AuthorizationPolicy")
    pods = only(text, "Deployment")
    unknown = "apiVersion: example.com/v1\nkind: Fleet\nmetadata:\n  name: fleet\n  namespace: ml\n"
    assert severities(f"{policy}---\n{pods}", "MLM953") == ["info"]
    assert severities(policy, "MLM953") == []
    assert severities(policy + "---\n" + NAMESPACE % "ml", "MLM953") == []
    assert set(severities(f"{text}---\n{unknown}", "MLM953")) == {"info"}
    there = pods.replace("/name: llm", "/name: lmm").replace("name: llm", "name: other")
    assert severities(f"{policy}---\n{pods}---\n" + NAMESPACE % "ml", "MLM953", there) == []


def test_a_host_is_only_missing_from_a_gateway_that_is_known() -> None:
    """An error where the release has the Gateway, a warning where another has it, nothing where nobody here has."""
    text = case("MLM955")
    assert severities(text, "MLM955") == ["error"]
    assert severities(without(text, "Gateway"), "MLM955", only(text, "Gateway")) == ["warning"]
    assert severities(without(text, "Gateway"), "MLM955") == []


def test_claims_are_known_to_nobody_only_where_the_root_namespace_is_known() -> None:
    """A warning where the root namespace may have one, an info where the gateway's pods are not here.

    Nothing where a RequestAuthentication is known, or the Gateway is not here either.
    """
    text = case("MLM961", "bad-mesh")
    assert severities(text, "MLM961") == ["error"]
    assert severities(text.replace("name: istio-system", "name: another"), "MLM961") == ["warning"]
    assert severities(without(text, "Deployment"), "MLM961") == ["info"]
    assert severities(without(text, "Deployment"), "MLM961", case("MLM961", "good-root")) == []
    assert severities(without(text, "Gateway"), "MLM961") == []


def test_a_secret_whose_gateway_runs_elsewhere_warns() -> None:
    """Where nobody knows the namespace that a gateway reads, a Secret of the name that is asked for is a guess."""
    text = case("MLM966")
    assert severities(text, "MLM966").count("error") == 2
    assert set(severities(without(text, "Deployment"), "MLM966")) == {"warning"}
    assert severities(without(text, "Secret"), "MLM966") == []
    assert set(severities(without(text, "Secret"), "MLM966", only(text, "Secret"))) == {"warning"}


def test_nothing_of_a_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No value of a Secret, coded or not, is in what the rule prints."""
    monkeypatch.chdir(CASES / "MLM966")
    for file in CASES.glob("MLM966/bad*.yaml"):
        told = check(file)[1]
        for item in yaml.safe_load_all(file.read_text()):
            values = {**item.get("data", {}), **item.get("stringData", {})}.values() if item["kind"] == "Secret" else ()
            for line in "\n".join(map(str, values)).split("\n"):
                assert len(line) < len("the key") or line not in told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
        *(
            f"-----BEGIN CERTIFICATE-----\n{b64encode(each).decode()}\n-----END CERTIFICATE-----"
            for each in (
                b"\x30",
                b"\x30\x80",
                b"\x30\x84\xff\xff\xff\xff",
                b"\x30\x02\x30\x00",
                b"\x30\x06\x30\x04\xa0\x02\x02\x00",
            )
        ),
    ],
)
def test_what_is_no_certificate_is_told_as_such(text: str) -> None:
    """Whatever stands in a Secret, the error is a ValueError that has none of it."""
    with pytest.raises(ValueError, match=r"^(no PEM block of a certificate|the PEM block is no certificate)$"):
        validity(text)


def test_the_dates_of_a_certificate_are_read() -> None:
    """The first certificate's dates, of the twentieth century and of the far future too."""
    item = next(item for item in yaml.safe_load_all(case("MLM966", "good")) if item["metadata"]["name"] == "mine")
    assert validity(item["stringData"]["tls.crt"]) == ("20200101000000Z", "21200101000000Z")

    def der(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        size = len(content)
        return bytes([tag, size] if size < 128 else [tag, 0x81, size]) + content

    dates = der(0x30, der(0x17, b"991231235959Z"), der(0x18, b"20991231235959Z"))
    body = der(0x30, der(0xA0, der(2, b"\x02")), der(2, b"\x01"), der(0x30), der(0x30, b" " * 120), dates)
    text = b64encode(der(0x30, body)).decode()
    found = validity(f"first line\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    assert found == ("19991231235959Z", "20991231235959Z")


def test_labels_of_a_component_are_no_mistake() -> None:
    """The policy says that a component has such pods, whoever deploys them: an info, as of another release."""
    text = case("MLM953")
    spec = {"components": {"llm": {"role": "inference", "namespace": "ml", "selector": {"app": "llm"}}}}
    settings = {"apiVersion": "mlmesh.dev/v1alpha1", "kind": "MeshPolicy", "metadata": {"name": "x"}, "spec": spec}
    found = severities(f"{text}---\n{yaml.safe_dump(settings)}", "MLM953")
    # Other labels than the component's are one still.
    assert sorted(found) == ["info"] * (len(severities(text, "MLM953")) - 1) + ["warning"]
