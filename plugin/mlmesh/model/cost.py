"""What sidecars ask of a cluster."""


class Total:
    """CPU and memory of some sidecars, in thousandths of a core and of a byte; a limit of ``inf`` is none."""

    __slots__ = ("cpu", "cpu_limit", "memory", "memory_limit", "pods")

    def __init__(self) -> None:
        self.pods = 0
        self.cpu = 0.0
        self.memory = 0.0
        self.cpu_limit = 0.0
        self.memory_limit = 0.0

    def add(self, pods: int, cpu: float, memory: float, cpu_limit: float, memory_limit: float) -> None:
        """Count pods that ask and may use so much together."""
        self.pods += pods
        self.cpu += cpu
        self.memory += memory
        self.cpu_limit += cpu_limit
        self.memory_limit += memory_limit


class Cost:
    """Totals by role: of pods that are there all the time, of those on each node, and of those of each run."""

    __slots__ = ("always", "per_node", "per_run")

    def __init__(self) -> None:
        self.always: dict[str, Total] = {}
        self.per_node: dict[str, Total] = {}
        self.per_run: dict[str, Total] = {}


def together(totals: "dict[str, Total]") -> Total:
    """All roles' totals as one."""
    whole = Total()
    for total in totals.values():
        whole.add(total.pods, total.cpu, total.memory, total.cpu_limit, total.memory_limit)
    return whole
