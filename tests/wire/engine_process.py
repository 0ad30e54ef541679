"""An engine in a process of its own, at an address and with keys that the test chose."""

import json
import sys

from engine.server import Keys, Server
from engine.service import Service


def main() -> None:
    address, public, secret, client = json.loads(sys.argv[1])
    server: Server
    service = Service(lambda: server.stop(), lambda: server.clients, 1 << 30)
    server = Server(service, address, Keys(public.encode(), secret.encode(), client.encode()))
    sys.stdout.write(server.address + "\n")
    sys.stdout.flush()
    server.run()
    service.close()


if __name__ == "__main__":
    main()
