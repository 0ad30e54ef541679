"""`faceplate engine warm`: what a first job would wait for, done before it comes."""

from engine.cli.options import Json
from engine.cli.session import session


def warm(json: Json = False) -> None:
    """Compile the kernels and check the networks now, so that the first job does not have to wait for it.

    It takes a minute or two once, and a second when it has been done already.
    """
    with session(json, patient=False) as current:
        from engine.warm import warm as make_ready

        make_ready(current.report)
