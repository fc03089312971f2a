"""Parameters out of range, told in one form."""

from typing import Any


def require(owner: object, name: str, ok: bool, allowed: str) -> None:
    """Raise ValueError `Owner.name must ALLOWED; got VALUE` unless `ok`."""
    if not ok:
        value: Any = getattr(owner, name)
        raise ValueError(f"{type(owner).__name__}.{name} must {allowed}; got {value!r}")
