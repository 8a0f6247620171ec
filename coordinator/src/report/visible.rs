//! Foreign text → text that is shown and never obeyed.
//!
//! Titles, names and ids come from strangers. Characters that steer a terminal or a browser instead of being seen
//! (controls, bidirectional marks, zero-width ones, line separators) become symbols that can be seen: an escape is
//! `⟨ESC⟩`, U+202E is `⟨U+202E⟩`. Invariant: what leaves this module holds none of them. What markup needs besides is left
//! to `page::markup`.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that have no shape of their own: C1 controls, Unicode's `Default_Ignorable_Code_Point` and `Bidi_Control`
/// (`DerivedCoreProperties.txt`, `PropList.txt`), line separators and interlinear marks. Two are left out, which choose
/// between a text and an emoji shape (U+FE0E, U+FE0F).
const HIDDEN: [(u32, u32); 19] = [
    (0x80, 0x9f),
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0d),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0xfffe, 0xffff),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0000, 0xe_0fff),
];

/// Abbreviations of the controls from U+0000 to U+001F (Unicode's `NameAliases.txt`); few fonts have their pictures.
const CONTROLS: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
    "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EOM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

/// A stretch of text that is what it looks like, or the symbol of one character that is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Shown as it is.
    Plain(&'a str),
    /// Stands for a hidden character.
    Symbol(String),
}

/// Tells whether a character would be obeyed or overlooked instead of being seen.
pub(super) fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_ascii_control() || HIDDEN.iter().any(|&(first, last)| (first..=last).contains(&code))
}

fn symbol(character: char) -> String {
    let code = u32::from(character);
    let control = CONTROLS.get(code as usize);
    control.map_or_else(|| format!("⟨U+{code:04X}⟩"), |name| format!("⟨{name}⟩"))
}

/// Takes text apart at its hidden characters.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((at, hidden)) = rest.char_indices().find(|&(_, character)| is_hidden(character)) {
        if at > 0 {
            pieces.push(Piece::Plain(&rest[..at]));
        }
        pieces.push(Piece::Symbol(symbol(hidden)));
        rest = &rest[at + hidden.len_utf8()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// Returns the text with a symbol for each hidden character.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let words = pieces(text).into_iter().map(|piece| match piece {
        Piece::Plain(text) => text.to_owned(),
        Piece::Symbol(symbol) => symbol,
    });
    Cow::Owned(words.collect())
}

/// Returns the first `most` characters, with an ellipsis where some are left out.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text[..end].trim_end())),
    }
}

/// Returns JSON with its hidden characters written as `\uXXXX`: the same value, which a terminal does not obey.
///
/// Layout (line feeds, indentation) stays: in JSON a raw line feed is never part of a string.
pub(crate) fn json(encoded: &str) -> String {
    let mut safe = String::with_capacity(encoded.len());
    for character in encoded.chars() {
        if character == '\n' || !is_hidden(character) {
            safe.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_overrides_become_symbols() {
        assert_eq!(plain("\u{1b}[31mred\u{9b}2J"), "⟨ESC⟩[31mred⟨U+009B⟩2J");
        assert_eq!(plain("abc\u{202e}fed\u{2069}"), "abc⟨U+202E⟩fed⟨U+2069⟩");
        assert_eq!(plain("a\0b\r\nc\u{7f}"), "a⟨NUL⟩b⟨CR⟩⟨LF⟩c⟨U+007F⟩");
        assert_eq!(plain("zero\u{200b}width\u{feff}"), "zero⟨U+200B⟩width⟨U+FEFF⟩");
    }

    #[test]
    fn letters_of_every_script_stay() {
        for text in ["naïve", "שלום עולם", "مرحبا", "数学", "x² ≤ ∑", "❤\u{fe0f}"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äö üß", 3), "äö…");
    }

    proptest! {
        #[test]
        fn nothing_hidden_remains(text in "(?s).{0,60}", hidden in "[\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}]{0,9}") {
            let shown = plain(&format!("{text}{hidden}")).into_owned();
            prop_assert!(!shown.chars().any(|c| is_hidden(c) || c.is_control()), "{shown:?}");
        }

        #[test]
        fn json_keeps_its_value_and_hides_nothing(text in "(?s).{0,60}\u{9b}\u{202e}\u{e0001}") {
            let value = serde_json::json!({ "title": text });
            let safe = json(&serde_json::to_string_pretty(&value).unwrap());
            prop_assert!(!safe.chars().any(|c| c != '\n' && is_hidden(c)));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }
    }
}
