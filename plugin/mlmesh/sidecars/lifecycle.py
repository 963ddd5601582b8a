"""How a pod's application and its proxy start and end together.

A classic sidecar is a container beside the application: it starts and gets its signal to end with it. So the
application is held until the proxy is ready, and the proxy stays until no connection is left
(EXIT_ON_ZERO_ACTIVE_CONNECTIONS), not for the five seconds of terminationDrainDuration. A native sidecar starts before
the application and ends after it whatever these settings say (istio/istio pkg/envoy/agent.go); it is also the only kind
that lets a Job complete. Of both kinds the pod's terminationGracePeriodSeconds are the end: they must outlast the
requests.
"""

from math import ceil, inf

from mlmesh.graph.inventory import INJECT
from mlmesh.graph.stamps import additions
from mlmesh.manifests.patching import split
from mlmesh.model.units import duration_ms
from mlmesh.sidecars import proxy_config
from mlmesh.sidecars.injection import ends
from mlmesh.sidecars.sidecar import Sidecar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.model.patches import Operation

NATIVE = "sidecar.istio.io/nativeSidecar"
HOLD = "holdApplicationUntilProxyStarts"
DRAIN = "terminationDrainDuration"
UNTIL_IDLE = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS"
GRACE = "terminationGracePeriodSeconds"
DEFAULT_GRACE = 30  # seconds, Kubernetes'
KNATIVE_GRACE = 300  # seconds, Knative's timeoutSeconds where it is left out
KSERVE_MODE = "serving.kserve.io/deploymentMode"
MARGIN = 10  # seconds: requests still come until all proxies know that the pod ends, and the application needs to end


def settle(sidecar: Sidecar) -> None:
    """Write how the pod starts and ends. Notes MLM212, MLM213, MLM505 and MLM506."""
    classic = _may_be_classic(sidecar)
    config = proxy_config.theirs(sidecar)
    known = proxy_config.set_keys(config) if config else set()
    added: dict[str, Any] = {}
    if classic and sidecar.block.get(HOLD):
        if HOLD not in known:
            added[HOLD] = True
        elif config[proxy_config.spelling(config, HOLD)] is False:
            _note_not_held(sidecar)
    maximum = duration_ms(sidecar.block.get("drainMaximum") or "0s") / 1000
    if maximum:
        by_user = bool({DRAIN, UNTIL_IDLE} & known)
        if classic and not by_user:
            added[proxy_config.METADATA] = {UNTIL_IDLE: "true"}
        timeout = sidecar.release.longest_timeout(sidecar.pod)
        if timeout is not None:
            _grace(sidecar, timeout, maximum)
            if timeout != inf:
                _note_short(sidecar, timeout)
                if classic and (by_user or (sidecar.is_left and _is_surely_classic(sidecar))):
                    _note_leaves_first(sidecar, config, timeout)
    proxy_config.add(sidecar, config, added)


def _may_be_classic(sidecar: Sidecar) -> bool:
    """Whether the pod's sidecar may be no native one; for pods that end, after it was asked to be one."""
    policy = sidecar.release.policy.spec["mesh"]["nativeSidecars"]
    ending = ends(sidecar.pod)
    said = sidecar.theirs.get(NATIVE)
    if said is not None:
        native = str(said) != "false"
    elif policy == "auto" and ending:
        sidecar.annotations[NATIVE] = "true"
        native = True
        if sidecar.is_left and is_asked(sidecar):
            note_endless(sidecar)
    else:
        native = policy is True
    if ending and not native and (said is not None or policy is False):
        note_endless(sidecar)
    return not native


def _is_surely_classic(sidecar: Sidecar) -> bool:
    """Whether the pod or the policy says that its sidecar is no native one."""
    said = sidecar.theirs.get(NATIVE)
    return sidecar.release.policy.spec["mesh"]["nativeSidecars"] is False if said is None else str(said) == "false"


def is_asked(sidecar: Sidecar) -> bool:
    """Whether the injector is surely asked about the pod, by its own label or by its namespace's."""
    said = sidecar.pod.labels.get(INJECT)
    if said is not None:
        return str(said).lower() == "true"
    from mlmesh.graph.membership import namespace_injects

    return namespace_injects(sidecar.release.namespace(sidecar.pod.owner), sidecar.release) is True


def _grace(sidecar: Sidecar, timeout: float, maximum: float) -> None:
    """Have the pod's end wait for its requests, where its user does not say how long it waits."""
    pod = sidecar.pod
    seconds = ceil(min(timeout + MARGIN, maximum))
    at = _spec_pointer(sidecar)
    theirs = pod.spec.get(GRACE) is not None and f"{at}/{GRACE}" not in sidecar.ours
    if at is None or theirs or seconds <= DEFAULT_GRACE:
        return
    sidecar.spec[GRACE] = seconds
    allowed = "a route to it has no timeout" if timeout == inf else f"a route to it allows {timeout:g}s"
    sidecar.reasons.append(f"{GRACE} {seconds}: {allowed}")


def _spec_pointer(sidecar: Sidecar) -> str | None:
    """The pointer, from the object, of a PodSpec that takes every field of one; None where there is none.

    One that is not there is not made: without containers it would be refused.
    """
    pod = sidecar.pod
    if pod.spec_pointer is None or not pod.spec or _knative_field(sidecar):
        return None
    return pod.spec_pointer[len(pod.owner.pointer) :]


def _knative_field(sidecar: Sidecar) -> str:
    """The field by which Knative sets the grace period of its pods, which it lets nobody set; "" for other pods.

    KServe runs an InferenceService by Knative unless its deployment mode is another, or the cluster's default is.
    """
    owner = sidecar.pod.owner
    if owner.group == "serving.knative.dev":
        return "timeoutSeconds"
    kserve = (owner.group, owner.kind) == ("serving.kserve.io", "InferenceService")
    return "timeout" if kserve and owner.annotations().get(KSERVE_MODE) not in ("Standard", "RawDeployment") else ""


def _note_short(sidecar: Sidecar, timeout: float) -> None:
    pod = sidecar.pod
    field = _knative_field(sidecar)
    default = KNATIVE_GRACE if field else DEFAULT_GRACE
    field = field or GRACE
    derives = field in sidecar.spec and not sidecar.is_left
    own = pod.spec.get(field)
    grace = sidecar.spec[field] if derives else default if own is None else own
    if not isinstance(grace, int) or grace >= timeout:
        return
    place = (pod.spec_pointer or pod.pointer)[len(pod.owner.pointer) :] + f"/{field}"
    operations: tuple[Operation, ...] = ()
    if derives:
        remedy = f"a longer sidecars.{sidecar.role}.drainMaximum in the policy, or a shorter timeout of the route"
    else:
        wanted = ceil(timeout) + MARGIN
        derived = ", which mlmesh-post derives" if field in sidecar.spec else ""
        remedy = f"{field} of at least {wanted}{derived}; or a shorter timeout of the route"
        # Knative's field has a greatest value, which its own settings say
        if field == GRACE and pod.spec_pointer and pod.spec:
            operations = tuple(additions("", pod.owner.data, split(place.rpartition("/")[0]), {GRACE: wanted}))
    sidecar.note(
        "MLM212",
        place,
        f"a route to these pods allows {timeout:g}s, but a pod that ends is killed after {grace}s with what it is "
        f"answering",
        remedy,
        operations=operations,
    )


def _note_leaves_first(sidecar: Sidecar, config: "dict[str, Any]", timeout: float) -> None:
    """The proxy's own end, where it is the user's: it must not come before the last answer."""
    metadata = config.get(proxy_config.spelling(config, proxy_config.METADATA)) or {}
    if str(metadata.get(UNTIL_IDLE, "")).lower() == "true":
        return
    try:
        drain = duration_ms(str(config.get(proxy_config.spelling(config, DRAIN), "5s"))) / 1000
    except ValueError:
        return
    if drain < timeout:
        own = sidecar.theirs.get(proxy_config.CONFIG)
        meant = f'{{"{proxy_config.METADATA}": {{"{UNTIL_IDLE}": "true"}}}}'
        text = meant if own is None else proxy_config.with_metadata(str(own), UNTIL_IDLE, "true")
        sidecar.note(
            "MLM213",
            sidecar.at(proxy_config.CONFIG),
            f"a route to these pods allows {timeout:g}s, but the proxy of a pod that ends leaves after {drain:g}s and "
            f"cuts off what is being answered",
            f"annotation {proxy_config.CONFIG}: '{meant}', which mlmesh-post derives"
            if own is None
            else f"leave {DRAIN} and {UNTIL_IDLE} out and have the role {sidecar.role} decide",
            operations=sidecar.annotating({proxy_config.CONFIG: text} if text else {}),
        )


def _note_not_held(sidecar: Sidecar) -> None:
    sidecar.note(
        "MLM505",
        sidecar.at(proxy_config.CONFIG),
        f"{HOLD} is false, so what the application asks of others as it starts can fail before the proxy is ready",
        f"leave {HOLD} out, or set sidecars.{sidecar.role}.{HOLD}: false in the policy for the whole role",
    )


def note_endless(sidecar: Sidecar) -> None:
    """Note a pod whose work ends and whose proxy does not."""
    if "quitquitquit" in str(sidecar.pod.spec):
        return  # the application ends the proxy itself
    # whoever says "false", or has it said by the policy, may have nodes that cannot run them
    able = sidecar.release.policy.spec["mesh"]["nativeSidecars"] is not False and NATIVE not in sidecar.theirs
    sidecar.note(
        "MLM506",
        sidecar.pod.pointer[len(sidecar.pod.owner.pointer) :],
        "the pod's work ends, but a classic sidecar does not: with one the pod never completes",
        f'annotation {NATIVE}: "true" (Kubernetes 1.29 on), or have the application POST to '
        f"localhost:15020/quitquitquit at its end",
        operations=sidecar.annotating({NATIVE: "true"}) if able else (),
    )
