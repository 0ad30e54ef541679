"""The contract between hosts and the engine: messages, frames in shared memory, and the client.

Hosts carry this package inside their own add-on. It needs the standard library, pyzmq and msgspec, and NumPy where
pixels are touched; nothing else of Faceplate.
"""
