"""What a user is told, in the console and the log; what went wrong also in the browser: a script has no window."""

import html
import logging
import webbrowser

from engine.wire.folders import log_folder

log = logging.getLogger("faceplate.resolve")
_PAGE = """<!doctype html><meta charset="utf-8"><title>Faceplate</title>
<body style="font: 17px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto">
<h1 style="font-size: 1.2em">{title}</h1><p>{message}</p><p><b>{remedy}</b></p>
<p style="color: #777; font-size: .8em">{code}. Nothing was changed in the timeline. The log: {log}</p>"""


def say(text):
    """Tell what goes on, in Resolve's console and in the log."""
    log.info(text)
    print("Faceplate: " + text, flush=True)  # noqa: T201


def warn(title, error):
    """Tell of an error, which has a code, a message and a remedy, in the browser too."""
    say("{}: {} {}".format(error.code, error.message, error.remedy))  # noqa: UP032
    texts = {"title": title, "message": error.message, "remedy": error.remedy, "code": error.code, "log": log_folder()}
    page = log_folder() / "resolve-message.html"
    page.write_text(_PAGE.format(**{name: html.escape(str(text)) for name, text in texts.items()}), encoding="utf-8")
    webbrowser.open(page.as_uri())
