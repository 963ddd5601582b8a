"""The size of a pod's sidecar: four annotations, all or none.

Any one of them makes Istio's injector drop every default of the mesh, in the init container too (istio/istio
files/injection-template.yaml of the istiod chart), so a pod that has one gets the others. The API server refuses a
request above its limit: what is added is fitted to what the user set.
"""

from mlmesh.model.units import milli
from mlmesh.sidecars.sidecar import Sidecar

PREFIX = "sidecar.istio.io/"
PAIRS = (("proxyCPU", "proxyCPULimit"), ("proxyMemory", "proxyMemoryLimit"))
SIZES = tuple(PREFIX + key for pair in PAIRS for key in pair)


def size(sidecar: Sidecar) -> None:
    """The role's sizes where the user has none, no request above its limit. Notes MLM503."""
    block, wanted = sidecar.block, sidecar.annotations
    for request, limit in PAIRS:
        asked, allowed = _theirs(sidecar, request), _theirs(sidecar, limit)
        new_request, new_limit = block.get(request), block.get(limit)
        if asked is None and new_request is not None:
            wanted[PREFIX + request] = allowed if allowed and milli(allowed) < milli(new_request) else new_request
        if allowed is None and new_limit is not None:
            wanted[PREFIX + limit] = asked if asked and milli(asked) > milli(new_limit) else new_limit
        if asked is not None and allowed is not None and milli(asked) > milli(allowed):
            sidecar.note(
                "MLM503",
                sidecar.at(PREFIX + request),
                f"the sidecar asks for {request} {asked}, above its {limit} {allowed}: the API server refuses the pod",
                f"a {request} of at most {allowed}, or leave both out: the pod's role then decides",
            )


def note_partial(sidecar: Sidecar) -> None:
    """Note MLM504 for a pod that sets some of the sizes; ``annotations`` are what a fix writes beside them."""
    present = [key for key in SIZES if key in sidecar.theirs]
    missing = [key for key in SIZES if key not in sidecar.theirs]
    if present and missing:
        role = f"the role {sidecar.role} decide" if sidecar.role else "the pod's role told by the label mlmesh.dev/role"
        sidecar.note(
            "MLM504",
            sidecar.at(present[0]),
            f"the injector drops every size of the mesh where a pod sets one: this one has no {', '.join(missing)}",
            f"set all four; or leave them out, and have {role}",
            operations=sidecar.annotating(sidecar.annotations),
        )


def _theirs(sidecar: Sidecar, key: str) -> str | None:
    value = sidecar.theirs.get(PREFIX + key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise sidecar.wrong(PREFIX + key, f"{value} is no string", f'write it in quotes: "{value}"')
    try:
        milli(value)
    except ValueError as error:
        raise sidecar.wrong(PREFIX + key, str(error), "write a quantity in quotes") from None
    return value
