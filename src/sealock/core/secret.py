"""A value that cannot be printed."""

from __future__ import annotations


class Secret:
    """Bytes that are secret: `repr`, `str` and formatting show stars, `==` and `hash` are refused.

    The bytes live in a buffer of our own so that `forget` can overwrite them. Python may have made
    copies we cannot reach; overwriting shortens the time a plaintext is easy to find, no more.
    """

    __slots__ = ("_buffer", "_forgotten")

    def __init__(self, value: bytes | bytearray) -> None:
        self._buffer = bytearray(value)
        self._forgotten = False

    def reveal(self) -> bytes:
        """A copy of the bytes, for the one call that needs them. ValueError once forgotten."""
        if self._forgotten:
            raise ValueError("this secret was forgotten")
        return bytes(self._buffer)

    def forget(self) -> None:
        """Overwrite the bytes. May be called twice."""
        with memoryview(self._buffer) as buffer:  # in place: assigning to the array might make a new one
            buffer[:] = bytes(len(buffer))
        self._buffer.clear()
        self._forgotten = True

    def __enter__(self) -> Secret:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        raise TypeError("secrets are not compared; compare what they open instead")

    __hash__ = None  # type: ignore[assignment]  # a secret must not become a dictionary key

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")
