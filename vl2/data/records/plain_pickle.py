"""Plain pickles: a pickle is a program, so it is looked through before it is run.

Whatever names a class or a function is refused, and so is a place in memory that the file is too small to fill.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any

from vl2.core.errors import VL2Error

_PLAIN = frozenset(
    "PROTO FRAME STOP MARK POP POP_MARK DUP INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT NONE NEWTRUE "
    "NEWFALSE STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_LIST LIST APPEND "
    "APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE "
    "GET BINGET LONG_BINGET".split()
)
_BY_CODE = {operation.code: operation for operation in pickletools.opcodes}
_PLACES = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))


def load_plain(path: str, data: bytes) -> Any:
    """Return the lists, mappings, texts and numbers of a pickle, also of Python 2. Raises VL2Error on any other."""
    try:
        for name, argument in _operations(data):
            if name not in _PLAIN:
                got = f"{name} {argument or ''}"[:80]
                raise VL2Error(path, "cannot be read: holds a program", got=got, do="Do not open it.")
            if name in _PLACES and int(argument or 0) > len(data):  # unpickling makes room for that many
                raise VL2Error(path, "claims more memory than it can fill", got=argument, do="Do not open it.")
        return _PlainUnpickler(io.BytesIO(data), encoding="latin-1").load()
    except VL2Error:
        raise
    except Exception as error:  # noqa: BLE001 - a broken pickle raises nearly anything
        raise VL2Error(path, f"cannot be read: {str(error)[:80]}", do="Fetch the file again.") from None


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the names and arguments of a pickle's operations, none of them done."""
    file = io.BytesIO(data)
    name = ""
    while name != "STOP":
        operation = _BY_CODE[file.read(1).decode("latin-1")]
        name = operation.name
        if name == "STRING":  # pickletools would have it in ASCII, as those of Python 2 are not
            yield name, file.readline()
        else:
            yield name, None if operation.arg is None else operation.arg.reader(file)


class _PlainUnpickler(pickle.Unpickler):
    """Refuse classes and functions a second time, where they would be found."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"holds {module}.{name}")
