"""What a user is told, in the console and the log; what went wrong also in the browser: a script has no window."""

import logging

from engine.wire.folders import log_folder
from engine.wire.notice import show_error

log = logging.getLogger("faceplate.resolve")
_SEND = "Run Faceplate ▸ Self-check, and send what it writes."
_RENDER = "Render it in place, and park on that."
_PYTHON = "Install Python 3.12 for all users, start Resolve again, and install Faceplate's scripts again."
# By a stable code: one sentence for a person, and what to do about it.
TEXTS = {
    "old-python": ("DaVinci Resolve uses Python {python}; Faceplate needs 3.11 or newer.", _PYTHON),
    "no-library": ("Faceplate has no {library} for the Python {python} that DaVinci Resolve uses.", _PYTHON),
    "disk": ("{path} cannot be written: {why}.", "Choose another folder in the settings."),
    "internal": ("Faceplate has failed: {error}.", "Send the log."),
    "no-resolve": ("DaVinci Resolve did not hand itself to the script.", "Start it from Workspace ▸ Scripts."),
    "no-call": ("This DaVinci Resolve has no {call}.", "Update Resolve, or send what Faceplate ▸ Self-check writes."),
    "resolve-refused": ("DaVinci Resolve refused {call}.", "Try again; the log has the details."),
    "not-set": ("DaVinci Resolve does not set {what} to {value}.", "Set it by hand to see why, and try again."),
    "no-timeline": ("No timeline is open.", "Open one, and run it again."),
    "no-clip": ("There is no clip under the playhead.", "Park on a clip, on a track that is on."),
    "no-media": ("The clip under the playhead is a title, a generator or an adjustment clip, without media.", _RENDER),
    "nested": ("The clip under the playhead is not one file, but of the type “{kind}”.", "Decompose it. " + _RENDER),
    "mixed-rate": ("The clip has {own} frames a second, and the timeline {rate}.", _RENDER),
    "retimed": ("The clip under the playhead is retimed.", _RENDER),
    "no-track": ("The clip under the playhead is on no video track.", "Park on a clip of a video track."),
    "no-file": ("The clip's file {path} is not there.", "Relink the clip."),
    "is-result": ("The clip is a result of Faceplate.", "Use Refresh Result, or turn it off."),
    "moved": ("The clip or the timeline is another than when the script was begun.", "Run it again."),
    "other-color": ("Colour is set by timeline, or space and gamma apart.", "Set it for the project, as one."),
    "no-result": ("The clip under the playhead is no result of Faceplate.", "Park on one."),
    "no-recipe": ("No recipe has been used yet.", "Use Replace Face first."),
    "unknown-space": ("Faceplate does not know Resolve's colour space “{name}”.", "Choose one of these: {known}."),
    "other-frames": ("The result has the frames {made}, not {wanted}.", "Take the range out of the recipe."),
    "no-exr": ("This DaVinci Resolve renders no half-float EXR.", _SEND),
    "render-failed": ("DaVinci Resolve did not render the clip: {why}.", "Render it by hand once, to see why."),
    "render-silent": ("The render has stood at {done} % for {seconds} s.", "Look at the Deliver page, and try again."),
    "render-range": ("DaVinci Resolve has rendered other frames than {first}–{last}.", _SEND),
    "import-failed": ("DaVinci Resolve did not import {files} as it is.", _SEND),
    "not-placed": ("DaVinci Resolve did not put the result where the clip is.", _SEND),
    "take-of-part": ("A take is for the whole clip, and only a part of it is marked.", "Clear the marks."),
    "no-marker": ("DaVinci Resolve did not keep the marker with the recipe.", _SEND),
    "not-replaced": ("DaVinci Resolve does not show the new frames in place of the old.", _SEND),
}


class Refused(Exception):
    """What cannot be done: `code`, `message` and `remedy`, as the contract's errors have, which need more libraries."""

    def __init__(self, code, **values):
        self.code, (self.message, self.remedy) = code, (text.format(**values) for text in TEXTS[code])
        super().__init__(self.message)


def say(text):
    """Tell what goes on, in Resolve's console and in the log."""
    log.info(text)
    print("Faceplate: " + text, flush=True)  # noqa: T201


def warn(title, error):
    """Tell of an error, which has a code, a message and a remedy, in the browser too."""
    say("{}: {} {}".format(error.code, error.message, error.remedy))  # noqa: UP032
    note = "Nothing was changed in the timeline. The log: {}".format(log_folder())  # noqa: UP032
    show_error(log_folder() / "resolve-message.html", title, error, note)
