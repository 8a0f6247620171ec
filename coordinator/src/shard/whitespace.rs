//! Text as people wrote it → text with single spaces.
//!
//! Invariant: the result neither begins nor ends with whitespace, has no two breaks in a row, and normalising it again
//! changes nothing. Every other character stays as it is; showing hostile ones safely is left to whoever shows them.

/// Returns `text` with every run of Unicode whitespace as one space, trimmed.
///
/// A NUL counts as whitespace: programs written in C would take it for the end of the text.
#[must_use]
pub(super) fn normalise(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for word in text.split(is_break).filter(|word| !word.is_empty()) {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.push_str(word);
    }
    normal
}

/// Tells whether there is nothing but whitespace in `text`.
#[must_use]
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_break)
}

fn is_break(character: char) -> bool {
    character.is_whitespace() || character == '\0'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn normal_text_has_single_inner_spaces_and_the_same_words(text in "[a\u{e9}\u{4e2d} \t\n\r\u{b}\u{a0}\u{85}\u{2028}\u{3000}\0]{0,60}") {
            let normal = normalise(&text);
            prop_assert_eq!(&normalise(&normal), &normal);
            prop_assert!(!normal.contains("  ") && normal.trim() == normal);
            let words: Vec<&str> = text.split(is_break).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(normal.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>(), words);
            prop_assert_eq!(normal.is_empty(), is_blank(&text));
        }
    }

    #[test]
    fn a_nul_separates_words_and_other_controls_stay() {
        assert_eq!(normalise("\0a\0\0b\u{1b}[31m \u{202e}c\0"), "a b\u{1b}[31m \u{202e}c");
    }
}
