"""What there is to say of each rule of a release's routes: types, each number and where it is from, the worst case.

What KServe routes by an InferenceService or an LLMInferenceService is a rule, too.

A route is followed by the proxies that it is attached to: a gateway, the sidecars of its callers, or both. A caller
with a sidecar that goes through a gateway passes two, of which the first has only what Istio does by itself.
"""

from math import inf

from mlmesh.endpoints.catalogue import ALWAYS, ASKED, WEBSOCKET
from mlmesh.endpoints.match import FORMS
from mlmesh.endpoints.routes import KINDS, OWN, Rule, rules
from mlmesh.endpoints.worst_case import CONNECT_TIMEOUT, SDK_TRIES, WorstCase, sentence, text, worst_case
from mlmesh.endpoints.write import ALWAYS_RETRIED, inherited, numbers, set_by_user, unsaid
from mlmesh.graph.fields import at, entries, mapping, policies
from mlmesh.graph.route import ISTIO, MESH
from mlmesh.model.errors import InputError
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject
    from mlmesh.model.patches import Patch

GATEWAY, SIDECAR = "gateway", "sidecar"
# Fields of a connectionPool by which a request may have to wait, or is refused at once.
_LIMITS = ("tcp.maxConnections", "http.http1MaxPendingRequests", "http.http2MaxRequests", "http.maxConcurrentStreams")
_LARGE = ("transcription", "transfer")  # types whose requests are files: over 1 MiB they are not repeated


class Account:
    """One rule's account.

    ``fields`` are (name, value, source) of its timeouts and retries, as its API names them; ``block`` the same of its
    types' block, in ``timeout``, ``attempts``, ``perTryTimeout``, ``retryOn`` and ``idle``; ``unsaid`` what of it the
    route cannot say. ``cases`` are (the proxies on the way, the worst case, in words).
    """

    __slots__ = ("_block", "block", "cases", "fields", "rule", "unsaid")

    def __init__(self, rule: Rule, release: "Release") -> None:
        self.rule = rule
        self.block = numbers(rule, release) if rule.types and rule.sure and rule.sends else {}
        own = set_by_user(rule)
        held = [(key, rule.data[key]) for key in OWN[rule.owner.kind] if key in rule.data]
        self.fields = [
            (name, value, "written in the route" if key in own else self._source(name))
            for key, found in held
            for name, value in _flat(key, found)
        ]
        if rule.owner.kind == "InferenceService" and not own:
            from mlmesh.endpoints.kserve import told

            self.fields = [("timeout", *told(rule, release))]
        says_all = own or not self.block or rule.owner.kind == "VirtualService"
        self.unsaid = [] if says_all else unsaid(rule, release)
        above = inherited(rule, release)
        self.fields += [
            (name, value, f"of {root.title}, which delegates to it")
            for key, (below, root, _) in above.items()
            for name, value in _flat(key, below)
        ]
        self._block = {key: value for key, (value, _, _) in above.items()} | effective(rule)
        self.cases = list(self._cases(release)) if rule.sends else []

    def _source(self, name: str) -> str:
        key = {"timeouts.request": "timeout", "retry.codes": "retryOn"}.get(name, name.rpartition(".")[2])
        return self.block[key].source if key in self.block else "its types have no timeout"

    @property
    def matches(self) -> list[str]:
        """What the rule matches, in words."""
        found = []
        for match in self.rule.matched.matches:
            path = f"{FORMS[match.form]} {match.path}" if match.form else "any path"
            headers = f" with {', '.join(match.headers)}" if match.headers else ""
            found.append(f"{match.method} {path}{headers}".lstrip())
        return found or ["any path"]

    def _cases(self, release: "Release") -> "Iterator[tuple[list[str], WorstCase, str]]":
        parents = self.rule.route.parents
        block = self._block
        done = []
        if any(parent.kind == "Gateway" for parent in parents):
            done = [([GATEWAY], [block]), ([SIDECAR, GATEWAY], [{}, block])]
        if not done or any(parent.kind in (MESH, "Service", "ServiceEntry") for parent in parents):
            done.append(([SIDECAR], [block]))
        for proxies, blocks in done:
            worst, words = self._worst(blocks, release)
            yield proxies, worst, words

    def _worst(self, blocks: "list[dict[str, Any]]", release: "Release") -> tuple[WorstCase, str]:
        types = self.rule.types
        streaming = {kind.streaming for kind in types}
        grpc = self.rule.grpc
        asked: dict[str, Any] = {
            "websocket": bool(types) and streaming == {WEBSOCKET},
            "grpc": grpc,
            "large_body": bool(types) and all(kind.name in _LARGE for kind in types),
            "client_tries": 1 if grpc else SDK_TRIES,
            "connect": _connecting(self.rule, release),
        }
        worst = worst_case(*blocks, streaming=bool(types) and streaming == {ALWAYS}, **asked)
        words = sentence(worst, "generation" if any(kind.generates for kind in types) else "request")
        if worst.cut is None and streaming & {ALWAYS, ASKED}:
            worst.cut = worst_case(*blocks, streaming=True, **asked).cut
            if worst.cut is not None and worst.cut < inf:
                words += f" A stream is cut after {text(worst.cut)}."
        if worst.runs > 1 or worst.tries > 1 or asked["large_body"]:
            words += " A request of more than 1 MiB is not repeated."
        return worst, words


def accounts(release: "Release", patches: "Sequence[Patch]" = ()) -> "Iterator[Account]":
    """An account of every rule of the release's own routes that has requests, in the order of the stream.

    ``patches`` are those of the run: objects with pods, which the release does not keep, are read again with them.
    """
    found = [(item, rules(item, release)) for kind, group in KINDS.items() for item in release.of(group, kind)]
    found += _of_kserve(release, patches)
    found.sort(key=lambda pair: pair[0].document.index)
    return (Account(rule, release) for _, of_item in found for rule in of_item)


def _of_kserve(release: "Release", patches: "Sequence[Patch]") -> "Iterator[tuple[KubeObject, list[Rule]]]":
    for document in release.documents:
        if not document.mentions(b"serving.kserve.io/v"):
            continue
        from mlmesh.endpoints.kserve import GROUP, rules_of
        from mlmesh.graph.pods import pod_templates
        from mlmesh.manifests.objects import objects
        from mlmesh.manifests.patching import patched

        operations = [
            operation for patch in patches if patch.document == document.index for operation in patch.operations
        ]
        for item in objects(document, patched(document.data, operations) if operations else document.data):
            if item.group == GROUP:
                yield item, rules_of(item, pod_templates(item), release)
        document.forget()


def effective(rule: Rule) -> "dict[str, Any]":
    """What Envoy does for a rule, as ``timeout`` and ``retries`` of a VirtualService say it.

    Raises InputError for what the API server or istiod refuses.
    """
    found = _effective(rule)
    retries = found.get("retries")
    if retries is not None and not isinstance(retries, dict):
        raise _refused(rule, "retries", "is no map", "write attempts, perTryTimeout and retryOn below it")
    retries = retries or {}
    times = [("timeout", found.get("timeout")), *((key, retries.get(key)) for key in ("perTryTimeout", "backoff"))]
    for name, value in times:
        try:
            if value is not None:
                duration_ms(value if isinstance(value, str) else "")
        except ValueError:
            remedy = "write a number and a unit in quotes, such as 120s, 2m or 500ms"
            raise _refused(rule, name, f"is {value!r}, which is no duration", remedy) from None
    attempts = retries.get("attempts", 0)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 0:
        raise _refused(rule, "attempts", f"is {attempts!r}", "write a whole number without quotes, 0 or more")
    if not isinstance(retries.get("retryOn") or "", str):
        raise _refused(rule, "retryOn", "is no string", "write Envoy's conditions with commas between them")
    return found


def _refused(rule: Rule, name: str, what: str, remedy: str) -> InputError:
    item = rule.owner
    key = OWN[item.kind][0 if name == "timeout" else -1]
    place = f"{item.document.at(item.document.line_of(f'{item.pointer}{rule.path}/{key}'))}, {item.title}"
    return InputError(f"{name} {what}", place=place, remedy=remedy)


def _effective(rule: Rule) -> "dict[str, Any]":
    if rule.owner.kind == "VirtualService":
        return {key: rule.data[key] for key in OWN["VirtualService"] if rule.data.get(key) is not None}
    if rule.owner.kind == "GRPCRoute":
        return {}
    if rule.owner.kind == "InferenceService":
        seconds = rule.matched.timeout
        return {} if seconds in (None, inf) else {"timeout": f"{seconds:g}s"}
    timeouts, retry = mapping(rule.data.get("timeouts")), rule.data.get("retry")
    each, whole = timeouts.get("backendRequest"), timeouts.get("request")
    if not isinstance(retry, dict):
        timeout = whole if each is None else each
        return {} if timeout is None else {"timeout": timeout}
    found: dict[str, Any] = {} if whole is None else {"timeout": whole}
    codes = [str(code) for code in entries(retry.get("codes"))]
    found["retries"] = {"attempts": retry.get("attempts", 2), "retryOn": ",".join((*ALWAYS_RETRIED, *codes))}
    if each is not None:
        found["retries"]["perTryTimeout"] = each
    if retry.get("backoff") is not None:
        found["retries"]["backoff"] = retry["backoff"]
    return found


def _flat(key: str, value: object) -> "Iterator[tuple[str, Any]]":
    if isinstance(value, dict):
        yield from ((f"{key}.{name}", below) for name, below in value.items())
    else:
        yield key, value


def _connecting(rule: Rule, release: "Release") -> float:
    """Seconds that a connection to a host of the rule's may take; inf where a DestinationRule limits how many there
    are, since a request then waits for one that is free.
    """
    hosts = {backend.host for backend in rule.backends}
    longest = 0.0
    for item in release.known(ISTIO, "DestinationRule"):
        if release.host(str(at(item.data, "spec.host")), release.namespace(item)) in hosts:
            for _, policy, _ in policies(at(item.data, "spec")):
                pool = policy.get("connectionPool")
                if any(at(pool, limit) for limit in _LIMITS):
                    return inf
                longest = max(longest, _span(at(pool, "tcp.connectTimeout")))
    return longest or CONNECT_TIMEOUT


def _span(value: object) -> float:
    """Seconds of a duration; 0 of what is none, which is told elsewhere."""
    try:
        return duration_ms(value) / 1000 if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
