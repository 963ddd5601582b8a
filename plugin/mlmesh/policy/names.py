"""What a policy is called, and how its versions are read."""

API_VERSION = "mlmesh.dev/v1alpha1"
KIND = "MeshPolicy"


def version(text: str) -> tuple[int, int, int]:
    """The three numbers of a semantic version; a pre-release or build suffix does not count. Raises ValueError."""
    numbers = text.removeprefix("v").split("-")[0].split("+")[0].split(".")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise ValueError(f"{text!r} is not a version such as 1.2.3")
    return int(numbers[0]), int(numbers[1]), int(numbers[2])
