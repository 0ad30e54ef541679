"""The render queue: settings that stay as they are, jobs that take a while, and files that are really written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import pixels
from .remote import Thing

if TYPE_CHECKING:
    from .timeline import Timeline
    from .world import World

FORMATS = {"DPX": "dpx", "EXR": "exr", "MP4": "mp4", "QuickTime": "mov", "TIFF": "tif"}
CODECS = {
    "DPX": {"RGB 10 bits": "RGB10"},
    "EXR": {
        "RGB float": "RGBFloat",
        "RGB float (ZIP)": "RGBFloatZIP",
        "RGB half": "RGBHalf",
        "RGB half (DWAA)": "RGBHalfDWAA",
        "RGB half (ZIP)": "RGBHalfZIP",
    },
    "MP4": {"H.264": "H264"},
    "QuickTime": {"Apple ProRes 422 HQ": "ProRes422HQ"},
    "TIFF": {"RGB 16 bits": "RGB16"},
}


class RenderQueue(Thing):
    """What a project has of it. Nothing of it says what SetRenderSettings set: it can only be seen in the files."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.format, self.codec, self.mode = "QuickTime", "ProRes422HQ", 0
        self.render_settings: dict[str, Any] = {"SelectAllFrames": True, "ExportVideo": True, "ExportAudio": True}
        self.presets: dict[str, Any] = {"H.264 Master": ("MP4", "H264", dict(self.render_settings))}
        self.jobs: dict[str, dict[str, Any]] = {}

    def timeline_now(self) -> "Timeline | None":
        raise NotImplementedError

    def rendered(self, timeline: "Timeline", frame: int) -> pixels.Pixels:
        raise NotImplementedError

    def get_render_formats(self) -> dict[str, str]:
        return dict(FORMATS)

    def get_render_codecs(self, name: str) -> dict[str, str]:
        return dict(CODECS.get(self._format(name), {}))

    def get_current_render_format_and_codec(self) -> dict[str, str]:
        by_name = self.world.habits.formats_by == "name"
        return {"format": self.format if by_name else FORMATS[self.format], "codec": self.codec}

    def set_current_render_format_and_codec(self, name: str, codec: str) -> bool:
        found = self._format(name)
        if codec not in CODECS.get(found, {}).values():
            return False
        self.format, self.codec = found, codec
        return True

    def _format(self, name: str) -> str:
        by = self.world.habits.formats_by
        named = by != "extension" and name in FORMATS
        return name if named else next((one for one, end in FORMATS.items() if by != "name" and end == name), "")

    def get_current_render_mode(self) -> int:
        return self.mode

    def set_current_render_mode(self, mode: int) -> bool:
        self.mode = mode
        return True

    def set_render_settings(self, settings: dict[str, Any]) -> bool:
        self.render_settings |= settings
        return True

    def get_render_preset_list(self) -> list[str]:
        return list(self.presets)

    def save_as_new_render_preset(self, name: str) -> bool:
        if name in self.presets:
            return False
        self.presets[name] = self.format, self.codec, dict(self.render_settings)
        return True

    def load_render_preset(self, name: str) -> bool:
        if name not in self.presets:
            return False
        self.format, self.codec, settings = self.presets[name]
        self.render_settings = dict(settings)
        return True

    def delete_render_preset(self, name: str) -> bool:
        return self.presets.pop(name, None) is not None

    def add_render_job(self) -> str:
        """The settings as they are now are the job's."""
        timeline, settings = self.timeline_now(), dict(self.render_settings)
        folder = settings.get("TargetDir", "")
        if timeline is None or not folder or not Path(folder).is_dir():
            return ""
        first, last = timeline.start, timeline.end() - 1
        if not settings["SelectAllFrames"]:
            first, last = settings.get("MarkIn", first), settings.get("MarkOut", last)
            last -= not self.world.habits.mark_out_inclusive
        job = self.world.new_id()
        kept = {"timeline": timeline, "frames": range(first, last + 1), "mode": self.mode, "form": self.format}
        self.jobs[job] = kept | {"settings": settings, "codec": self.codec, "status": "Ready", "looks": 0}
        return job

    def get_render_job_list(self) -> list[dict[str, Any]]:
        return [
            {"JobId": job, "TimelineName": one["timeline"].name, "TargetDir": one["settings"]["TargetDir"]}
            for job, one in self.jobs.items()
        ]

    def delete_render_job(self, job: str) -> bool:
        return self.jobs.pop(job, None) is not None

    def start_rendering(self, jobs: Any = (), *more: Any) -> bool:
        chosen = [jobs, *more] if isinstance(jobs, str) else list(jobs) if isinstance(jobs, list) else list(self.jobs)
        if not chosen or not set(chosen) <= set(self.jobs):
            return False
        if self.world.habits.render_opens_deliver:
            self.world.page = "deliver"
        for job in chosen:
            self.jobs[job] |= {"status": "Rendering", "looks": 0}
        return True

    def stop_rendering(self) -> None:
        for job in self.jobs.values():
            if job["status"] == "Rendering":
                job["status"] = "Cancelled"

    def is_rendering_in_progress(self) -> bool:
        return any(job["status"] == "Rendering" for job in self.jobs.values())

    def get_render_job_status(self, name: str) -> dict[str, Any]:
        job = self.jobs.get(name)
        if job is None:
            return {}
        habits = self.world.habits
        if job["status"] == "Rendering":
            job["looks"] += 1
            if job["looks"] > habits.render_polls and habits.render_ends == "complete":
                self._write(job)
                job["status"] = "Complete"
            elif job["looks"] > habits.render_polls and habits.render_ends == "fail":
                job["status"] = "Failed"
        done = {"Complete": 100, "Ready": 0}.get(
            job["status"], min(99, 100 * job["looks"] // (habits.render_polls + 1))
        )
        status = {"JobStatus": job["status"], "CompletionPercentage": done}
        return status | ({"Error": "The disk is full."} if job["status"] == "Failed" else {})

    def _write(self, job: dict[str, Any]) -> None:
        settings, timeline = job["settings"], job["timeline"]
        if not settings["ExportVideo"]:
            return
        folder, name = Path(settings["TargetDir"]), settings.get("CustomName", timeline.name)
        if (job["form"], job["codec"][:7]) != ("EXR", "RGBHalf"):
            (folder / f"{name}.{FORMATS[job['form']]}").write_bytes(b"A form that is not for the engine.")
            return
        for frame in job["frames"]:
            item = timeline.seen_at(frame)
            if job["mode"] == 0 and item is None:
                continue
            # Individual clips have their own numbers.
            number = item.source_at(frame) if job["mode"] == 0 and item else frame
            path = folder / f"{name}{number:0{self.world.habits.frame_digits}d}.exr"
            pixels.write_exr(path, self.rendered(timeline, frame))
