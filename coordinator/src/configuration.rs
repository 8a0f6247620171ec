//! Flags, environment, file and defaults → one command line, and where each of its values comes from.
//!
//! A file's values become the defaults of the flags that they name, so that flags and environment beat them; a name that
//! no flag has is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::termination;

use crate::command_line::CommandLine;
use crate::display;
use crate::notify::Hook;

/// A command line with all its sources merged.
#[derive(Debug)]
pub struct Configured {
    /// What to do.
    pub command_line: CommandLine,
    /// Every setting in force, by name.
    pub values: BTreeMap<String, Value>,
    /// What `strata coordinate` is to be told so that it does what was asked here: all that is no default.
    pub passed_on: Vec<String>,
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is; `None` where it is left open.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: String,
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("{}: the configuration file cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{}: is not TOML", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: toml::de::Error,
    },
    /// It names what no flag is called.
    #[error("{}: setting {name:?} is unknown; expected one of {known}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The name found.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A value of a kind that no flag takes.
    #[error("{}: setting {name} is {found}, expected text, a number, true or false, or a list of these", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The setting.
        name: String,
        /// The kind found.
        found: &'static str,
    },
}

impl Classify for ConfigurationError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// A command line that leads to no work.
#[derive(Debug)]
pub enum Refusal {
    /// Wrong usage, or a call for help.
    Usage(Box<clap::Error>),
    /// The configuration file is at fault.
    File(ConfigurationError),
}

impl Refusal {
    /// Says what is wrong on stderr (or gives the help that was asked for on stdout), and returns the exit.
    #[must_use]
    pub fn tell(self) -> Exit {
        match self {
            Self::Usage(error) => {
                // Where neither stream can be written, the exit code still tells.
                let _ = error.print();
                if !error.use_stderr() {
                    return Exit::Done;
                }
                termination::tell_text(&error.to_string());
            }
            Self::File(error) => {
                let failure = Failure::from(error);
                display::say(&format!("error: {failure}"));
                termination::tell(&failure);
            }
        }
        Exit::Configuration
    }
}

type Settings = BTreeMap<String, Vec<String>>;

/// Parses `arguments`, the program's name first.
///
/// # Errors
/// [`Refusal`], which knows how to tell itself.
pub fn parse(arguments: Vec<OsString>) -> Result<Configured, Refusal> {
    let usage = |error: clap::Error| Refusal::Usage(Box::new(error));
    let file = match find_file(&arguments) {
        Some(path) => read_file(&path).map_err(Refusal::File)?,
        None => Settings::new(),
    };
    let matches = with_defaults(CommandLine::command(), &file).try_get_matches_from(arguments).map_err(usage)?;
    let command_line = CommandLine::from_arg_matches(&matches).map_err(usage)?;
    Ok(Configured { values: values(&matches, &file), passed_on: passed_on(&matches, &file), command_line })
}

/// Finds `--config` before the command line can be parsed, since its file decides on defaults.
fn find_file(arguments: &[OsString]) -> Option<PathBuf> {
    let mut rest = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    while let Some(argument) = rest.next() {
        if argument == "--config" {
            return rest.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|argument| argument.strip_prefix("--config=")) {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("STRATA_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn read_file(path: &Path) -> Result<Settings, ConfigurationError> {
    let path_buf = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigurationError::Read { path: path_buf(), source })?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|source| ConfigurationError::Parse { path: path_buf(), source })?;
    let known = known_names();
    let mut settings = Settings::new();
    for (name, value) in table {
        if !known.contains(&name) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(ConfigurationError::Unknown { path: path_buf(), name, known });
        }
        let words =
            words(&value).map_err(|found| ConfigurationError::Kind { path: path_buf(), name: name.clone(), found })?;
        settings.insert(name, words);
    }
    Ok(settings)
}

fn words(value: &toml::Value) -> Result<Vec<String>, &'static str> {
    match value {
        toml::Value::String(text) => Ok(vec![text.clone()]),
        toml::Value::Integer(number) => Ok(vec![number.to_string()]),
        toml::Value::Float(number) => Ok(vec![number.to_string()]),
        toml::Value::Boolean(flag) => Ok(vec![flag.to_string()]),
        toml::Value::Datetime(date) => Ok(vec![date.to_string()]),
        toml::Value::Array(values) => values.iter().map(words).collect::<Result<Vec<_>, _>>().map(|all| all.concat()),
        toml::Value::Table(_) => Err("a table"),
    }
}

/// Flags that are of one invocation: no file sets them, and no list of settings shows them.
const OCCASIONAL: [&str; 13] = [
    "config",
    "help",
    "version",
    "json",
    "html",
    "since",
    "plan",
    "dry-run",
    "detach",
    "replace",
    "drop-vectors",
    "even-if-used",
    "fast",
];

/// Returns those flags and inputs of a command that `strata coordinate` knows too and that somebody has given, as words.
fn passed_on(matches: &ArgMatches, file: &Settings) -> Vec<String> {
    let command = CommandLine::command();
    let known = command.find_subcommand("coordinate").into_iter().flat_map(clap::Command::get_arguments);
    let Some((_, given)) = matches.subcommand() else { return Vec::new() };
    let (mut flags, mut inputs) = (Vec::new(), Vec::new());
    for argument in known.filter(|argument| argument.get_id() != "namespace") {
        let id = argument.get_id().as_str();
        let is_default = matches!(given.try_contains_id(id), Err(_) | Ok(false))
            || given.value_source(id) == Some(ValueSource::DefaultValue) && !file.contains_key(&name_of(argument));
        if is_default {
            continue;
        }
        let values = given.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
        match argument.get_long() {
            None => inputs.extend(values),
            Some(name) if argument.get_action().takes_values() => {
                flags.extend(values.map(|value| format!("--{name}={value}")));
            }
            Some(name) => flags.extend(given.get_flag(id).then(|| format!("--{name}"))),
        }
    }
    flags.into_iter().chain(inputs).collect()
}

/// Returns a setting's name in files: its flag, or `inputs`.
fn name_of(argument: &Arg) -> String {
    argument.get_long().map_or_else(|| argument.get_id().to_string(), str::to_owned)
}

/// Returns the arguments of the command and of its subcommands.
fn all_arguments(command: &clap::Command) -> impl Iterator<Item = &Arg> {
    std::iter::once(command).chain(command.get_subcommands()).flat_map(clap::Command::get_arguments)
}

fn known_names() -> BTreeSet<String> {
    let command = CommandLine::command();
    all_arguments(&command).map(name_of).filter(|name| !OCCASIONAL.contains(&name.as_str())).collect()
}

fn with_defaults(command: clap::Command, file: &Settings) -> clap::Command {
    let set = |argument: Arg| match file.get(&name_of(&argument)) {
        Some(words) => argument.default_values(words.clone()).required(false),
        None => argument,
    };
    command.mut_args(set).mut_subcommands(|subcommand| subcommand.mut_args(set))
}

fn values(matches: &ArgMatches, file: &Settings) -> BTreeMap<String, Value> {
    let command = CommandLine::command();
    let mut values = BTreeMap::new();
    // `strata config` takes hardly a setting of its own: it shows what the other commands would see.
    for argument in all_arguments(&command) {
        let name = name_of(argument);
        if !OCCASIONAL.contains(&name.as_str()) {
            values.entry(name.clone()).or_insert_with(|| value(argument, &name, file));
        }
    }
    if let Some(format) = matches.value_source("log_format")
        && format == ValueSource::CommandLine
    {
        let given =
            matches.get_raw("log_format").and_then(|mut raw| raw.next()).map(|raw| raw.to_string_lossy().into());
        values.insert("log-format".into(), Value { value: given, source: "command line".into() });
    }
    values
}

fn value(argument: &Arg, name: &str, file: &Settings) -> Value {
    let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned());
    if let Some((variable, set)) =
        variable.and_then(|variable| std::env::var(&variable).ok().map(|set| (variable, set)))
    {
        return Value { value: Some(shown(name, set)), source: format!("environment ({variable})") };
    }
    if let Some(words) = file.get(name) {
        return Value { value: Some(shown(name, words.join(" "))), source: "file".into() };
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|word| word.to_string_lossy()).collect();
    let value = (!defaults.is_empty()).then(|| defaults.join(" "));
    Value { value, source: "default".into() }
}

/// Returns a value as it may be seen: a hook may have a token in it.
fn shown(name: &str, value: String) -> String {
    match name {
        "notify" => {
            value.parse::<Hook>().map_or_else(|_| "(neither a command nor a URL)".into(), |hook| hook.to_string())
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use strata_shared::settings::{ReduceSettings, SettingError, ShardSettings};

    use super::*;
    use crate::command_line::Command;

    fn parse_words(words: &[&str]) -> Result<Configured, Refusal> {
        parse(words.iter().map(OsString::from).collect())
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("strata.toml");
        std::fs::write(&path, text).expect("a file");
        let path = path.display().to_string();
        (folder, path)
    }

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_defaults() {
        let (_folder, path) = file("store = \"/from-file\"\nclusters = 7\nseed = 1\n");
        let configured = parse_words(&["strata", "reduce", "--config", &path, "--seed", "2"]).expect("a command line");
        let Command::Reduce(command) = configured.command_line.command else { panic!("another command") };
        assert_eq!((command.store.store.as_str(), command.reduce.clusters), ("/from-file", Some(7)));
        assert_eq!((command.reduce.seed, command.reduce.lonely), (2, 100));
        assert_eq!(configured.values["clusters"], Value { value: Some("7".into()), source: "file".into() });
        assert_eq!(configured.values["lonely"].source, "default");
    }

    #[test]
    fn every_setting_is_shown_whether_given_or_not() {
        let shown = |words: &[&str]| parse_words(words).expect("a command line").values["log-format"].clone();
        let value = |value: &str, source: &str| Value { value: Some(value.into()), source: source.into() };
        assert_eq!(shown(&["strata", "config"]), value("plain", "default"));
        assert_eq!(shown(&["strata", "config", "--log-format", "json"]), value("json", "command line"));
    }

    fn shard_settings(words: &[&str]) -> Result<ShardSettings, SettingError> {
        let Command::Shard(command) = parse_words(words).expect("a command line").command_line.command else {
            panic!("another command")
        };
        command.shard.settings()
    }

    #[test]
    fn vectors_and_the_name_of_their_model_are_refused_one_without_the_other() {
        for lonely in ["vectors = \"v.npy\"\n", "model-name = \"elsewhere\"\n"] {
            let (_folder, path) = file(lonely);
            let error = shard_settings(&["strata", "shard", "--store", "s", "--config", &path]).unwrap_err();
            assert_eq!(error.exit(), Exit::Configuration);
            assert!(error.to_string().contains("--vectors") && error.to_string().contains("--model-name"), "{error}");
        }
        let (_folder, path) = file("model-name = \"elsewhere\"\n");
        shard_settings(&["strata", "shard", "--store", "s", "--config", &path, "--vectors", "v.npy"]).unwrap();
        let (_folder, path) = file("vectors = \"v.npy\"\n");
        shard_settings(&["strata", "shard", "--store", "s", "--config", &path, "--model-name", "elsewhere"]).unwrap();
    }

    #[test]
    fn what_a_submission_was_given_is_passed_on_and_its_defaults_and_places_are_not() {
        let (_folder, path) = file("store = \"s3://b/c\"\nclusters = 7\n");
        let words = [
            "strata",
            "submit",
            "--config",
            &path,
            "s3://b/in.jsonl",
            "--model",
            "s3://b/m",
            "--image",
            "i",
            "--namespace",
            "n",
            "--env",
            "A=b",
            "--lonely-k",
            "3",
            "--force",
            "--detach",
        ];
        let passed_on = parse_words(&words).expect("a command line").passed_on;
        let expected = ["--store=s3://b/c", "--model=s3://b/m", "--clusters=7", "--lonely-k=3", "--force"];
        assert!(expected.iter().all(|word| passed_on.iter().any(|passed| passed == word)), "{passed_on:?}");
        assert_eq!((passed_on.len(), passed_on.last().map(String::as_str)), (6, Some("s3://b/in.jsonl")));
        let again: Vec<&str> =
            ["strata", "coordinate"].into_iter().chain(passed_on.iter().map(String::as_str)).collect();
        let Command::Coordinate(command) = parse_words(&again).expect("a command line").command_line.command else {
            panic!("another command")
        };
        assert_eq!((command.reduce.clusters, command.reduce.force, command.shard.inputs.len()), (Some(7), true, 1));
    }

    #[test]
    fn flags_left_out_are_the_default_settings() {
        assert_eq!(shard_settings(&["strata", "shard", "--store", "s"]), Ok(ShardSettings::default()));
        let configured = parse_words(&["strata", "reduce", "--store", "s"]).expect("a command line");
        let Command::Reduce(command) = configured.command_line.command else { panic!("another command") };
        assert_eq!(command.reduce.settings(), Ok(ReduceSettings::default()));
    }

    #[test]
    fn a_setting_that_no_flag_has_is_refused_by_name() {
        let (_folder, path) = file("clusterz = 7\n");
        let Err(Refusal::File(error)) = parse_words(&["strata", "config", "--config", &path]) else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("clusterz") && error.to_string().contains("clusters"), "{error}");
    }
}
