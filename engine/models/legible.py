"""Text out of a stranger's file, as a message can quote it."""

LONGEST = 300
"""Characters."""


def legible(text: str) -> str:
    """The text on one line, cut where it is long, without what would steer a terminal."""
    line = "".join(each if each.isprintable() else "�" for each in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
