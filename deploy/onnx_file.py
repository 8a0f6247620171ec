"""Turns nodes and tensors into the bytes of an ONNX file.

Holds no model and no mathematics: `export_model.py` says what the graph computes, this file how ONNX spells it. ONNX is
Protocol Buffers, of which a writer needs two wire types and a half: varints, length-delimited fields and one fixed
32-bit float. Writing them here needs nothing but Python itself, and the same graph always gives the same bytes, which
no protobuf library promises.

Field numbers: `onnx/onnx.proto` of the ONNX project. Wire format: protobuf.dev/programming-guides/encoding.
"""

import struct
from typing import List, NamedTuple, Sequence, Tuple, Union

FLOAT = 1
INT64 = 7

_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7


class Tensor(NamedTuple):
    """A named constant: `data` is row-major and little-endian, of the ONNX element type `kind` (FLOAT or INT64)."""

    name: str
    kind: int
    shape: Tuple[int, ...]
    data: bytes


class Value(NamedTuple):
    """An input or output of the graph; a dimension is a number, or a name where it differs from call to call."""

    name: str
    kind: int
    shape: Tuple[Union[int, str], ...]


def varint(number: int) -> bytes:
    """Encodes an integer in groups of 7 bits, the lowest first; a negative one as its 64-bit two's complement."""
    number &= (1 << 64) - 1
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def integer(field: int, number: int) -> bytes:
    """Encodes a field of wire type 0."""
    return varint(field << 3) + varint(number)


def real(field: int, number: float) -> bytes:
    """Encodes a float field: wire type 5."""
    return varint(field << 3 | 5) + struct.pack("<f", number)


def block(field: int, content: Union[str, bytes]) -> bytes:
    """Encodes a string, raw bytes or a nested message: wire type 2."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(constant: Tensor) -> bytes:
    """Encodes a TensorProto."""
    dims = b"".join(integer(1, size) for size in constant.shape)
    return dims + integer(2, constant.kind) + block(8, constant.name) + block(9, constant.data)


def attribute(name: str, value: Union[int, float, Sequence[int]]) -> bytes:
    """Encodes an AttributeProto of type FLOAT, INT or INTS, whichever the Python type says."""
    if isinstance(value, float):
        return block(1, name) + real(2, value) + integer(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return block(1, name) + integer(3, value) + integer(20, _ATTRIBUTE_INT)
    numbers = b"".join(integer(8, number) for number in value)
    return block(1, name) + numbers + integer(20, _ATTRIBUTE_INTS)


def node(operator: str, inputs: Sequence[str], output: str, **attributes) -> bytes:
    """Encodes a NodeProto with one output, after which the node is named."""
    names = b"".join(block(1, name) for name in inputs) + block(2, output)
    settings = b"".join(block(5, attribute(name, value)) for name, value in sorted(attributes.items()))
    return names + block(3, f"{output}/{operator}") + block(4, operator) + settings


def value_info(value: Value) -> bytes:
    """Encodes a ValueInfoProto: name, element type and shape."""
    dims = b"".join(block(1, block(2, size) if isinstance(size, str) else integer(1, size)) for size in value.shape)
    return block(1, value.name) + block(2, block(1, integer(1, value.kind) + block(2, dims)))


def graph(name: str, nodes: List[bytes], constants: List[Tensor], inputs: List[Value], outputs: List[Value]) -> bytes:
    """Encodes a GraphProto; nodes must come in an order in which each one's inputs exist."""
    return b"".join(
        [block(1, encoded) for encoded in nodes]
        + [block(2, name)]
        + [block(5, tensor(constant)) for constant in constants]
        + [block(11, value_info(value)) for value in inputs]
        + [block(12, value_info(value)) for value in outputs]
    )


def model(content: bytes, ir_version: int, opset: int, producer: str) -> bytes:
    """Encodes a ModelProto around an encoded graph; the operators are those of the default domain at `opset`."""
    operators = block(1, "") + integer(2, opset)
    return integer(1, ir_version) + block(2, producer) + block(7, content) + block(8, operators)
