"""Puts the resident engine together: keys made for this start, the service, the server, and how clients find it."""

import os
import sys
import time
from pathlib import Path

import zmq

from engine import __version__
from engine.server import Keys, Server
from engine.service import Service
from engine.wire.messages import VERSION, State
from engine.wire.place import Connection, address, write_connection

# Seconds that a thread may keep the interpreter while others want it.
_SWITCH = 0.0003


class Assembly:
    """The engine of one folder: `run` until `stop`, from which on it is `ending`."""

    def __init__(self, place: Path, memory: int) -> None:
        """Listen, and tell clients how to connect. `memory`, in bytes, is the service's.

        Raises zmq.ZMQError, PlaceUnsafe and OSError.
        """
        self.ending = False
        server_public, server_secret = zmq.curve_keypair()
        client_public, client_secret = zmq.curve_keypair()
        self._service = Service(self.stop, lambda: self._server.clients, memory)
        self._server = Server(self._service, address(place), Keys(server_public, server_secret, client_public))
        connection = Connection(
            address=self._server.address,
            server_key=server_public.decode(),
            client_public=client_public.decode(),
            client_secret=client_secret.decode(),
            protocol=VERSION,
            engine=__version__,
            pid=os.getpid(),
            started=time.time(),
        )
        write_connection(place, connection)

    def run(self) -> None:
        """Serve, and get warm in the background; in the end, wait until the frames in work are whole."""
        # A message waits for no kernel to be compiled.
        sys.setswitchinterval(_SWITCH)
        self._service.begin()
        try:
            self._server.run()
        finally:
            self._service.close()

    def state(self) -> State:
        """How the engine is. From any thread."""
        return self._service.state()

    def stop(self) -> None:
        """End `run`. From any thread, and from a signal handler."""
        self.ending = True
        self._server.stop()
