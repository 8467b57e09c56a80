"""Writing small GGUF files: adapters, and the tiny bases of tests. Version 3, tensors as float32.

Format: ggml's docs/gguf.md. Reading one needs package gguf and is left to transformers (base).
"""

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Value = str | bool | int | float | Sequence[str] | Sequence[int]
_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Whole or not at all, also when the power fails. Dimensions are written in reverse, as GGUF counts them."""
    head = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))]
    head += [_text(name) + _value(value) for name, value in metadata.items()]
    offset = 0
    for name, tensor in tensors.items():
        dimensions = tensor.shape[::-1]
        head.append(_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, 0, offset))
        offset += _padded(tensor.size * 4)
    start = b"".join(head)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(start.ljust(_padded(len(start)), b"\0"))
        for tensor in tensors.values():
            data = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
            file.write(data.ljust(_padded(len(data)), b"\0"))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if all(isinstance(each, str) for each in value):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(_text(str(each)) for each in value)
    return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _INT32, len(value), *value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
