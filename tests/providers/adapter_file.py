"""A LoRA adapter of the installed chat model as GGUF, written by hand: tests need one where nothing can train.

The form is llama.cpp's: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, kind "adapter". One matrix pair.
"""

import random
import struct
import sys
from array import array
from pathlib import Path

TENSOR, WIDE, NARROW = "blk.15.ffn_down.weight", 1536, 576
_STRING, _FLOAT, _ALIGNMENT, _RANK = 8, 6, 32, 1


def write_adapter(path: Path, scale: float, seed: int = 1) -> None:
    """`scale` 0 changes nothing; 0.3 changes most answers. Written beside and renamed, as trainers do."""
    draw = random.Random(seed)
    a = array("f", [draw.gauss(0, 1) for _ in range(WIDE * _RANK)])
    b = array("f", [scale * draw.gauss(0, 1) for _ in range(NARROW * _RANK)])
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 4)
    for key, value in (("general.type", "adapter"), ("general.architecture", "llama"), ("adapter.type", "lora")):
        head += _text(key) + struct.pack("<I", _STRING) + _text(value)
    head += _text("adapter.lora.alpha") + struct.pack("<If", _FLOAT, float(_RANK))
    offset, data = 0, b""
    for name, rows, columns, values in (("lora_a", _RANK, WIDE, a), ("lora_b", NARROW, _RANK, b)):
        head += _text(f"{TENSOR}.{name}") + struct.pack("<IQQIQ", 2, columns, rows, 0, offset)
        padded = _padded(_little(values))
        data, offset = data + padded, offset + len(padded)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(_padded(head) + data)
    fresh.replace(path)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _little(values: "array[float]") -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)
