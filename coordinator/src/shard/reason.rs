//! The closed set of reasons for which a line is refused, and how much of its text is kept.

use std::fmt;

/// How much of a refused line's text is kept, in bytes.
pub(super) const TEXT_BYTES: usize = 64 << 10;

/// Why a line became no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Longer than `--max-line`.
    TooLong,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Not JSON at all, or more than one value.
    NotJson,
    /// JSON, but no object.
    NotObject,
    /// The id is missing or null.
    NoId,
    /// The id is an empty string, or whitespace alone.
    EmptyId,
    /// The id is neither a string nor an integer.
    IdType,
    /// An earlier document has this id.
    DuplicateId,
    /// The title is no string.
    TitleType,
    /// The text is no string.
    TextType,
    /// Title and text are both missing or empty.
    NoContent,
}

impl Reason {
    /// Tells whether such a line may be a document's whose id could not be read.
    pub(super) const fn hides_id(self) -> bool {
        matches!(self, Self::TooLong | Self::NotUtf8 | Self::NotJson)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLong => "the line is longer than --max-line allows",
            Self::NotUtf8 => "the line is not UTF-8",
            Self::NotJson => "the line is not valid JSON",
            Self::NotObject => "the line is JSON but not an object",
            Self::NoId => "the id is missing or null",
            Self::EmptyId => "the id is empty",
            Self::IdType => "the id is neither a string nor an integer",
            Self::DuplicateId => "an earlier document has the same id",
            Self::TitleType => "the title is not a string",
            Self::TextType => "the text is not a string",
            Self::NoContent => "title and text are both missing or empty",
        })
    }
}

/// Returns what is kept of a refused line: at most [`TEXT_BYTES`], whole characters, U+FFFD for what is not UTF-8.
#[must_use]
pub(super) fn cut(line: &[u8]) -> String {
    let mut end = line.len().min(TEXT_BYTES);
    // A cut inside a character moves before it; invalid bytes may look like more than three continuations.
    for _ in 0..3 {
        if end > 0 && line.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
            end -= 1;
        }
    }
    let mut text = String::from_utf8_lossy(&line[..end]).into_owned();
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for character in ["é", "中", "🦀"] {
            for shift in 0..4 {
                let line = format!("{}{}", "x".repeat(shift), character.repeat(TEXT_BYTES));
                let text = cut(line.as_bytes());
                assert!(text.len() <= TEXT_BYTES && text.len() > TEXT_BYTES - 4 && line.starts_with(&text));
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_within_the_limit() {
        assert_eq!(cut(b"a\xffb"), "a\u{fffd}b");
        assert!(cut(&vec![0x80; 3 * TEXT_BYTES]).len() <= TEXT_BYTES);
    }
}
