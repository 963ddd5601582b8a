"""The traffic policies of a DestinationRule, wherever they stand in it."""

from mlmesh.graph.fields import at, mapping, maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def policies(spec: "Any") -> "Iterator[tuple[str, dict[str, Any], dict[str, Any]]]":
    """(pointer, policy, labels of the subset that it is for) of each traffic policy of a DestinationRule, ports too."""
    holders = [("/spec", mapping(spec), dict[str, object]())]
    holders += [
        (f"/spec/subsets/{index}", subset, mapping(subset.get("labels"))) for index, subset in maps(at(spec, "subsets"))
    ]
    for place, holder, labels in holders:
        policy = mapping(holder.get("trafficPolicy"))
        yield f"{place}/trafficPolicy", policy, labels
        for index, settings in maps(policy.get("portLevelSettings")):
            yield f"{place}/trafficPolicy/portLevelSettings/{index}", settings, labels
