//! A line that is no document → the id that it seems to have, so that its document is not taken for gone.
//!
//! Invariant: a guess that only ever keeps a document; nothing is made of the line.

/// Finds what follows the line's own field named `id_field`, in no object or list within: a JSON string, or an integer.
#[must_use]
pub(super) fn salvage_id(text: &str, id_field: &str) -> Option<String> {
    let mut rest = text.trim_start().strip_prefix('{')?;
    let mut depth = 1;
    while depth > 0 {
        rest = &rest[rest.find(['"', '{', '}', '[', ']'])?..];
        if rest.starts_with('"') {
            let (word, after) = string(rest)?;
            rest = after;
            match after.trim_start().strip_prefix(':') {
                Some(value) if depth == 1 && word == id_field => return id(value.trim_start()),
                _ => continue,
            }
        }
        depth = if rest.starts_with(['{', '[']) { depth + 1 } else { depth - 1 };
        rest = &rest[1..];
    }
    None
}

fn id(value: &str) -> Option<String> {
    if value.starts_with('"') {
        return string(value).map(|(id, _)| id);
    }
    let digits = value.find(|character: char| !character.is_ascii_digit() && character != '-').unwrap_or(value.len());
    (digits > 0).then(|| value[..digits].to_owned())
}

/// Reads the JSON string that `text` begins with, and returns what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let string = strings.next()?.ok()?;
    Some((string, &text[strings.byte_offset()..]))
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
            (r#"{"authors":[{"id":"z9"}],"id":"p0","title":"…"#, Some("p0")),
            (r#"{"authors":[{"id":"z9"}],"title":"the \"id\": is"#, None),
            (r#"{"title":"id","abstract":"x","id":"p1"#, None),
            (r#"{"title":"id","abstract":"}","id":"p1","#, Some("p1")),
            (r#"["id", "p1"]"#, None),
        ] {
            assert_eq!(salvage_id(text, "id").as_deref(), id, "{text}");
        }
        assert_eq!(salvage_id(r#"{"id": 1, "paper no": 2"#, "paper no").as_deref(), Some("2"));
    }
}
