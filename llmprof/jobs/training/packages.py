"""The packages for training, and their tested versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from llmprof.errors import MissingDependencyError, install_extra

# Inclusive lower and exclusive upper bounds.
TRIED = {
    "trl": ((1, 16), (2,)),
    "peft": ((0, 19), (1,)),
    "accelerate": ((1, 0), (2,)),
    "datasets": ((3, 0), (6,)),
}


def check_packages() -> dict[str, str]:
    """The versions of the packages that train.

    Raises:
        MissingDependencyError: one is missing, or has an untested version.
    """
    found = {}
    for name, (least, below) in TRIED.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError as error:
            raise MissingDependencyError(
                f"training needs the package {name}; run `{install_extra('train')}`"
            ) from error
        numbers = _numbers(found[name])
        if not least <= numbers or numbers >= below:
            raise MissingDependencyError(
                f"training was tested with {name} from {_text(least)} to below {_text(below)}, but "
                f"{found[name]} is installed; run `{install_extra('train')}`"
            )
    return found


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version.

    >>> _numbers("1.16.0.dev0")
    (1, 16, 0)
    """
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
