//! ONNX graphs of a few bytes: a table of token vectors, so that a text's vector can be computed by hand.

use super::corpus::WORDS;
use super::onnx_file::{self, FLOAT, INT64, dynamic, fixed, node, number, tensor, text, value};

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
        onnx_file::model(&self.graph())
    }

    fn graph(&self) -> Vec<u8> {
        let inputs: Vec<_> =
            self.inputs.iter().map(|input| value(input, INT64, &batch_and(&[dynamic("sequence")]))).collect();
        let last = fixed(self.dim);
        let shape = if self.pools { batch_and(&[last]) } else { batch_and(&[dynamic("sequence"), last]) };
        let output = value(self.output, FLOAT, &shape);
        onnx_file::graph("table of token vectors", &self.nodes(), &[self.table()], &inputs, &[output])
    }

    fn nodes(&self) -> Vec<Vec<u8>> {
        let looked_up = if self.pools { "states" } else { self.output };
        let mut nodes = vec![node("Gather", &["table", self.inputs[0]], looked_up, &[])];
        if self.pools {
            let axes = [text(1, "axes"), number(8, 1), number(20, 7)].concat();
            let drop_axis = [text(1, "keepdims"), number(3, 0), number(20, 2)].concat();
            nodes.push(node("ReduceMean", &["states"], self.output, &[axes, drop_axis]));
        }
        nodes
    }

    fn table(&self) -> Vec<u8> {
        let values = (0..self.num_tokens).flat_map(|token| (0..self.dim).map(move |d| token as f32 + d as f32 / 10.0));
        tensor("table", &values.collect::<Vec<_>>(), self.dim)
    }
}

fn batch_and(others: &[Vec<u8>]) -> Vec<Vec<u8>> {
    [&[dynamic("batch")], others].concat()
}
