"""Every path and gRPC method that a model server is asked for has its type, on every kind of route."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlmesh.endpoints.catalogue import STREAMING, STRICTNESS, TYPES
from mlmesh.endpoints.match import types_of, types_of_method, types_of_path
from mlmesh.endpoints.sources import SOURCES
from mlmesh.endpoints.tails import index
from mlmesh.graph.release import Release
from mlmesh.graph.routes import route_of
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import objects
from mlmesh.policy.blocks import BLOCKS
from mlmesh.policy.settings import load
from tests.support.graphs import item

ASKED = yaml.safe_load((Path(__file__).parent / "endpoints.yaml").read_text())
BASES = ("", "/v1", "/openai/v1", "/team/llama-3.1_8b", "/publishers/ns/models/m", "/engines/m")

# What a path, a method and a type are written as; the types that a match of it must tell first.
Case = tuple[str, str, str]
PATHS: list[Case] = [
    (line.rpartition(" ")[2], line.rpartition(" ")[0], kind)
    for kind, asked in ASKED.items()
    for line in asked.get("paths", ())
]
CALLS: list[tuple[str, str, str]] = [
    (*line.rpartition("/")[::2], kind) for kind, asked in ASKED.items() for line in asked.get("grpc", ())
]
UNDECIDED = set(ASKED["metadata"]["undecided_prefixes"])
UNDECIDED_RAW = UNDECIDED | set(ASKED["metadata"]["undecided_raw_prefixes"])


def told(kind: str, matches: list[dict[str, Any]]) -> list[list[str]]:
    """The types of each match of a route, read as the post-renderer reads the route."""
    release = Release(load([], ()))
    istio = kind == "VirtualService"
    rules = [{"match" if istio else "matches": [match]} for match in matches]
    group = "networking.istio.io/v1" if istio else "gateway.networking.k8s.io/v1"
    text = item(group, kind, "r", {"http" if istio else "rules": rules})
    (document,) = manifests.read(text.encode()).documents
    (owner,) = objects(document, document.data)
    route = route_of(owner, release)
    return [[found.name for found in types_of(match)[0]] for rule in route.rules for match in rule.matches]


def escaped(path: str) -> str:
    """A path as a regular expression that matches it alone."""
    return path.replace(".", "\\.")


def test_the_table_and_the_catalogue_name_the_same_types_paths_and_methods() -> None:
    """No tail and no method of the catalogue is without a request in the table, and no type is without a block."""
    assert list(ASKED) == list(TYPES) == list(BLOCKS)
    known = index(ignore_case=False)
    reached = {
        (tail.kind.name, tail.words)
        for path, _, _ in PATHS
        for base in ("", "/v1")
        for tail in known.fitting(known.words(base + path))
    }
    assert [(tail.kind.name, tail.words) for tail in known.tails if (tail.kind.name, tail.words) not in reached] == []
    calls = {f"/{service}/{method}" for service, method, _ in CALLS}
    assert [method for kind in TYPES.values() for method in kind.grpc if method not in calls] == []


@pytest.mark.parametrize("base", BASES)
def test_a_virtualservice_tells_the_type_of_every_path(base: str) -> None:
    """exact, with a final slash, in any case where that is ignored, regex, and prefix each tell it."""
    for form in ("exact", "slash", "case", "regex", "end of a regex"):
        matches = []
        for path, method, _ in PATHS:
            whole = base + path
            uri = {
                "exact": {"exact": whole},
                "slash": {"exact": whole + "/"},
                "case": {"exact": whole.upper()},
                "regex": {"regex": f"^{escaped(whole)}$"},
                "end of a regex": {"regex": f"{escaped(whole)}/?"},
            }[form]
            match: dict[str, Any] = {"uri": uri, "ignoreUriCase": form == "case"}
            matches.append({**match, "method": {"exact": method}} if method else match)
        wrong = [
            (path, method, kind, types)
            for (path, method, kind), types in zip(PATHS, told("VirtualService", matches), strict=True)
            if types != [kind]
        ]
        assert wrong == [], form


@pytest.mark.parametrize("base", BASES)
def test_an_httproute_tells_the_type_of_every_path(base: str) -> None:
    """Exact, with a final slash, and RegularExpression, whole or with an end of its own, each tell it."""
    for form in ("exact", "slash", "regex", "end of a regex"):
        matches = []
        for path, method, _ in PATHS:
            whole = base + path
            value = {
                "exact": {"type": "Exact", "value": whole},
                "slash": {"type": "Exact", "value": whole + "/"},
                "regex": {"type": "RegularExpression", "value": escaped(whole)},
                "end of a regex": {"type": "RegularExpression", "value": f"^{escaped(whole)}/?$"},
            }[form]
            matches.append({"path": value, **({"method": method} if method else {})})
        wrong = [
            (path, method, kind, types)
            for (path, method, kind), types in zip(PATHS, told("HTTPRoute", matches), strict=True)
            if types != [kind]
        ]
        assert wrong == [], form


@pytest.mark.parametrize("base", ["", "/openai/v1", "/team/v1", "/ns/llama-3.1_8b", "/publishers/ns/models/m"])
@pytest.mark.parametrize("route", ["VirtualService", "HTTPRoute"])
def test_a_prefix_tells_the_type_it_ends_in_first_or_nothing_where_that_is_a_listing(route: str, base: str) -> None:
    """What comes along stands behind it; a prefix above paths of several types tells nothing. Predictions are POST, so
    that reads of `/v1/models` are told."""
    matches: list[dict[str, Any]] = []
    for path, method, _ in PATHS:
        whole = base + path
        if route == "VirtualService":
            matches.append({"uri": {"prefix": whole}, **({"method": {"exact": method}} if method else {})})
        else:
            element = {"path": {"type": "PathPrefix", "value": whole}}
            matches.append({**element, "method": method} if method else element)
    undecided = ASKED["metadata"]["undecided_reads"]
    for (path, method, kind), types in zip(PATHS, told(route, matches), strict=True):
        assert (types[0] if types else None) == (None if path in undecided else kind), (path, method, types)


def test_listings_without_a_method_tell_nothing_as_a_prefix() -> None:
    """/v1/models, /v2 and /v2/models/M stand above predictions, generations and the loading of models."""
    for base in ("", "/ns/n"):
        raw = [{"uri": {"prefix": base + path}} for path in sorted(UNDECIDED_RAW)]
        assert told("VirtualService", raw) == [[]] * len(raw)
        elements = [{"path": {"type": "PathPrefix", "value": base + path}} for path in sorted(UNDECIDED)]
        assert told("HTTPRoute", elements) == [[]] * len(elements)


def test_a_prefix_tells_nothing_or_every_type_that_it_takes() -> None:
    """Wherever a known path is cut off, as a raw string or after an element, its type is among those of the prefix.

    A verb is read as a whole word, so `:predict` does not take `:predictLongRunning`; admin is only named.
    """
    for base in ("", "/v1", "/ns/n"):
        cuts = [(base + path, method, kind, end) for path, method, kind in PATHS for end in range(1, len(base + path))]
        raw = told("VirtualService", [{"uri": {"prefix": path[:end]}} for path, _, _, end in cuts])
        elements = told(
            "HTTPRoute", [{"path": {"type": "PathPrefix", "value": path[:end]}} for path, _, _, end in cuts]
        )
        missed = [
            (path[:end], path, types)
            for (path, _, kind, end), string, element in zip(cuts, raw, elements, strict=True)
            for types, takes in ((string, not path[:end].endswith(":predict")), (element, path[end] == "/"))
            if takes and types and kind not in ("admin", *types)
        ]
        assert missed == []


def test_every_grpc_method_has_its_type_on_every_kind_of_route() -> None:
    """By name, by a regular expression, and as the path that it is, in each form that the kind of route has."""
    expected = [[kind] for _, _, kind in CALLS]
    for form in ("Exact", "RegularExpression", None):
        named: list[dict[str, Any]] = [
            {
                "service": escaped(service) if form == "RegularExpression" else service,
                "method": method,
                **({"type": form} if form else {}),
            }
            for service, method, _ in CALLS
        ]
        assert told("GRPCRoute", [{"method": method} for method in named]) == expected, form
    paths = [f"/{service}/{method}" for service, method, _ in CALLS]
    for form in ("Exact", "PathPrefix", "RegularExpression"):
        values = map(escaped, paths) if form == "RegularExpression" else paths
        http = [{"path": {"type": form, "value": value}} for value in values]
        assert told("HTTPRoute", http) == expected, form
    for form in ("exact", "regex"):
        values = map(escaped, paths) if form == "regex" else paths
        assert told("VirtualService", [{"uri": {form: value}} for value in values]) == expected, form
    raw = told("VirtualService", [{"uri": {"prefix": path}} for path in paths])
    for path, types, kind in zip(paths, raw, expected, strict=True):
        along = any(other != path and other.startswith(path) for other in paths)
        assert set(kind) <= set(types) if along else types == kind, path


def test_a_grpc_service_is_a_prefix_and_a_method_alone_is_that_of_any_service() -> None:
    """The types of all its methods, without admin beside others: that is to be denied, and has no block."""
    services = {service: {kind for at, _, kind in CALLS if at == service} for service, _, _ in CALLS}
    names = {method: {kind for _, name, kind in CALLS if name == method} for _, method, _ in CALLS}

    def among(kinds: set[str]) -> set[str]:
        return kinds - {"admin"} if len(kinds) > 1 else kinds

    expected = [among(kinds) for kinds in services.values()]
    by_service = told("GRPCRoute", [{"method": {"service": service}} for service in services])
    assert [set(types) for types in by_service] == expected
    for prefix in ("/{}/", "/{}"):
        paths = [{"uri": {"prefix": prefix.format(service)}} for service in services]
        assert [set(types) for types in told("VirtualService", paths)] == expected
    whole = [{"path": {"type": "PathPrefix", "value": f"/{service}"}} for service in services]
    assert [set(types) for types in told("HTTPRoute", whole)] == expected
    for form in ("Exact", "RegularExpression"):
        alone = told("GRPCRoute", [{"method": {"type": form, "method": method}} for method in names])
        assert [set(types) for types in alone] == [among(kinds) for kinds in names.values()]


def test_a_request_has_the_type_of_its_path() -> None:
    """What `mlmesh endpoints --match` answers: one type for a method, by path and by gRPC."""
    for path, method, kind in PATHS:
        assert [found.name for found in types_of_path(f"/any/base{path}", method)[0]] == [kind], path
    for service, method, kind in CALLS:
        assert [found.name for found in types_of_method(f"/{service}/{method}")[0]] == [kind], method


def test_the_blocks_are_what_istio_takes_and_as_safe_as_their_type() -> None:
    """Nothing beside 0 attempts; what creates something or does harm is never repeated after it may have begun."""
    safe = {"connect-failure", "refused-stream", "reset-before-request"}
    for name, block in BLOCKS.items():
        kind = TYPES[name]
        assert kind.retry in STRICTNESS
        assert kind.streaming in STREAMING
        assert set(kind.unsure) <= set(kind.tails)
        assert set(kind.served_by.split(", ")) <= set(SOURCES)
        if not block:
            assert name == "admin"
            continue
        conditions = set(block.get("retryOn", "").split(",")) - {""}
        if block["attempts"] == 0:
            assert set(block) == {"timeout", "attempts"}
        if kind.retry == "never":
            assert block["attempts"] == 0
        if kind.retry == "creates":
            assert conditions == safe
    assert {server for kind in TYPES.values() for server in kind.served_by.split(", ")} == set(SOURCES)


def test_the_blocks_of_the_reference_design_are_to_the_letter() -> None:
    """Chat, embeddings and predict are as the design has them."""
    assert BLOCKS["chat"] == {"timeout": "120s", "attempts": 2, "perTryTimeout": "60s", "retryOn": "5xx,reset"}
    assert BLOCKS["embeddings"] == {"timeout": "30s", "attempts": 3, "perTryTimeout": "10s"}
    assert BLOCKS["predict"] == {
        "timeout": "30s",
        "attempts": 3,
        "perTryTimeout": "10s",
        "retryOn": "5xx,reset,connect-failure",
    }


def test_a_question_is_refused_without_talk_of_manifests() -> None:
    """`mlmesh` holds no manifests back, so its errors do not say so; a query is not repeated, for it can hold a key."""
    asked = [sys.executable, "-c", "from mlmesh.cli import main; main()", "endpoints", "--match", "/v1/x?key=secret"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "mlmesh: a path is needed, and this has a query\n"
        "  where:  --match /v1/x\n"
        "  remedy: routes match the path alone: --match /v1/x\n"
    )
