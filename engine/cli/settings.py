"""`faceplate settings`: every setting of the recipe."""

from engine.cli.display import line
from engine.cli.session import session


def settings() -> None:
    """List every setting for --set and for recipes: its default, its range, and what it does."""
    with session(patient=False):
        import msgspec

        from engine import recipe

        for setting in recipe.settings().values():
            default = msgspec.json.encode(setting.default).decode()
            line(f"{setting.name} = {default}")
            line(f"    {setting.description} ({setting.expects})")
