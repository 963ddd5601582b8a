"""How gateways call an InferencePool's picker: MLM602, MLM609."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.inventory import INJECT
from mlmesh.graph.mtls import any_strict, refusing
from mlmesh.graph.newcomers import is_own
from mlmesh.graph.pickers import Rules, arguments, picked, reach, serves_tls
from mlmesh.graph.ports import HTTP2, UDP, UNTOLD, by_name, ports_of, protocol, target
from mlmesh.graph.route import GATEWAY_API
from mlmesh.graph.stamps import additions
from mlmesh.invariants.pickertls import call_by_tls, remedy
from mlmesh.invariants.rule import ABSENCE, CONTRADICTION, PODS, Rule, Violation
from mlmesh.manifests.patching import split
from mlmesh.model.findings import ERROR, WARNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.pickers import Picked
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject

_BY_TLS = ("SIMPLE", "MUTUAL")


def _called(release: "Release") -> "Iterator[tuple[Picked, bool | None]]":
    """Pools with their pickers, and whether Istio's gateways call these; not those that only others' gateways do."""
    found = list(picked(release))
    reached = reach(release) if found else {}
    for each in found:
        answer = reached.get((each.namespace, each.pool.name))
        if answer is not False:
            yield each, answer


class _Services:
    """The Services of pickers, and the DestinationRules for them, looked for once a pool has one."""

    def __init__(self, release: "Release") -> None:
        self._release = release
        self._found: dict[tuple[str, str], KubeObject] | None = None
        self._rules: Rules | None = None

    @property
    def rules(self) -> Rules:
        """The DestinationRules that there are."""
        self._rules = self._rules or Rules(self._release)
        return self._rules

    def of(self, each: "Picked") -> "KubeObject | None":
        """The Service of a picker, where somebody here holds it."""
        if self._found is None:
            known = self._release.known("", "Service")
            self._found = {(self._release.namespace(item), item.name): item for item in known}
        return self._found.get((each.namespace, each.name))

    def lack(self, each: "Picked") -> bool:
        """Whether the Service of a picker is here, and has ports, but not the one that the pool names."""
        service = self.of(each)
        numbers = [port.get("port") for _, port in ports_of(service)] if service is not None else []
        return bool(numbers) and each.port not in numbers


def picker_tls_mismatch(release: "Release") -> "Iterator[Violation]":
    """An endpoint picker speaks TLS and its gateway does not, or the reverse: every request to the pool is a 500.

    Why: the picker serves gRPC behind a certificate of its own unless `--secure-serving=false` is said, and Istio calls
    it in clear text unless a DestinationRule for its host says SIMPLE. Neither is told by the other.

    Bad: a picker without options, and no DestinationRule for its Service

    Good: a DestinationRule for it with `tls: {mode: SIMPLE, insecureSkipVerify: true}` on the gRPC port

    Source: kubernetes-sigs/gateway-api-inference-extension pkg/epp/server/options.go; kserve/kserve pull request 5716,
    istio/istio issue 59577.
    """
    services = _Services(release)
    for each, reached in _called(release):
        if services.lack(each):
            continue  # MLM601 says so
        pods = [pods for pods in each.pods(release) if pods.role == "picker"]
        serves = {serves_tls(words) for one in pods if (words := arguments(one)) is not None}
        if len(serves) != 1:
            continue  # no picker of this release, or two of which each does otherwise
        rules = services.rules.modes(each.host, each.port)
        by_tls = [rule for mode, rule in rules if mode in _BY_TLS]
        if serves == {True} and not by_tls and not _has_tls_policy(each, release):
            found = Violation(
                each.pool,
                "/spec/endpointPickerRef/name",
                f"the picker {pods[0].title} serves TLS on port {each.port}, and no DestinationRule has gateways call "
                f"{each.name} by it: {each.lost}",
                remedy(each, rules) + ", or give the picker --secure-serving=false",
                severity=release.weight(each.namespace) if reached else WARNING,
                evidence=pods[0].title,
            )
            call_by_tls(found, each, rules, release)
            yield found
        elif serves == {False} and rules and len(by_tls) == len(rules):
            yield Violation(
                each.pool,
                "/spec/endpointPickerRef/name",
                f"the picker {pods[0].title} serves clear text (--secure-serving=false), and {by_tls[0].title} has "
                f"gateways call it by TLS: {each.lost}",
                f"take tls for port {each.port} out of {by_tls[0].title}, or --secure-serving=false off the picker",
                severity=ERROR if reached else WARNING,
                evidence=pods[0].title,
            )


def _has_tls_policy(each: "Picked", release: "Release") -> bool:
    """Whether a BackendTLSPolicy has Gateways call the picker's Service by TLS."""
    return any(
        release.namespace(item) == each.namespace and (ref.get("kind"), ref.get("name")) == ("Service", each.name)
        for item in release.known(GATEWAY_API, "BackendTLSPolicy")
        for _, ref in maps(at(item.data, "spec.targetRefs"))
    )


def picker_port_protocol(release: "Release") -> "Iterator[Violation]":
    """A gateway cannot speak HTTP/2 to a picker's port: it is named for another protocol, or a STRICT sidecar ends TLS.

    Why: a gateway asks the picker by gRPC, in the protocol that the Service's port says. A picker that serves TLS by
    itself is called by TLS without a certificate of the mesh, which a STRICT sidecar before it refuses.

    Bad: `ports: [{name: http, port: 9002}]` on the picker's Service; a picker that serves TLS, in an injected STRICT
    namespace

    Good: the name `grpc`, or `appProtocol: kubernetes.io/h2c`; the label `sidecar.istio.io/inject: "false"` on the
    picker's pods

    Source: kserve/kserve issue 5331 and pull request 5310.
    """
    services = _Services(release)
    for each, _ in _called(release):
        service = services.of(each)
        ports = [(index, port) for index, port in ports_of(service) if port.get("port") == each.port] if service else []
        if service is None or not ports:
            continue
        index, port = ports[0]
        spoken = protocol(port)
        if spoken not in HTTP2 and spoken not in (UNTOLD, UDP) and not _upgraded(each, services):
            told = "name" if port.get("appProtocol") is None else "appProtocol"
            value = port.get(told)
            found = Violation(
                each.pool,
                "/spec/endpointPickerRef/port",
                f"port {each.port} of the picker's {service.title} is {spoken} by its {told} "
                f"{value or '(none)'}, so gateways do not speak HTTP/2 to it, which gRPC needs: {each.lost}",
                f"appProtocol: kubernetes.io/h2c on port {each.port} of {service.title}",
                evidence=service.title,
            )
            if is_own(service, release) and by_name(port.get("name")) in ("", "http"):  # else the two disagree
                found.mends = service
                place = f"/spec/ports/{index}/appProtocol"
                found.operations = (
                    {"op": "replace" if "appProtocol" in port else "add", "path": place, "value": "kubernetes.io/h2c"},
                )
            yield found
        else:
            yield from _refused(each, port, services, release)


def _upgraded(each: "Picked", services: _Services) -> bool:
    """Whether a DestinationRule may have gateways speak HTTP/2 whatever the port is called."""
    rules = services.rules.modes(each.host, each.port)
    return any("'UPGRADE'" in (text := repr(rule.data.get("spec"))) or "useClientProtocol" in text for _, rule in rules)


def _refused(
    each: "Picked", port: "dict[str, object]", services: _Services, release: "Release"
) -> "Iterator[Violation]":
    """A picker that is called by TLS, behind a sidecar that takes mutual TLS only."""
    if not any_strict(release) or not any(mode in _BY_TLS for mode, _ in services.rules.modes(each.host, each.port)):
        return
    for pods in each.pods(release):
        words = arguments(pods) if pods.role == "picker" else None
        number = target(port, pods)
        policy = refusing(pods, number, release) if words is not None and serves_tls(words) else None
        if policy is not None:
            own = any(pods is each for each in release.own.pods)
            template = pods.template() if own else None
            found = Violation(
                each.pool,
                "/spec/endpointPickerRef/name",
                f"the picker {pods.title} serves TLS of its own behind a sidecar, and {policy.title} has that take "
                f"mutual TLS only: a gateway's call to port {number} is refused, and {each.lost}",
                'the label sidecar.istio.io/inject: "false" on the picker\'s pods',
                evidence=pods.title,
            )
            if template is not None and template.holder is not None:
                found.mends = template.owner
                path = split(template.holder[len(template.owner.pointer) :] + "/labels")
                found.operations = tuple(additions("", template.owner.data, path, {INJECT: "false"}))
            yield found


_READS = ("DestinationRule", "Gateway", "HTTPRoute", "GRPCRoute", "Service", "Namespace", "PeerAuthentication", PODS)

RULES = (
    Rule(
        "MLM602",
        picker_tls_mismatch,
        severity=ERROR,
        confidence=ABSENCE,
        judges=("InferencePool",),
        reads=(*_READS, "BackendTLSPolicy"),
        fix="safe",
    ),
    Rule(
        "MLM609",
        picker_port_protocol,
        severity=WARNING,
        confidence=CONTRADICTION,
        judges=("InferencePool",),
        reads=_READS,
        fix="unsafe",
    ),
)
