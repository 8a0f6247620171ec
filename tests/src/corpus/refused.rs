//! Lines that a reader must refuse, each with exactly one thing wrong.
//!
//! Invariant: but for its one fault the line would be a document; no line holds a line feed.

use serde_json::{Value, json};

use super::line::{Form, Line};
use super::truth::RefusalKind;

const NOT_JSON: [&str; 4] = [
    "id,title,abstract,created",
    "<record><id>demo/1</id><title>An XML record</title></record>",
    "{'id': 'demo/quoted', 'title': 'Single quotes', 'abstract': 'As Python prints them.'}",
    "{\"id\": \"demo/nul\", \"title\": \"A raw NUL \0 byte\", \"abstract\": \"Control characters must be escaped.\"}",
];
const NOT_AN_OBJECT: [&str; 5] = ["[\"demo/1\", \"A title\"]", "\"a string\"", "42", "null", "true"];
/// Byte sequences that never occur in UTF-8.
const NOT_UTF_8: [&[u8]; 3] = [b"caf\xe9 ", b"\xff\xfe", b"\xc3("];

/// What the fault may need to know.
pub(super) struct Fault<'a> {
    pub(super) kind: RefusalKind,
    /// Chooses among the shapes of one kind.
    pub(super) variant: usize,
    /// The id of a document on an earlier line.
    pub(super) earlier_id: &'a Value,
    pub(super) too_long_bytes: u64,
}

/// Spoils a line that was fine.
pub(super) fn spoiled(mut line: Line, fault: &Fault) -> Vec<u8> {
    let wrong_types = [json!(17), json!(["a", "list"]), json!({ "en": "an object" }), json!(true)];
    let wrong_type = wrong_types[fault.variant % wrong_types.len()].clone();
    match fault.kind {
        RefusalKind::NotJson => return NOT_JSON[fault.variant % NOT_JSON.len()].into(),
        RefusalKind::NotAnObject => return NOT_AN_OBJECT[fault.variant % NOT_AN_OBJECT.len()].into(),
        RefusalKind::TruncatedJson => return truncated(&line, fault.variant),
        RefusalKind::InvalidUtf8 => return with_foreign_bytes(&line, NOT_UTF_8[fault.variant % NOT_UTF_8.len()]),
        RefusalKind::MissingId => line.id = None,
        RefusalKind::NullId => line.id = Some(Value::Null),
        RefusalKind::EmptyId => line.id = Some(json!("")),
        RefusalKind::IdType => line.id = Some(if wrong_type == json!(17) { json!(1.5) } else { wrong_type }),
        RefusalKind::RepeatedId => line.id = Some(fault.earlier_id.clone()),
        RefusalKind::TitleType => line.title = Some(wrong_type),
        RefusalKind::TextType => line.text = Some(wrong_type),
        RefusalKind::NothingToRead => {
            line.title = (fault.variant % 2 == 1).then_some(Value::Null);
            line.text = (fault.variant / 2 % 2 == 1).then_some(Value::Null);
        }
        RefusalKind::TooLong => {
            let num_repeats = fault.too_long_bytes / 12 + 1;
            line.text = Some(json!("on and on .\n".repeat(num_repeats as usize)));
        }
    }
    line.bytes(Form::Usual)
}

/// Cuts the line after a quarter, a half or three quarters.
fn truncated(line: &Line, variant: usize) -> Vec<u8> {
    let mut bytes = line.bytes(Form::Usual);
    bytes.truncate(bytes.len() * (1 + variant % 3) / 4);
    bytes
}

/// Puts the bytes in front of the abstract, where the JSON around them stays whole.
fn with_foreign_bytes(line: &Line, foreign: &[u8]) -> Vec<u8> {
    let mut bytes = line.bytes(Form::Usual);
    let start_of_text = b"\"abstract\":\"";
    let place = bytes.windows(start_of_text.len()).position(|window| window == start_of_text);
    let place = place.map_or(bytes.len(), |place| place + start_of_text.len());
    bytes.splice(place..place, foreign.iter().copied());
    bytes
}
