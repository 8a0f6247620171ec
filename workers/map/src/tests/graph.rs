//! ONNX graphs of a few bytes: a table of token vectors, so that a text's vector can be computed by hand.
//!
//! Encodes the handful of protobuf fields that such a graph needs, by their numbers in `onnx.proto` (IR version 8,
//! operator set 13).

use super::corpus::WORDS;

/// The element types of `onnx.proto`.
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A graph that looks up a vector of `dim` values for each token: value d of token t is t + d / 10.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The names of its inputs; only the first one matters to its output.
    pub(super) inputs: Vec<&'static str>,
    /// The name of its output.
    pub(super) output: &'static str,
    /// The number of dimensions.
    pub(super) dim: usize,
    /// Whether the graph itself averages over the tokens.
    pub(super) pools: bool,
    /// Tokens in the table.
    pub(super) num_tokens: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            inputs: vec!["input_ids", "attention_mask", "token_type_ids"],
            output: "last_hidden_state",
            dim: 4,
            pools: false,
            num_tokens: WORDS.len(),
        }
    }
}

impl Table {
    /// Encodes the graph as an ONNX file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let operator_set = [text(1, ""), number(2, 13)].concat();
        [number(1, 8), bytes(8, &operator_set), bytes(7, &self.graph())].concat()
    }

    fn graph(&self) -> Vec<u8> {
        let looked_up = if self.pools { "states" } else { self.output };
        let mut graph = bytes(1, &node("Gather", &["table", self.inputs[0]], looked_up, &[]));
        if self.pools {
            let axes = [text(1, "axes"), number(8, 1), number(20, 7)].concat();
            let drop_axis = [text(1, "keepdims"), number(3, 0), number(20, 2)].concat();
            graph.extend(bytes(1, &node("ReduceMean", &["states"], self.output, &[axes, drop_axis])));
        }
        graph.extend(text(2, "table of token vectors"));
        graph.extend(bytes(5, &self.table()));
        for input in &self.inputs {
            graph.extend(bytes(11, &value(input, INT64, &[dynamic("batch"), dynamic("sequence")])));
        }
        let last = number(1, self.dim as u64);
        let shape =
            if self.pools { vec![dynamic("batch"), last] } else { vec![dynamic("batch"), dynamic("sequence"), last] };
        graph.extend(bytes(12, &value(self.output, FLOAT, &shape)));
        graph
    }

    fn table(&self) -> Vec<u8> {
        let values = (0..self.num_tokens).flat_map(|token| (0..self.dim).map(move |d| token as f32 + d as f32 / 10.0));
        let raw: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let shape = [number(1, self.num_tokens as u64), number(1, self.dim as u64)].concat();
        [shape, number(2, FLOAT), text(8, "table"), bytes(9, &raw)].concat()
    }
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    node.extend(text(2, output));
    node.extend(text(4, operator));
    node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    node
}

fn value(name: &str, element: u64, dimensions: &[Vec<u8>]) -> Vec<u8> {
    let shape: Vec<u8> = dimensions.iter().flat_map(|dimension| bytes(1, dimension)).collect();
    let tensor = [number(1, element), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

fn dynamic(name: &str) -> Vec<u8> {
    text(2, name)
}

fn text(field: u64, value: &str) -> Vec<u8> {
    bytes(field, value.as_bytes())
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
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
