"""What a report shows of manifests: never a secret."""

from time import process_time

import pytest

from mlmesh.model.masking import masked
from tests.support.checks import check
from tests.support.rule_cases import CASES
from tests.support.streams import pod, run

HIDDEN = "hunter2"
HIDES = {
    "a secret's key": "token: hunter2",
    "with a comment": "password: hunter2 # for now",
    "in quotes": '"api-key": "hunter2",',
    "a block scalar": "api_key: |\n  hunter2\n\n  hunter2\nnext: shown",
    "over lines": 'password: "a\n  hunter2"\nnext: shown',
    "on the next line": "password:\n  hunter2",
    "an environment variable": "- name: DB_PASSWORD\n  value: hunter2",
    "its value first": "- value: hunter2\n  name: DB_PASSWORD",
    "its value in a block": "- name: DB_TOKEN\n  value: |\n    hunter2",
    "in flow style": "- {name: DB_PASSWORD, value: hunter2}",
    "in flow style, value first": "- {value: hunter2, name: DB_PASSWORD}",
    "in JSON": '{"name": "DB_TOKEN", "value": "hunter2"}',
    "over JSON's lines": '"name": "DB_TOKEN",\n"value": "hunter2"',
    "an argument": "- --api-key=hunter2",
    "the argument behind": "- --api-key\n- hunter2\n- shown",
    "arguments in flow style": 'args: ["--token", "hunter2"]',
    "a header": 'x: "Authorization: Bearer hunter2"',
    "a header in flow style": 'headers: {authorization: {exact: "Bearer hunter2"}}',
    "an address": "url: https://h/?password=hunter2",
    "an address with a password": "url: postgres://u:hunter2@h/db",
    "an address among others": "- see redis://:hunter2@h:6379/0",
    "a short word for it": "adminPass: hunter2",
    "a shorter one": "db: {pwd: hunter2}",
    "a variable with a short word": "- name: DB_PASS\n  value: hunter2",
    "a variable with a short word in flow style": "- {name: DB_PASS, value: hunter2}",
    "an argument with a short word": "- --db-pass=hunter2",
    "a key to sign with": "signingKey: hunter2",
    "a key of Airflow's": "fernetKey: hunter2",
    "a key of TLS": "tls.key: hunter2",
    "another short word for it": "adminPw: hunter2",
    "a short word for credentials": "creds: {user: hunter2}",
    "a login": "basicAuth: u:hunter2",
    "a registry's login": ".dockerconfigjson: hunter2",
    "a token of a hub": "note: hf_hunter2hunter2hunter2hunter2",
    "a token of a provider": "- curl -H 'x: sk-hunter2-hunter2hunter2hunter2'",
    "a JWT": "note: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.hunter2",
    "a Secret in a List": "  kind: Secret\n  data:\n    a: hunter2\n    b: hunter2",
    "a Secret's data in flow style": "stringData: {a: hunter2}",
}
NEIGHBOURS = """\
apiVersion: v1
kind: Secret
metadata: {name: a}
data:
  a: hunter2
---
spec:
  listeners: [{name: http, port: 80, protocol: GRPC}]
  gatewayClassName: istio
metadata: {name: gw, namespace: ml}
kind: Gateway
apiVersion: gateway.networking.k8s.io/v1
"""
SHOWS = (
    "secretName: cert",
    "credentialName: cert",
    "- secretRef: {name: cert}",
    "kind: AuthorizationPolicy",
    "automountServiceAccountToken: false",
    "- --max-tokens=512",
    "timeToFirstToken: 8s",
    "llm: {timeToFirstToken: 8s, timePerOutputToken: 40ms, inputTokens: 900, outputTokens: 4000}",
    "- --tokenizer=/models/a",
    "protocol: GRPC",
    "listeners: [{name: http, port: 80, protocol: GRPC}]",
    "  secret:\n    secretName: cert",
    "passthrough: true",
    "- bypass: compass",
    "image: ghcr.io/org/app@sha256:0123456789abcdef",
    "issuer: https://accounts.example.com:443/a@b",
    "connectionPool: {tcp: {maxConnections: 3}}",
)


@pytest.mark.parametrize("text", HIDES.values(), ids=HIDES)
def test_a_secret_is_masked_wherever_it_stands(text: str) -> None:
    """Its lines stay as many as they were, and what is none stays readable."""
    lines = masked(text.split("\n"))
    assert HIDDEN not in "\n".join(lines)
    assert "***" in "\n".join(lines)
    assert len(lines) == text.count("\n") + 1
    assert ("shown" in text) == ("shown" in "\n".join(lines))


@pytest.mark.parametrize("text", SHOWS)
def test_names_of_secrets_and_words_like_theirs_are_shown(text: str) -> None:
    """A finding about a certificate's name or a tokenizer can be read."""
    assert masked(text.split("\n")) == text.split("\n")


def test_a_long_line_is_masked_in_linear_time() -> None:
    """Whose line almost is a token, over and over, does not keep a run busy."""
    start = process_time()
    for almost in ("eyJaaaaaaaa-", "sk-", "://a:", "token", "p"):
        masked([f"note: {almost * (600_000 // len(almost))}"])
    assert process_time() - start < 5  # a tenth of it on an idle machine, and minutes where it is quadratic


def test_an_excerpt_never_shows_a_secret() -> None:
    """The lines around a finding are masked, in arguments and in flow style too."""
    text = (CASES / "MLM502" / "bad.yaml").read_text()
    text = text.replace("  annotations:\n", "  annotations:\n    api-token: hunter2\n", 1)
    text = text.replace(
        "    sidecar.istio.io/proxyMemory: 256Mi\n",
        "    note: '{name: TOKEN, value: hunter2}'\n    sidecar.istio.io/proxyMemory: 256Mi\n",
    )
    shown = check(stdin=text).stdout.decode()
    assert "api-token: ***" in shown
    assert "note: ***" in shown
    assert HIDDEN not in shown


def test_a_finding_about_an_address_shows_its_host_alone() -> None:
    """Who asks, the path of a webhook and a query can be secrets, and no one of them is needed to find it."""
    address = "https://user:hunter2@files.example.com/hunter2?token=hunter2"
    text = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: ml, labels: {{sidecar.istio.io/inject: "true"}}}}
spec: {{containers: [{{name: c, image: server, args: ["--from={address}"]}}]}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: ml}}
spec: {{outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}, egress: [{{hosts: ["./*"]}}]}}
"""
    shown = check(stdin=text).stdout.decode()
    assert "asks files.example.com (--from=https://files.example.com)" in shown
    assert HIDDEN not in shown


def test_a_plan_never_shows_a_secret() -> None:
    """Settings of the proxy that the user wrote stand in the patch that adds to them."""
    config = "{proxyMetadata: {API_TOKEN: hunter2}}"
    done = run("plan", stdin=pod(**{"proxy.istio.io/config": config}), command="mlmesh")
    text = done.stdout.decode()
    assert "replace /spec/template/metadata/annotations/proxy.istio.io~1config = ***" in text
    assert HIDDEN not in text


def test_an_excerpt_knows_what_its_lines_belong_to() -> None:
    """A block of text is masked where its key, a secret's, stands above the lines that are shown."""
    text = (CASES / "MLM502" / "bad.yaml").read_text()
    block = "    api-token: |\n" + "      hunter2\n" * 6
    text = text.replace(
        "    sidecar.istio.io/proxyMemory: 256Mi\n", f"{block}    sidecar.istio.io/proxyMemory: 256Mi\n"
    )
    shown = check(stdin=text).stdout.decode()
    assert "***" in shown
    assert HIDDEN not in shown


def test_a_diff_never_shows_a_secret() -> None:
    """Nor do the lines around a fix, of the document before it either."""
    shown = check("--unsafe-fixes", "--diff", stdin=NEIGHBOURS).stdout.decode()
    assert '+  listeners: [{name: http, port: 80, protocol: "HTTP"}]' in shown
    assert "***" in shown
    assert HIDDEN not in shown
