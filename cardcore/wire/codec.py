"""Frames: MessagePack maps, one message a WebSocket frame. A frame that is none is a value, not an exception."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from cardcore.wire.messages import MAX_FRAME_BYTES, ToDaemon, ToServer


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that are no message of this version: counted, logged once, never acted on."""

    problem: str
    size_bytes: int


_encoder = msgspec.msgpack.Encoder()
_for_daemon: msgspec.msgpack.Decoder[ToDaemon] = msgspec.msgpack.Decoder(ToDaemon)
_for_server: msgspec.msgpack.Decoder[ToServer] = msgspec.msgpack.Decoder(ToServer)


def encode(message: ToDaemon | ToServer) -> bytes:
    """Return the frame of a message."""
    return _encoder.encode(message)


def decode_for_server(frame: bytes) -> ToServer | BadFrame:
    """Read a frame that a daemon sent."""
    if len(frame) > MAX_FRAME_BYTES:
        return BadFrame("frame is larger than the limit", len(frame))
    try:
        return _for_server.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadFrame(str(error)[:200], len(frame))


def decode_for_daemon(frame: bytes) -> ToDaemon | BadFrame:
    """Read a frame that the server sent."""
    if len(frame) > MAX_FRAME_BYTES:
        return BadFrame("frame is larger than the limit", len(frame))
    try:
        return _for_daemon.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadFrame(str(error)[:200], len(frame))
