"""The DestinationRule by which gateways call a picker by TLS, or what one lacks for that."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.newcomers import is_own, newcomer
from mlmesh.graph.route import ISTIO
from mlmesh.graph.stamps import additions
from mlmesh.invariants.rule import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.graph.pickers import Picked
    from mlmesh.graph.release import Release
    from mlmesh.manifests.objects import KubeObject


def _level(each: "Picked") -> "dict[str, Any]":
    return {"port": {"number": each.port}, "tls": {"mode": "SIMPLE", "insecureSkipVerify": True}}


def _spec(each: "Picked") -> "dict[str, Any]":
    return {"host": each.host, "trafficPolicy": {"portLevelSettings": [_level(each)]}}


def call_by_tls(found: Violation, each: "Picked", rules: "list[tuple[str, KubeObject]]", release: "Release") -> None:
    """Mend what is found by the rule that it asks for, or by a port's settings in the only one that there is."""
    if each.port is None or not each.namespace:
        return
    if not rules:
        found.documents = newcomer(f"{ISTIO}/v1", "DestinationRule", (each.namespace, each.name), _spec(each), release)
        return
    rule = rules[0][1]
    exact = release.host(str(at(rule.data, "spec.host")), release.namespace(rule)) == each.host
    policy = at(rule.data, "spec.trafficPolicy")
    levels = at(policy, "portLevelSettings")
    if len(rules) > 1 or not exact or not is_own(rule, release) or not isinstance(policy, (dict, type(None))):
        return
    found.mends = rule
    place = next((index for index, level in maps(levels) if at(level, "port.number") == each.port), None)
    if place is not None:
        path = ["spec", "trafficPolicy", "portLevelSettings", str(place)]
        found.operations = tuple(additions("", rule.data, path, {"tls": _level(each)["tls"]}))
    elif isinstance(levels, list):
        found.operations = ({"op": "add", "path": "/spec/trafficPolicy/portLevelSettings/-", "value": _level(each)},)
    else:
        values = {"portLevelSettings": [_level(each)]}
        found.operations = tuple(additions("", rule.data, ["spec", "trafficPolicy"], values))


def remedy(each: "Picked", rules: "list[tuple[str, KubeObject]]") -> str:
    """What to write: into the rule that there is, since of two for a host the younger one's policy is dropped."""
    from json import dumps

    level = _level(each)
    if rules:
        return f"add to trafficPolicy.portLevelSettings of {rules[0][1].title}: {dumps(level)}"
    metadata = {"name": each.name, "namespace": each.namespace}
    rule = {"apiVersion": f"{ISTIO}/v1", "kind": "DestinationRule", "metadata": metadata, "spec": _spec(each)}
    return f"add: {dumps(rule)}"
