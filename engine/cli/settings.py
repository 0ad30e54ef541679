"""`faceplate settings`: every setting of the recipe."""

from engine.cli.display import line
from engine.cli.session import session


def settings() -> None:
    """List every setting for --set and for recipes: its default, what it does, its range, and keys."""
    with session(patient=False):
        import msgspec

        from engine.settings import settings as every

        for setting in every().values():
            given = setting.default is not msgspec.NODEFAULT
            default = msgspec.json.encode(setting.default).decode() if given else "(must be given)"
            each = f", in each [[{setting.name.partition('.')[0]}]]" if setting.listed else ""
            line(f"{setting.name} = {default}")
            keyable = ", can have keys" if setting.keyable else ""
            line(f"    {setting.description} ({setting.expects}{each}{keyable})")
