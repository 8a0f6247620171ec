//! This machine → the model and the ONNX Runtime that tests embed with, where it has both.

use std::path::PathBuf;

use strata_shared::cache;

/// A model and the library that runs it.
#[derive(Debug, Clone)]
pub struct InstalledModel {
    /// The model's folder.
    pub model: PathBuf,
    /// ONNX Runtime's library.
    pub onnxruntime: PathBuf,
}

impl InstalledModel {
    /// Returns what the environment names or set-up installed; `None` unless both are here.
    #[must_use]
    pub fn find() -> Option<Self> {
        let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let model = named("STRATA_MODEL").or_else(cache::default_model)?;
        let onnxruntime =
            named("STRATA_ONNXRUNTIME").or_else(|| named("ORT_DYLIB_PATH")).or_else(cache::onnxruntime)?;
        Some(Self { model, onnxruntime })
    }

    /// Returns the arguments of `strata run` that name both.
    #[must_use]
    pub fn arguments(&self) -> [String; 4] {
        let [model, onnxruntime] = [&self.model, &self.onnxruntime].map(|path| path.display().to_string());
        ["--model".into(), model, "--onnxruntime".into(), onnxruntime]
    }
}
