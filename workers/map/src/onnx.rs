//! Token batches → vectors through ONNX Runtime; the only file that names ort.
//!
//! Invariant: a session computes on the thread that calls it and on no other, so that threads are the caller's choice and
//! sums are taken in one order. Sessions of one graph give the same bits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};
use strata_shared::cache;
use strata_shared::exit::{Classify, Exit};
use strata_shared::model::{Model, Pooling};

use crate::embed::{Embed, EmbedError, TokenBatch};
use crate::pool;

/// What the system's loader is asked for where no library was named or installed.
const SYSTEM_LIBRARY: &str = "libonnxruntime.so";

/// The inputs that a graph may have, in the order in which [`Inputs`] holds their values.
const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

/// The outputs that are taken before a graph's first one: a text's vector, then its tokens' states.
const OUTPUTS: [&str; 3] = ["sentence_embedding", "last_hidden_state", "token_embeddings"];

/// Why a graph does not run.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The library cannot be loaded.
    #[error(
        "ONNX Runtime {library}: cannot be loaded; `bash deploy/setup.sh` installs it, --onnxruntime names another"
    )]
    Library {
        /// The library.
        library: String,
        /// What the loader says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The library is older than what this program speaks.
    #[error(
        "ONNX Runtime {library}: is version {found}, expected 1.{} or newer; `bash deploy/setup.sh` installs it",
        ort::MINOR_VERSION
    )]
    TooOld {
        /// The library.
        library: String,
        /// Its version.
        found: String,
    },
    /// The library does not start.
    #[error("ONNX Runtime does not start")]
    Start(#[source] ort::Error),
    /// The graph cannot be loaded.
    #[error("{graph}: is not a graph that ONNX Runtime runs")]
    Graph {
        /// The graph's file.
        graph: String,
        /// What the runtime says.
        source: ort::Error,
    },
    /// The graph has other inputs or outputs than a text model has.
    #[error("{graph}: {reason}")]
    Signature {
        /// The graph's file.
        graph: String,
        /// What was found and what was expected.
        reason: String,
    },
}

impl Classify for OnnxError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// ONNX Runtime, loaded and started.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Loads ONNX Runtime from `named`, else from `ORT_DYLIB_PATH`, else from the cache that set-up fills, else from
    /// wherever the system's loader finds it. Within a process the first library loaded stays.
    ///
    /// # Errors
    /// [`OnnxError::Library`] where there is none, [`OnnxError::TooOld`] where it does not speak this program's API.
    pub fn load(named: Option<&Path>) -> Result<Self, OnnxError> {
        // ort allows one environment in a process and remembers that it made it, even after that is gone.
        static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
        let mut loaded = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = &*loaded {
            return Ok(Self { environment: environment.clone() });
        }
        let library = library(named);
        let builder = ort::init_from(&library).map_err(|error| load_error(&library, error))?;
        let environment = builder
            .with_name("strata")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, category, _, _, message| log(level, category, message)))
            .build()
            .map_err(OnnxError::Start)?;
        tracing::info!(library = %library.display(), "loaded ONNX Runtime");
        Ok(Self { environment: loaded.insert(environment).clone() })
    }
}

fn library(named: Option<&Path>) -> PathBuf {
    let from_environment = || std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let chosen = named.map(Path::to_owned).or_else(from_environment).or_else(cache::onnxruntime);
    let library = chosen.unwrap_or_else(|| PathBuf::from(SYSTEM_LIBRARY));
    // ort would look for a relative path beside the executable first.
    library.canonicalize().unwrap_or(library)
}

fn load_error(library: &Path, error: ort::LoadDynamicError) -> OnnxError {
    let library = library.display().to_string();
    match error {
        ort::LoadDynamicError::BadVersion { version_str: found, .. } => OnnxError::TooOld { library, found },
        // The wrapper repeats the path; what the loader itself says is enough.
        ort::LoadDynamicError::Dlopen { error, .. } => OnnxError::Library { library, source: Box::new(error) },
        other => OnnxError::Library { library, source: Box::new(other) },
    }
}

/// Passes on what ONNX Runtime says, so that stderr holds nothing but this program's own lines.
fn log(level: LogLevel, category: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(category, "onnxruntime: {message}"),
        _ => tracing::debug!(category, "onnxruntime: {message}"),
    }
}

/// A session of a model's graph.
pub struct OnnxEmbedder {
    session: Session,
    inputs: Vec<usize>,
    output: String,
    options: RunOptions<HasSelectedOutputs>,
    pooling: Pooling,
    dim: usize,
}

impl OnnxEmbedder {
    /// Loads the graph of `model` for one thread.
    ///
    /// # Errors
    /// [`OnnxError::Graph`] where it cannot be loaded, [`OnnxError::Signature`] where it is not that of a text model, or
    /// gives vectors of another length than the model's configuration says.
    pub fn open(runtime: &Runtime, model: &Model) -> Result<Self, OnnxError> {
        let graph = || model.graph().display().to_string();
        let session =
            load_graph(runtime, model.graph()).map_err(|source| OnnxError::Graph { graph: graph(), source })?;
        let signature = |reason| OnnxError::Signature { graph: graph(), reason };
        let inputs = known_inputs(session.inputs()).map_err(signature)?;
        let output = choose_output(session.outputs(), model).map_err(signature)?;
        let selected = OutputSelector::no_default().with(&output);
        let options = RunOptions::new().map_err(OnnxError::Start)?.with_outputs(selected);
        Ok(Self { session, inputs, output, options, pooling: model.pooling(), dim: model.dim() })
    }

    fn run(&mut self, batch: &TokenBatch) -> ort::Result<(Vec<i64>, Vec<f32>)> {
        let shape = [batch.num_rows, batch.num_tokens];
        let ones = vec![1_i64; batch.ids.len()];
        let zeros = vec![0_i64; batch.ids.len()];
        let values = [&batch.ids, &ones, &zeros];
        let inputs = self.inputs.iter().map(|&input| {
            let tensor = TensorRef::from_array_view((shape, values[input].as_slice()))?;
            Ok((INPUTS[input], SessionInputValue::from(tensor)))
        });
        let inputs = inputs.collect::<ort::Result<Vec<_>>>()?;
        let outputs = self.session.run_with_options(inputs, &self.options)?;
        let (shape, values) = outputs[self.output.as_str()].try_extract_tensor::<f32>()?;
        Ok((shape.to_vec(), values.to_vec()))
    }
}

/// Makes one vector a row of what a graph gave: states are pooled, vectors are taken as they are.
fn one_a_row(
    pooling: Pooling,
    dim: usize,
    batch: &TokenBatch,
    shape: Vec<i64>,
    values: Vec<f32>,
) -> Result<Vec<f32>, EmbedError> {
    let (rows, tokens) = (batch.num_rows, batch.num_tokens);
    let is = |expected: &[usize]| shape.iter().copied().eq(expected.iter().map(|&size| size as i64));
    if is(&[rows, dim]) {
        Ok(values)
    } else if is(&[rows, tokens, dim]) && pooling != Pooling::InGraph {
        Ok(pool::pool(pooling, &values, tokens, dim))
    } else {
        let pooled = pooling == Pooling::InGraph || shape.len() == 2;
        let expected = if pooled { vec![rows, dim] } else { vec![rows, tokens, dim] };
        Err(EmbedError::Shape { found: shape, expected })
    }
}

impl Embed for OnnxEmbedder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EmbedError> {
        let (shape, values) = self.run(batch).map_err(|source| EmbedError::Model {
            num_rows: batch.num_rows,
            num_tokens: batch.num_tokens,
            source: Box::new(source),
        })?;
        let mut vectors = one_a_row(self.pooling, self.dim, batch, shape, values)?;
        pool::normalize(&mut vectors, self.dim)?;
        Ok(vectors)
    }
}

fn load_graph(runtime: &Runtime, graph: &Path) -> ort::Result<Session> {
    let mut builder = Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        // Batches differ in shape, so that a pattern would be planned anew for each.
        .with_memory_pattern(false)?
        .with_deterministic_compute(true)?;
    builder.commit_from_file(graph)
}

/// Returns which of [`INPUTS`] the graph has.
fn known_inputs(inputs: &[Outlet]) -> Result<Vec<usize>, String> {
    inputs
        .iter()
        .map(|input| {
            let known = INPUTS.iter().position(|name| *name == input.name());
            let known = known.ok_or_else(|| {
                format!("has an input {}, expected {} and nothing else", input.name(), INPUTS.join(", "))
            })?;
            match input.dtype().tensor_type() {
                Some(TensorElementType::Int64) => Ok(known),
                _ => Err(format!("has an input {} of type {}, expected int64", input.name(), input.dtype())),
            }
        })
        .collect()
}

/// Returns the output that holds a text's vector or its tokens' states.
fn choose_output(outputs: &[Outlet], model: &Model) -> Result<String, String> {
    let named = OUTPUTS.iter().find_map(|name| outputs.iter().find(|output| output.name() == *name));
    let output = named.or(outputs.first()).ok_or("has no output, expected a text's vector or its tokens' states")?;
    let shape = output.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
    let last = shape.last().copied().unwrap_or_default();
    if output.dtype().tensor_type() != Some(TensorElementType::Float32) {
        return Err(format!("has an output {} of type {}, expected float32", output.name(), output.dtype()));
    }
    // A dimension below 0 is known only once the graph runs.
    if last > 0 && last != model.dim() as i64 {
        return Err(format!("gives vectors of {last} dimensions, the model's configuration says {}", model.dim()));
    }
    if shape.len() == 3 && model.pooling() == Pooling::InGraph {
        return Err(format!(
            "gives one vector a token ({}), expected one a text: modules.json has no Pooling",
            output.name()
        ));
    }
    Ok(output.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pooling: Pooling, shape: &[i64]) -> Option<Vec<usize>> {
        let batch = TokenBatch { num_rows: 2, num_tokens: 3, ids: vec![1; 6] };
        let values = vec![1.0; shape.iter().product::<i64>() as usize];
        match one_a_row(pooling, 4, &batch, shape.to_vec(), values) {
            Ok(vectors) => (vectors.len() != 8).then(Vec::new),
            Err(EmbedError::Shape { expected, .. }) => Some(expected),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn shapes_that_a_graph_did_not_announce_are_held_against_the_model() {
        assert_eq!(refusal(Pooling::Mean, &[2, 3, 4]), None);
        assert_eq!(refusal(Pooling::Mean, &[2, 4]), None);
        assert_eq!(refusal(Pooling::InGraph, &[2, 4]), None);
        assert_eq!(refusal(Pooling::InGraph, &[2, 3, 4]), Some(vec![2, 4]));
        assert_eq!(refusal(Pooling::Mean, &[2, 3, 5]), Some(vec![2, 3, 4]));
        assert_eq!(refusal(Pooling::Mean, &[2, 5]), Some(vec![2, 4]));
        assert_eq!(refusal(Pooling::Max, &[1]), Some(vec![2, 3, 4]));
    }
}
