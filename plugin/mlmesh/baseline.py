"""Findings that are known already: a file of fingerprints, for a first rollout."""

import json

from mlmesh.model.errors import InputError
from mlmesh.reports.words import title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlmesh.model.findings import Finding

VERSION = 1


def write(findings: "Iterable[Finding]") -> str:
    """``{"version", "findings": [{"fingerprint", "code", "object", "message"}]}``, sorted for who reads the diff."""
    entries = [
        {
            "fingerprint": finding.fingerprint,
            "code": finding.code,
            "object": title(finding),
            "message": finding.message,
        }
        for finding in findings
    ]
    entries.sort(key=lambda entry: (entry["code"], entry["object"], entry["fingerprint"]))
    return json.dumps({"version": VERSION, "findings": entries}, indent=2, ensure_ascii=False) + "\n"


class Baseline:
    """The known findings of a file."""

    def __init__(self, name: str, content: bytes) -> None:
        """Raises InputError for a file that is no baseline."""
        self.name = name
        try:
            held = json.loads(content)
            self._known = {str(entry["fingerprint"]): str(entry["object"]) for entry in held["findings"]}
            right = held["version"] == VERSION
        except (ValueError, TypeError, KeyError, RecursionError):
            right = False
        if not right:
            raise InputError(
                "the file is no baseline",
                place=name,
                remedy="write one: mlmesh check manifests/ --write-baseline baseline.json",
            )

    def settled(self, findings: "Sequence[Finding]") -> "tuple[list[Finding], str]":
        """The findings that are not known, and a sentence on those that are and on entries that no finding has."""
        new = [finding for finding in findings if finding.fingerprint not in self._known]
        seen = {finding.fingerprint for finding in findings}
        stale = [name for fingerprint, name in self._known.items() if fingerprint not in seen]
        note = ""
        if len(new) < len(findings):
            note += f" {len(findings) - len(new)} known by {self.name}."
        if stale:
            shown = ", ".join(stale[:5]) + (", ..." if len(stale) > 5 else "")
            note += f" Stale in {self.name}: {len(stale)} without a finding ({shown}): write it anew."
        return new, note
