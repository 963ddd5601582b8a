"""A pod that gets a sidecar: what its user set, what its role gets, and what is to be written."""

from mlmesh.graph.pods import PodTemplate
from mlmesh.graph.release import Release
from mlmesh.graph.stamps import additions
from mlmesh.graph.violation import Violation
from mlmesh.manifests.patching import split
from mlmesh.model.errors import InputError
from mlmesh.model.patches import pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.model.patches import Operation


class Sidecar:
    """One pod template on its way to its settings.

    ``block`` is what the policy gives its role, ``ours`` the pointers (from the object) of what an earlier run derived,
    ``path`` that of the pod's annotations, ``theirs`` those that its user set. Filled by the topics: ``annotations``
    and ``spec`` (fields of the PodSpec), which hold after the run; ``inner``, for an annotation that is the user's and
    is added to, the pointers of what is added inside its text; ``reasons`` for the plan, beyond the role's.
    """

    __slots__ = ("annotations", "block", "inner", "ours", "path", "pod", "reasons", "release", "role", "spec", "theirs")

    def __init__(self, pod: PodTemplate, role: str, release: Release, ours: "frozenset[str]") -> None:
        self.pod = pod
        self.role = role
        self.release = release
        self.block: dict[str, Any] = release.policy.spec["sidecars"].get(role, {})
        self.ours = ours
        self.path = (pod.annotations_pointer or "")[len(pod.owner.pointer) :]
        present = pod.annotations
        self.theirs = {key: present[key] for key in present if self.at(key) not in ours} if ours else present
        self.annotations: dict[str, str] = {}
        self.spec: dict[str, int] = {}
        self.inner: dict[str, list[str]] = {}
        self.reasons: list[str] = []

    def at(self, key: str) -> str:
        """The pointer, from the object, of one of the pod's annotations."""
        return self.path + pointer(key)

    @property
    def is_left(self) -> bool:
        """Whether the pod stays as its user wrote it: no run has given it anything, and this one writes nothing."""
        return self.release.as_it_is and not self.ours

    def annotating(self, values: "dict[str, str]") -> "tuple[Operation, ...]":
        """Operations, from the object, that give the pods these annotations; none where the kind has no place."""
        return tuple(additions("", self.pod.owner.data, split(self.path), values)) if self.path and values else ()

    def note(
        self,
        code: str,
        place: str,
        message: str,
        remedy: str,
        *,
        severity: str = "",
        operations: "tuple[Operation, ...]" = (),
    ) -> None:
        """Keep for the invariants what is wrong with this pod; ``place`` is a pointer from the object."""
        violation = Violation(
            self.pod.owner,
            place,
            message,
            remedy,
            severity=severity,
            evidence=self.pod.part,
            operations=operations,
        )
        self.release.notes.setdefault(code, []).append(violation)

    def wrong(self, key: str, what: str, remedy: str) -> InputError:
        """The error for an annotation with which Istio's injector, or the API server, refuses the pod."""
        return InputError(
            what,
            place=f"{self.pod.owner.document.place}, annotation {key} of the pod template at {self.pod.pointer or '/'}",
            remedy=f"no such pod is admitted: {remedy}",
        )
