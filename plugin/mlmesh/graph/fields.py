"""Fields of objects that other people wrote: what stands somewhere may be anything, or nothing."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def at(data: "Any", path: str) -> "Any":
    """What stands at a dotted path of names; None where there is nothing."""
    if "." not in path:  # most are: it saves half of the time
        return data if not path else data.get(path) if isinstance(data, dict) else None
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def entries(value: object) -> "list[Any]":
    """A list's items; none of what is no list."""
    return value if isinstance(value, list) else []


def maps(value: object) -> "Iterator[tuple[int, dict[str, Any]]]":
    """The items of a list that are maps, each with its index."""
    return ((index, item) for index, item in enumerate(entries(value)) if isinstance(item, dict))


def mapping(value: object) -> "dict[str, Any]":
    """A map; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


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


def selects(selector: "dict[str, Any]", labels: "dict[str, Any]") -> bool:
    """Whether a label selector takes what has these labels; an empty one takes everything."""
    if any(str(labels.get(key)) != str(value) for key, value in mapping(selector.get("matchLabels")).items()):
        return False
    return all(_holds(each, labels) for _, each in maps(selector.get("matchExpressions")))


def _holds(expression: "dict[str, Any]", labels: "dict[str, Any]") -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    listed = key in labels and str(labels[key]) in map(str, entries(expression.get("values")))
    return listed if operator == "In" else not listed
