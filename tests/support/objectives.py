"""Random objectives, and the blocks that the program derives from them."""

from random import Random
from typing import Any

from mlmesh.endpoints.catalogue import TYPES
from mlmesh.endpoints.derive import block
from mlmesh.policy.defaults import GENERATING, READING
from mlmesh.policy.settings import Policy
from tests.support.envoy_retries import Scenario, scenarios


def policy_of(kind: str = "", asked: dict[str, Any] | None = None, **endpoints: Any) -> Policy:
    """A policy with objectives for one type, and with other endpoint settings."""
    found = {"objectives": {"types": {kind: asked}}} if asked is not None else {}
    return Policy({"endpoints": {**found, **endpoints}}, None, "ml")


def derived(kind: str, asked: dict[str, Any] | None = None, **endpoints: Any) -> dict[str, Any]:
    """The block of a rule that serves one type."""
    return block([TYPES[kind]], policy_of(kind, asked, **endpoints))


def random_objectives(random: Random) -> tuple[str, dict[str, Any]]:
    """A type and objectives for it that do not contradict each other."""
    kind = random.choice([*GENERATING, *READING])
    found: dict[str, Any] = {}
    if random.random() < 0.9:
        if kind in READING or random.random() < 0.3:
            found["inputTokens"] = random.randrange(1, 400_000)
            found["prefillTokensPerSecond"] = random.choice([500, 5000.5, 60_000])
        if kind in GENERATING:
            if "inputTokens" not in found:
                found["timeToFirstToken"] = f"{random.randrange(50, 20_000)}ms"
            found["timePerOutputToken"] = random.choice(["15ms", "50ms", "0.2s", "1500us"])
            found["maxOutputTokens"] = random.randrange(100, 30_000)
            if random.random() < 0.7 and kind != "stream":
                found["outputTokens"] = random.randrange(1, found["maxOutputTokens"] + 1)
            if kind != "stream":
                found["streaming"] = random.choice([True, False, None])
        found["queue"] = random.choice(["0s", "2500ms", "5s", "1m"])
        found["headroom"] = random.choice([1, 1.2, 3])
    found["rule"] = random.choice([None, "attempts", "all-tries"])
    found["duplicates"] = random.choice([None, "any", "safe", "none"])
    found["coldStart"] = random.choice([None, "0s", "90s", "5m"])
    if found["duplicates"] != "none":
        found["attempts"] = random.choice([None, 0, 1, 2, 3, 5])
    return kind, found


def derived_scenarios(number: int = 30, seed: int = 8) -> list[Scenario]:
    """What clients must see of blocks derived from random objectives, each over within three seconds.

    A third at most of the blocks repeat nothing or only what is safe to repeat.
    """
    random = Random(seed)  # noqa: S311 - tests that are the same every time
    blocks: list[dict[str, Any]] = []
    dull = 0
    while len(blocks) < number:
        found = derived(*random_objectives(random))
        retry_on = found.get("retries", {}).get("retryOn", "")
        if "5xx" not in retry_on and "gateway-error" not in retry_on:
            dull += 1
            if dull > number // 3:
                continue
        blocks.append(found)
    return list(scenarios(random.sample(blocks, number), seed))
