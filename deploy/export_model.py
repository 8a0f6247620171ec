#!/usr/bin/env python3
"""Turns the weights of a BERT sentence encoder into an ONNX model, without PyTorch or any other package.

    export_model.py SOURCE OUTPUT

SOURCE is a folder as sentence-transformers writes it (config.json, model.safetensors, tokenizer.json, modules.json,
1_Pooling/config.json, ...). OUTPUT becomes the same folder with onnx/model.onnx in the place of the weights.

The graph takes `input_ids`, `attention_mask` and `token_type_ids`, int64 [batch, sequence], and gives
`last_hidden_state`, float32 [batch, sequence, hidden_size]; pooling and normalisation are left to the reader of
modules.json. The same SOURCE gives the same bytes on every machine.

Method: Devlin et al. 2019 (BERT), post-layer-norm encoder with absolute positions and the exact (erf) GELU. The shape of
the graph is the one that ONNX Runtime's fusions for BERT recognise.
"""

import json
import math
import mmap
import shutil
import struct
import sys
from array import array
from pathlib import Path

import onnx_file
from onnx_file import FLOAT, INT64, Tensor, Value

# LayerNormalization is an operator since opset 17, which goes with version 8 of the file format.
OPSET = 17
IR_VERSION = 8

# The most negative finite float32: added to the attention score of a masked token, it leaves a weight of zero.
LOWEST_FLOAT = -3.4028234663852886e38

COPIED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
)


class Weights:
    """The float32 tensors of a safetensors file, by name.

    Layout: 8 bytes of header length, a JSON header with the offsets, the data (github.com/huggingface/safetensors).
    """

    def __init__(self, path):
        with open(path, "rb") as file:
            self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (header_bytes,) = struct.unpack("<Q", self.content[:8])
        self.start = 8 + header_bytes
        self.entries = json.loads(self.content[8 : self.start])

    def tensor(self, name):
        """Returns the tensor as it is stored."""
        entry = self.entries[name]
        if entry["dtype"] != "F32":
            raise SystemExit(f"{name}: found {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        return Tensor(name, FLOAT, tuple(entry["shape"]), self.content[self.start + begin : self.start + end])

    def transposed(self, name):
        """Returns the [columns, rows] transpose of a [rows, columns] matrix: `MatMul` wants its inputs as rows."""
        stored = self.tensor(name)
        rows, columns = stored.shape
        # Four-byte units are moved and never read as numbers, so this machine's byte order does not matter.
        units, moved = array("I", stored.data), array("I")
        for column in range(columns):
            moved.extend(units[column::columns])
        return Tensor(f"{name}.transposed", FLOAT, (columns, rows), moved.tobytes())


class Encoder:
    """A BERT encoder being written down as ONNX nodes and constants; each method returns the name of its result."""

    def __init__(self, config, weights):
        self.heads = config["num_attention_heads"]
        self.hidden = config["hidden_size"]
        self.layers = config["num_hidden_layers"]
        self.positions = config["max_position_embeddings"]
        self.epsilon = float(config["layer_norm_eps"])
        self.weights = weights
        self.nodes = []
        self.constants = {}

    def constant(self, tensor):
        """Adds a constant to the graph, once however often it is asked for."""
        self.constants[tensor.name] = tensor
        return tensor.name

    def weight(self, name):
        """Adds a tensor of the weights as it is stored."""
        return self.constant(self.weights.tensor(name))

    def number(self, name, value):
        """Adds a float32 scalar."""
        return self.constant(Tensor(name, FLOAT, (), struct.pack("<f", value)))

    def integers(self, name, values, shape=None):
        """Adds an int64 vector, or a tensor of the given shape."""
        shape = (len(values),) if shape is None else shape
        return self.constant(Tensor(name, INT64, shape, struct.pack(f"<{len(values)}q", *values)))

    def apply(self, operator, inputs, output, **attributes):
        """Adds a node; its inputs must have been added before it."""
        self.nodes.append(onnx_file.node(operator, inputs, output, **attributes))
        return output

    def dense(self, states, prefix, output):
        """states · weightᵀ + bias."""
        matrix = self.constant(self.weights.transposed(f"{prefix}.weight"))
        product = self.apply("MatMul", [states, matrix], f"{output}.product")
        return self.apply("Add", [self.weight(f"{prefix}.bias"), product], output)

    def layer_norm(self, states, prefix, output):
        """Normalises over the last axis."""
        scale, bias = self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")
        return self.apply("LayerNormalization", [states, scale, bias], output, axis=-1, epsilon=self.epsilon)

    def position_ids(self):
        """0, 1, 2, ... for as many tokens as the input has: int64 [1, sequence]."""
        shape = self.apply("Shape", ["input_ids"], "input_shape")
        length = self.apply("Gather", [shape, self.integers("sequence_axis", [1], ())], "num_tokens", axis=0)
        end = self.apply("Unsqueeze", [length, self.integers("axis_0", [0])], "slice_end")
        all_ids = self.integers("all_position_ids", range(self.positions), (1, self.positions))
        bounds = [self.integers("slice_start", [0]), end, self.integers("slice_axis", [1])]
        return self.apply("Slice", [all_ids, *bounds], "position_ids")

    def embeddings(self):
        """The sum of the word's, the segment's and the position's embedding, normalised."""

        def look_up(kind, ids):
            table = self.weight(f"embeddings.{kind}_embeddings.weight")
            return self.apply("Gather", [table, ids], f"embeddings.{kind}", axis=0)

        word, segment = look_up("word", "input_ids"), look_up("token_type", "token_type_ids")
        placeless = self.apply("Add", [word, segment], "embeddings.placeless")
        total = self.apply("Add", [placeless, look_up("position", self.position_ids())], "embeddings.sum")
        return self.layer_norm(total, "embeddings.LayerNorm", "embeddings.normalised")

    def mask(self):
        """0 for a token and the lowest float for padding: float32 [batch, 1, 1, sequence]."""
        # Two steps and not one, because the attention fusion looks for two.
        masked = self.apply("Unsqueeze", ["attention_mask", self.integers("axis_1", [1])], "mask.per_head")
        masked = self.apply("Unsqueeze", [masked, self.integers("axis_2", [2])], "mask.per_query")
        masked = self.apply("Cast", [masked], "mask.float", to=FLOAT)
        masked = self.apply("Sub", [self.number("mask.one", 1.0), masked], "mask.inverse")
        return self.apply("Mul", [masked, self.number("mask.lowest", LOWEST_FLOAT)], "mask")

    def split_heads(self, states, prefix, part, order):
        """Projects the states to queries, keys or values and transposes them into one matrix per head."""
        dense = self.dense(states, f"{prefix}.self.{part}", f"{prefix}.{part}")
        shape = self.integers("split_shape", [0, 0, self.heads, self.hidden // self.heads])
        split = self.apply("Reshape", [dense, shape], f"{prefix}.{part}.split")
        return self.apply("Transpose", [split], f"{prefix}.{part}.heads", perm=order)

    def attention(self, states, mask, prefix):
        """softmax(queries · keysᵀ / √(head size) + mask) · values, the heads joined again."""
        queries = self.split_heads(states, prefix, "query", (0, 2, 1, 3))
        keys = self.split_heads(states, prefix, "key", (0, 2, 3, 1))
        values = self.split_heads(states, prefix, "value", (0, 2, 1, 3))
        scores = self.apply("MatMul", [queries, keys], f"{prefix}.scores")
        root = self.number("root_of_head_size", math.sqrt(self.hidden // self.heads))
        scores = self.apply("Div", [scores, root], f"{prefix}.scaled")
        scores = self.apply("Add", [scores, mask], f"{prefix}.masked")
        shares = self.apply("Softmax", [scores], f"{prefix}.shares", axis=-1)
        context = self.apply("MatMul", [shares, values], f"{prefix}.context")
        context = self.apply("Transpose", [context], f"{prefix}.joining", perm=(0, 2, 1, 3))
        shape = self.integers("join_shape", [0, 0, self.hidden])
        return self.apply("Reshape", [context, shape], f"{prefix}.joined")

    def gelu(self, states, output):
        """states · (1 + erf(states / √2)) / 2, in the order of operations that the GELU fusion looks for."""
        error = self.apply("Div", [states, self.number("root_of_two", math.sqrt(2.0))], f"{output}.scaled")
        error = self.apply("Erf", [error], f"{output}.erf")
        error = self.apply("Add", [error, self.number("gelu.one", 1.0)], f"{output}.shifted")
        doubled = self.apply("Mul", [states, error], f"{output}.doubled")
        return self.apply("Mul", [doubled, self.number("gelu.half", 0.5)], output)

    def layer(self, states, mask, prefix, output):
        """Attention, then the feed-forward network, each added to its input and normalised."""
        attended = self.attention(states, mask, f"{prefix}.attention")
        attended = self.dense(attended, f"{prefix}.attention.output.dense", f"{prefix}.attention.dense")
        attended = self.apply("Add", [attended, states], f"{prefix}.attention.residual")
        attended = self.layer_norm(attended, f"{prefix}.attention.output.LayerNorm", f"{prefix}.attended")
        inner = self.dense(attended, f"{prefix}.intermediate.dense", f"{prefix}.inner")
        outer = self.dense(self.gelu(inner, f"{prefix}.gelu"), f"{prefix}.output.dense", f"{prefix}.outer")
        outer = self.apply("Add", [outer, attended], f"{prefix}.residual")
        return self.layer_norm(outer, f"{prefix}.output.LayerNorm", output)

    def encode(self):
        """Writes the whole encoder down and returns the bytes of the ONNX file."""
        states, mask = self.embeddings(), self.mask()
        for index in range(self.layers):
            output = "last_hidden_state" if index == self.layers - 1 else f"states.{index}"
            states = self.layer(states, mask, f"encoder.layer.{index}", output)
        axes = ("batch", "sequence")
        inputs = [Value(name, INT64, axes) for name in ("input_ids", "attention_mask", "token_type_ids")]
        outputs = [Value(states, FLOAT, (*axes, self.hidden))]
        graph = onnx_file.graph("encoder", self.nodes, list(self.constants.values()), inputs, outputs)
        return onnx_file.model(graph, IR_VERSION, OPSET, "strata deploy/export_model.py")


def read_config(source):
    """Reads config.json and refuses an architecture that `Encoder` would get wrong."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    expected = {"model_type": "bert", "hidden_act": "gelu"}
    found = {name: config.get(name) for name in expected}
    if found != expected or config.get("position_embedding_type", "absolute") != "absolute":
        raise SystemExit(f"{source}/config.json: found {found}, expected {expected} with absolute positions")
    return config


def export(source, output):
    """Writes the folder `output` from the folder `source`."""
    encoded = Encoder(read_config(source), Weights(source / "model.safetensors")).encode()
    for name in filter(lambda name: (source / name).exists(), COPIED):
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, output / name)
    (output / "onnx").mkdir(parents=True, exist_ok=True)
    (output / "onnx" / "model.onnx").write_bytes(encoded)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: export_model.py SOURCE OUTPUT")
    export(Path(sys.argv[1]), Path(sys.argv[2]))
