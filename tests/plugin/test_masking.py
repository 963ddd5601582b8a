"""What a report shows of manifests: never a secret."""

import pytest

from mlmesh.model.masking import masked
from tests.support.checks import check
from tests.support.rule_cases import CASES

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
    "- --tokenizer=/models/a",
    "protocol: GRPC",
    "listeners: [{name: http, port: 80, protocol: GRPC}]",
    "  secret:\n    secretName: cert",
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
