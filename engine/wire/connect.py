"""Finds the engine of this user and connects to it."""

from engine.wire.client import PATIENCE, Client, Link
from engine.wire.errors import EngineGone, EngineMissing
from engine.wire.place import Connection, read_connection, runtime_folder


def connect(name: str, patience: float = PATIENCE) -> Client:
    """A client of this user's engine; `name` is what it calls itself.

    Raises EngineMissing where none runs, EngineIncompatible where it speaks another protocol, PlaceUnsafe.
    """
    connection = read_connection(runtime_folder())
    if connection is None:
        raise EngineMissing("No engine runs.", "Start one with `faceplate engine start`.")
    try:
        return Client(link_to(connection), name, patience)
    except EngineGone as error:
        raise EngineMissing(
            "No engine runs; one that died has left its files.", "Start one: it clears them."
        ) from error


def link_to(connection: Connection) -> Link:
    """A link to the engine that a connection file describes; it connects in the background."""
    keys = (connection.server_key, connection.client_public, connection.client_secret)
    return Link(connection.address, *(key.encode() for key in keys))
