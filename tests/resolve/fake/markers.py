"""Markers and marks, which clips, timelines and the media pool have alike."""

from typing import Any

from .remote import Thing


class Marked(Thing):
    """Something with markers, at frames from its own 0, and with an in and an out mark."""

    markers: dict[float, dict[str, Any]]
    marks: dict[str, dict[str, int]]

    def last_marker(self) -> float:
        """The last frame that a marker may be at."""
        raise NotImplementedError

    def add_marker(
        self, frame: float, color: str, name: str, note: str, duration: float, data: str | None = None
    ) -> bool:
        if float(frame) in self.markers or not 0 <= frame <= self.last_marker():
            return False
        marker = {"color": color, "duration": float(duration), "note": note, "name": name}
        self.markers[float(frame)] = marker | {"customData": self._kept(data or "")}
        return True

    def get_markers(self) -> dict[float, Any]:
        return {frame: dict(self.markers[frame]) for frame in sorted(self.markers)}

    def get_marker_by_custom_data(self, data: str) -> dict[float, Any]:
        found = {frame: dict(one) for frame, one in self.markers.items() if one["customData"] == data}
        return dict(list(found.items())[:1])

    def update_marker_custom_data(self, frame: float, data: str) -> bool:
        if frame not in self.markers:
            return False
        self.markers[frame]["customData"] = self._kept(data)
        return True

    def get_marker_custom_data(self, frame: float) -> str:
        return self.markers.get(frame, {}).get("customData", "")

    def delete_marker_at_frame(self, frame: float) -> bool:
        return self.markers.pop(frame, None) is not None

    def delete_marker_by_custom_data(self, data: str) -> bool:
        found = [frame for frame, one in self.markers.items() if one["customData"] == data]
        return bool(found) and self.delete_marker_at_frame(found[0])

    def delete_markers_by_color(self, color: str) -> bool:
        found = [frame for frame, one in self.markers.items() if color in ("All", one["color"])]
        for frame in found:
            del self.markers[frame]
        return bool(found)

    def get_mark_in_out(self) -> dict[str, dict[str, int]]:
        return {kind: dict(marks) for kind, marks in self.marks.items()}

    def set_mark_in_out(self, first: int, last: int, kind: str = "all") -> bool:
        if last < first:
            return False
        for one in ("video", "audio") if kind == "all" else (kind,):
            self.marks[one] = {"in": first, "out": last}
        return True

    def clear_mark_in_out(self, kind: str = "all") -> bool:
        for one in ("video", "audio") if kind == "all" else (kind,):
            self.marks.pop(one, None)
        return True

    def _kept(self, data: str) -> str:
        return data[: self.world.habits.custom_data_kept or None]
