"""Blender's own command line as far as it concerns extensions, from the bpy module: run with that one's Python."""

import sys

import bpy


def main(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        sys.stdout.write(f"Blender {bpy.app.version_string}\n")
        return 0
    if arguments[:2] != ["--command", "extension"]:
        return 2
    from bl_pkg.bl_extension_cli import cli_extension_handler  # pyright: ignore[reportMissingImports]

    return cli_extension_handler(arguments[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
