"""For scripts without a window of their own: what went wrong, as a page in the browser.

Needs the standard library alone, of a Python that may be too old for all else.
"""

from __future__ import annotations

import html
import webbrowser
from pathlib import Path
from typing import Any

_PAGE = """<!doctype html><meta charset="utf-8"><title>Faceplate</title>
<body style="font: 17px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto">
<h1 style="font-size: 1.2em">{title}</h1><p>{message}</p><p><b>{remedy}</b></p>
<p style="color: #777; font-size: .8em">{code}. {note}</p>"""


def show_error(path: Path, title: str, error: Any, note: str) -> None:
    """Write an error, which has a code, a message and a remedy, to a file, and open that. Raises OSError."""
    texts = {"title": title, "message": error.message, "remedy": error.remedy, "code": error.code, "note": note}
    page = _PAGE.format(**{name: html.escape(str(text)) for name, text in texts.items()})
    path.write_text(page, encoding="utf-8")
    webbrowser.open(path.as_uri())
