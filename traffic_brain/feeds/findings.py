"""One thing that is found wrong with a feed or its devices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One device or feed that is unwell; ``device_id`` is ``*`` for a whole feed."""

    feed: str
    code: str
    device_id: str
    junction_ids: tuple[str, ...] = ()
    """The junctions affected."""
    detail: str = ""

    def row(self) -> dict[str, str]:
        """A row of the health table."""
        where = "junction" if len(self.junction_ids) == 1 else "junctions"
        said = [f"{where} {', '.join(self.junction_ids)}"] if self.junction_ids else []
        said += [self.detail] if self.detail else []
        return {
            "feed": self.feed,
            "device_id": self.device_id,
            "code": self.code,
            "detail": ": ".join(said),
        }
