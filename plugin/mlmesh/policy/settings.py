"""The settings of one run: found in the stream, laid over the defaults, sent on as a ConfigMap."""

from mlmesh import __version__
from mlmesh.manifests import load as load_library
from mlmesh.manifests import stream as manifests
from mlmesh.manifests.objects import KubeObject, objects
from mlmesh.manifests.quoting import dump
from mlmesh.model.errors import InputError
from mlmesh.model.units import milli
from mlmesh.policy.defaults import DEFAULTS, PROXY_ROLES
from mlmesh.policy.layers import merge
from mlmesh.policy.names import API_VERSION, KIND, version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mlmesh.policy.places import Layer

LABEL = "mlmesh.dev/policy"
DATA_KEY = "policy.json"
_NEEDED = f"name a file with one {KIND} ({API_VERSION}) or with the ConfigMap of an earlier run"


class Policy:
    """The settings of one run.

    ``spec`` is every layer over the defaults, ``carried`` the layers without the defaults (what the ConfigMap holds),
    ``carrier`` the MeshPolicy or ConfigMap of the stream. ``namespace`` is the release's, empty where nothing names it.
    ``layers`` are the policies as they were read, the later over the earlier.
    """

    __slots__ = ("_layers", "carried", "carrier", "namespace", "spec")

    def __init__(
        self, carried: "dict[str, Any]", carrier: KubeObject | None, namespace: str, layers: "Sequence[Layer]" = ()
    ) -> None:
        self.carried = carried
        self.carrier = carrier
        self._layers = layers
        self.spec = merge([DEFAULTS, carried])
        self.namespace = namespace or self.spec.get("release", {}).get("namespace", "")

    def place(self, path: str) -> str:
        """The line of a setting, named by its path (``spec.endpoints...``), for what is said against it."""
        return _place(self._layers, path)

    def configmap(self, carrier: KubeObject) -> "tuple[str, str]":
        """Name of the ConfigMap that takes the carrier's place, and the text of its ``policy.json``."""
        release = self.carried.get("release", {}).get("name")
        name = f"{release}-mesh-policy" if release else carrier.name
        policy = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": self.carried,
        }
        return name, _compact(policy)  # json would cost a fortieth of a run that reads no JSON


def _compact(value: "Any") -> str:
    """The value as JSON, the keys of its maps in order, so that the order of layers is not seen."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{dump(key)}:{_compact(below)}" for key, below in sorted(value.items())) + "}"
    return "[" + ",".join(map(_compact, value)) + "]" if isinstance(value, list) else dump(value)


def is_policy(item: KubeObject) -> bool:
    """Whether an object carries settings: a MeshPolicy, or the ConfigMap that took one's place."""
    if item.kind == KIND:
        return item.group == "mlmesh.dev"
    return item.kind == "ConfigMap" and item.group == "" and _label(item) == "true"


def load(
    carriers: "Sequence[KubeObject]",
    files: "Sequence[tuple[str, bytes]]" = (),
    *,
    namespace: str = "",
    required: bool = False,
) -> Policy:
    """The settings from the stream's carriers and from policy files (name, content), the later over the earlier.

    ``required`` refuses a stream without any policy. Raises InputError for two policies of one form, an unknown key, a
    wrong unit, and a policy that needs a newer plugin.
    """
    own = [item for item in carriers if item.kind == KIND]
    earlier = [item for item in carriers if item.kind != KIND]
    for found in (own, earlier):
        if len(found) > 1:
            raise InputError(
                f"two policies in one stream: {_titled(found[0])} and {_titled(found[1])}",
                place=found[1].document.place,
                remedy="a release has one policy: switch the chart off in one place, or install it as two releases",
            )
    if required and not carriers and not files:
        raise InputError(
            "the stream has no policy, and --require-policy (MLMESH_REQUIRE_POLICY) asks for one",
            remedy="render the chart ml-mesh with it, or name a policy with --policy",
        )
    read = [(item, "") for item in (*earlier, *own)]
    read += [(_read_file(name, content), name) for name, content in files]
    layers = [_read(item, name) for item, name in read]
    for (item, name), layer in zip(read, layers, strict=True):
        if name and item.kind != KIND:
            layer.pop("release", None)  # it tells of the release that left it, not of this one
    carrier = own[0] if own else earlier[0] if earlier else None
    policy = Policy(merge(layers), carrier, namespace, read)
    roles = (*policy.spec["sidecars"], *PROXY_ROLES)
    for name, component in policy.spec.get("components", {}).items():
        if component.get("role", roles[0]) not in roles:
            raise InputError(
                f"component {name} has role {component['role']!r}, which is not known",
                place=_place(read, f"spec.components.{name}.role") + f", spec.components.{name}.role",
                remedy=f"one of {', '.join(roles)}, or a new one with its sizes under `sidecars`",
            )
    for role in policy.carried.get("sidecars", ()):
        _check_sizes(role, policy.spec["sidecars"][role], read)
    if "endpoints" in policy.carried:
        _check_endpoints(policy.carried["endpoints"], read)
    return policy


def _place(layers: "Sequence[Layer]", path: str, otherwise: str = "policy") -> str:
    from mlmesh.policy.places import place

    return place(layers, path) or otherwise


def _check_sizes(role: str, block: "dict[str, Any]", layers: "Sequence[Layer]") -> None:
    """Refuse a request above its limit, be the other one a built-in default: no pod of the role would start."""
    for request, limit in (("proxyCPU", "proxyCPULimit"), ("proxyMemory", "proxyMemoryLimit")):
        asked, allowed = block.get(request), block.get(limit)
        if asked is not None and allowed is not None and milli(asked) > milli(allowed):
            raise InputError(
                f"{request} {asked} is above {limit} {allowed}",
                place=_place(layers, f"spec.sidecars.{role}") + f", spec.sidecars.{role}",
                remedy="the API server refuses such a pod: set both (a built-in default holds where one is left out)",
            )


def _check_endpoints(endpoints: "dict[str, Any]", layers: "Sequence[Layer]") -> None:
    """Refuse what contradicts itself, over all layers together: a later run reads them as one."""
    found = []
    for kind, block in endpoints.get("types", {}).items():
        beside = [key for key in ("perTryTimeout", "retryOn") if block.get(key) and block[key] not in ("0", "0s")]
        if block.get("attempts") == 0 and beside:
            what = f"is 0, which turns retries off, beside {' and '.join(beside)}"
            found.append((f"spec.endpoints.types.{kind}.attempts", what, "Istio refuses that: set the others to null"))
    if endpoints.get("objectives"):
        from mlmesh.policy.objectives import problems

        found += problems(endpoints["objectives"])
    if found:
        raise InputError(
            "; ".join(f"{path} {what} ({remedy})" for path, what, remedy in found[:10]),
            place=_place(layers, found[0][0]),
            remedy="correct the policy: the chart's value `policy`, or the file that --policy names",
        )


def _label(item: KubeObject) -> object:
    metadata = item.data.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels.get(LABEL) if isinstance(labels, dict) else None


def _titled(item: KubeObject) -> str:
    spec = item.data.get("spec")
    release = spec.get("release") if isinstance(spec, dict) else None
    name = release.get("name") if isinstance(release, dict) else None
    source = f" from {item.document.source}" if item.document.source else ""
    return f"{item.title}{f' of release {name}' if name else ''}{source}"


def _read_file(name: str, content: bytes) -> KubeObject:
    place = f"policy file {name}"
    remedy = ""
    try:
        read = [(document, document.data) for document in manifests.read(content).documents]
        remedy = _NEEDED  # what is no object is YAML, and another file is meant
        found = [item for document, data in read for item in objects(document, data)]
    except InputError as error:
        raise InputError(error.what, place=f"{place}, {error.place}", remedy=remedy or error.remedy) from None
    if len(found) != 1 or not is_policy(found[0]):
        raise InputError(
            f"not one policy but {len(found)} objects"
            if len(found) != 1
            else f"an object of kind {found[0].kind}, which is no policy",
            place=place,
            remedy=_NEEDED,
        )
    return found[0]


def _read(item: KubeObject, name: str) -> "dict[str, Any]":
    """The settings of a policy of the stream, or of the file of this name."""
    place = f"policy file {name}" if name else item.document.place
    data = item.data
    if item.kind != KIND:
        data = _from_configmap(item, place)
    if data.get("apiVersion") != API_VERSION or data.get("kind") != KIND:
        raise InputError(
            f"the policy is not a {KIND} of {API_VERSION}",
            place=place,
            remedy="install the plugin that belongs to the chart",
        )
    spec = data.get("spec")
    needed = spec.get("requires") if isinstance(spec, dict) else None
    if isinstance(needed, str) and _newer(needed):
        raise InputError(
            f"the policy needs mlmesh {needed} or newer; this is mlmesh {__version__}",
            place=place,
            remedy="update the post-renderer (pip install --upgrade mlmesh), or use an older chart",
        )
    from mlmesh.policy.fields import SCHEMA
    from mlmesh.policy.problems import problems

    unknown = [key for key in data if key not in SCHEMA["properties"]]
    found = [(key, "unknown key", "a policy has apiVersion, kind, metadata and spec") for key in unknown]
    found += problems(spec)
    if found or not isinstance(spec, dict):
        raise InputError(
            "; ".join(f"{path}: {what} ({remedy})" for path, what, remedy in found[:10]),
            place=_place([(item, name)], found[0][0], place) if found and item.kind == KIND else place,
            remedy="correct the policy: the chart's value `policy`, or the file that --policy names",
        )
    return spec


def _newer(needed: str) -> bool:
    try:
        return version(needed) > version(__version__)
    except ValueError:
        return False  # not a version at all: the table says so, with its path


def _from_configmap(item: KubeObject, place: str) -> "dict[str, Any]":
    json = load_library("json")
    held = item.data.get("data")
    text = held.get(DATA_KEY) if isinstance(held, dict) else None
    try:
        data = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InputError(
            f"the ConfigMap's {DATA_KEY} is not a policy",
            place=place,
            remedy="render the chart again: the post-renderer writes it",
        )
    return data
