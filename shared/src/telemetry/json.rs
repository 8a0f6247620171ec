//! An event and the spans that it happens in → one JSON object on one line.
//!
//! Invariant: `run` and `shard` of the spans and the pod's name stand beside the event's own fields, which win where both
//! have one; so that a log can be searched for a shard without knowing which line is whose.

use std::fmt::{self, Write};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The fields of spans that every line within them carries.
const OF_SPANS: [&str; 2] = ["run", "shard"];

/// Returns this moment as logs write it.
#[must_use]
pub fn timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Writes events as JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    /// The pod that this program runs in.
    pub(super) pod: Option<String>,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = vec![("timestamp".to_owned(), timestamp().into())];
        line.push(("level".into(), metadata.level().as_str().into()));
        line.extend(fields.0);
        line.push(("target".into(), metadata.target().into()));
        line.extend(self.pod.iter().map(|pod| ("pod".to_owned(), pod.as_str().into())));
        for (name, value) in context.event_scope().into_iter().flatten().flat_map(|span| {
            span.extensions().get::<FormattedFields<N>>().map(|fields| of_span(&fields.fields)).unwrap_or_default()
        }) {
            if line.iter().all(|(other, _)| *other != name) {
                line.push((name, value));
            }
        }
        writer.write_str(&object(&line)?)?;
        writer.write_char('\n')
    }
}

/// Reads those of a span's fields that lines carry out of what the layer has kept of it.
fn of_span(fields: &str) -> Vec<(String, Value)> {
    let fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
    fields.into_iter().filter(|(name, _)| OF_SPANS.contains(&name.as_str())).collect()
}

/// Encodes fields in their order.
fn object(fields: &[(String, Value)]) -> Result<String, fmt::Error> {
    let mut text = String::from("{");
    for (place, (name, value)) in fields.iter().enumerate() {
        let name = serde_json::to_string(name).map_err(|_| fmt::Error)?;
        write!(text, "{}{name}:{value}", if place == 0 { "" } else { "," })?;
    }
    text.push('}');
    Ok(text)
}

/// The fields of one event.
#[derive(Default)]
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.push((field.name().to_owned(), value.into()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::LogLine;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what is written of the events of `work`.
    fn lines(pod: Option<&str>, work: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let sink = written.clone();
        let layer = tracing_subscriber::fmt::layer().json().with_writer(move || sink.clone());
        let layer = layer.event_format(JsonLines { pod: pod.map(str::to_owned) });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn run_shard_and_pod_stand_on_every_line_within_their_spans() {
        let lines = lines(Some("strata-map-7"), || {
            let _run = tracing::error_span!("run", run = %"run-1", colour = "red").entered();
            let _shard = tracing::error_span!("shard", shard = %"raw/shard_00003.parquet").entered();
            tracing::info!(rows = 5, share = 0.5, last = true, "wrote \"vectors\"");
            tracing::warn!(shard = "another", "said\nof another");
        });
        let first: Value = serde_json::from_str(&lines[0]).unwrap();
        assert!(lines[0].starts_with(r#"{"timestamp":"20"#) && lines.len() == 2, "{lines:?}");
        assert_eq!(first["message"], r#"wrote "vectors""#);
        assert_eq!((&first["rows"], &first["share"], &first["last"]), (&5.into(), &0.5.into(), &true.into()));
        assert_eq!((&first["run"], &first["shard"]), (&"run-1".into(), &"raw/shard_00003.parquet".into()));
        assert!(first["pod"] == "strata-map-7" && first["level"] == "INFO" && first.get("colour").is_none());
        let second = LogLine::parse(&lines[1]).unwrap();
        assert_eq!((second.shard.as_deref(), second.pod.as_deref()), (Some("another"), Some("strata-map-7")));
        assert_eq!((second.message.as_str(), second.run.as_deref()), ("said\nof another", Some("run-1")));
        assert!(second.timestamp.is_some_and(|time| time.ends_with('Z')));
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        let lines = lines(None, || tracing::info!("alone"));
        for name in ["run", "shard", "pod"] {
            assert!(!lines[0].contains(name), "{lines:?}");
        }
    }
}
