//! A line that is no document → the id that it seems to have, so that its document is not taken for gone.
//!
//! Invariant: a guess that only ever keeps a document; nothing is made of the line.

/// Finds what follows the first field named `id_field`: a JSON string, or an integer.
#[must_use]
pub(super) fn salvage_id(text: &str, id_field: &str) -> Option<String> {
    let name = serde_json::to_string(id_field).ok()?;
    let after = text.split_once(&name)?.1.trim_start().strip_prefix(':')?.trim_start();
    if after.starts_with('"') {
        return serde_json::Deserializer::from_str(after).into_iter::<String>().next()?.ok();
    }
    let digits = after.find(|character: char| !character.is_ascii_digit() && character != '-').unwrap_or(after.len());
    (digits > 0).then(|| after[..digits].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_line_that_breaks_off_is_found() {
        for (text, id) in [
            (r#"{"id": "cs/0112017", "title": "A bro"#, Some("cs/0112017")),
            (r#"{"title": "x", "id" : "a\"\u00e9", }"#, Some("a\"é")),
            (r#"{"id":-17,"title":}"#, Some("-17")),
            (r#"{"id": "cut of"#, None),
            (r#"{"title": "no id"#, None),
            ("garbage", None),
            (r#"{"id": null, "title": 1"#, None),
        ] {
            assert_eq!(salvage_id(text, "id").as_deref(), id, "{text}");
        }
        assert_eq!(salvage_id(r#"{"id": 1, "paper no": 2"#, "paper no").as_deref(), Some("2"));
    }
}
