"""Messages as bytes: a request or a reply travels as two frames, its number (8 bytes) and the struct in MessagePack.

The number is the client's own, and its replies come back under it.
"""

import struct

import msgspec

from engine.wire.messages import AnyReply, AnyRequest, Reply, Request

# A request or a reply is never longer; pixels do not travel here.
MOST_BYTES = 4 << 20
# A number, and the struct.
PARTS = 2

_NUMBER = struct.Struct("<Q")
_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(AnyRequest)
_replies = msgspec.msgpack.Decoder(AnyReply)


class Malformed(Exception):
    """Bytes that are no message; the text says what is wrong with them."""


def encode(message: Request | Reply) -> bytes:
    """A message as bytes. Text that is not UTF-8 must have been replaced."""
    return _encoder.encode(message)


def decode_request(data: bytes) -> AnyRequest:
    """A request from bytes that anybody may have sent. Raises Malformed."""
    try:
        return _requests.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(str(error).partition("\n")[0]) from error


def decode_reply(data: bytes) -> AnyReply:
    """A reply from bytes. Raises Malformed."""
    try:
        return _replies.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(str(error).partition("\n")[0]) from error


def number_bytes(number: int) -> bytes:
    """A request's number as its first frame."""
    return _NUMBER.pack(number)


def number_of(data: bytes) -> int:
    """The number in a first frame. Raises Malformed."""
    if len(data) != _NUMBER.size:
        raise Malformed("the number of the request is not of eight bytes")
    return _NUMBER.unpack(data)[0]
