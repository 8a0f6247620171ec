//! The handful of protobuf messages that small ONNX graphs need, encoded by their numbers in `onnx.proto` (IR version 8, operator
//! set 13).
//!
//! Tests of two crates make graphs by it: this one's, and those of whole programs, which include this very file.

/// The element types of `onnx.proto`.
pub(super) const FLOAT: u64 = 1;
pub(super) const INT64: u64 = 7;

/// Encodes a file with one graph.
pub(super) fn model(graph: &[u8]) -> Vec<u8> {
    let operator_set = [text(1, ""), number(2, 13)].concat();
    [number(1, 8), bytes(8, &operator_set), bytes(7, graph)].concat()
}

/// Encodes a graph of these nodes, each made by [`node`], tensors by [`tensor`], inputs and outputs by [`value`].
pub(super) fn graph(
    name: &str,
    nodes: &[Vec<u8>],
    tensors: &[Vec<u8>],
    inputs: &[Vec<u8>],
    outputs: &[Vec<u8>],
) -> Vec<u8> {
    let field =
        |number: u64, values: &[Vec<u8>]| values.iter().flat_map(|value| bytes(number, value)).collect::<Vec<_>>();
    [field(1, nodes), text(2, name), field(5, tensors), field(11, inputs), field(12, outputs)].concat()
}

/// Encodes an operator.
pub(super) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    node.extend(text(2, output));
    node.extend(text(4, operator));
    node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    node
}

/// Encodes a matrix whose rows are `width` long.
pub(super) fn tensor(name: &str, values: &[f32], width: usize) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = [number(1, (values.len() / width) as u64), number(1, width as u64)].concat();
    [shape, number(2, FLOAT), text(8, name), bytes(9, &raw)].concat()
}

/// Encodes what goes in or comes out: its name, element type and shape, of [`dynamic`] and [`fixed`] dimensions.
pub(super) fn value(name: &str, element: u64, dimensions: &[Vec<u8>]) -> Vec<u8> {
    let shape: Vec<u8> = dimensions.iter().flat_map(|dimension| bytes(1, dimension)).collect();
    let tensor = [number(1, element), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

/// Encodes a dimension that differs from batch to batch.
pub(super) fn dynamic(name: &str) -> Vec<u8> {
    text(2, name)
}

/// Encodes a dimension that is always the same.
pub(super) fn fixed(length: usize) -> Vec<u8> {
    number(1, length as u64)
}

/// Encodes a field of text.
pub(super) fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

/// Encodes a field of a number.
pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value >= 0x80 {
        encoded.push(value as u8 | 0x80);
        value >>= 7;
    }
    encoded.push(value as u8);
    encoded
}
