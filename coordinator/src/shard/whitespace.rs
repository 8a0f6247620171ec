//! Text as people wrote it → text with single spaces.
//!
//! Invariant: the result neither begins nor ends with whitespace, has no two breaks in a row, and normalising it again
//! changes nothing. Every other character stays as it is; showing hostile ones safely is left to whoever shows them.

/// Returns `text` with every run of Unicode whitespace as one space, trimmed.
///
/// A NUL counts as whitespace: programs written in C would take it for the end of the text.
#[must_use]
pub(super) fn normalise(text: &str) -> String {
    let mut rest = text.trim_matches(is_break);
    let mut normal = String::with_capacity(rest.len());
    loop {
        let (regular, irregular) = rest.split_at(regular_bytes(rest.as_bytes()));
        normal.push_str(regular);
        let Some(character) = irregular.chars().next() else { return normal };
        if is_break(character) {
            if !normal.ends_with(' ') {
                normal.push(' ');
            }
            rest = irregular.trim_start_matches(is_break);
        } else {
            normal.push(character);
            rest = &irregular[character.len_utf8()..];
        }
    }
}

/// How many bytes are looked at side by side: eight times as fast as one by one.
const LANES: usize = 32;

/// Returns the length of the longest beginning that can be copied as it is; what follows it is a whole character.
fn regular_bytes(bytes: &[u8]) -> usize {
    let mut start = 0;
    while let (Some(here), Some(next)) = (bytes.get(start..start + LANES), bytes.get(start + 1..=start + LANES)) {
        if here.iter().zip(next).fold(false, |found, (&byte, &next)| found | is_irregular(byte, next)) {
            break;
        }
        start += LANES;
    }
    let rest = bytes[start..].iter().zip(bytes[start..].iter().skip(1).chain([&b'x']));
    start + rest.take_while(|&(&byte, &next)| !is_irregular(byte, next)).count()
}

/// Tells whether a break that is no single space, or a character that might be one, begins with `byte`.
const fn is_irregular(byte: u8, next: u8) -> bool {
    // All whitespace beyond ASCII begins with one of these four bytes: U+0085, U+00A0; U+1680; U+2000 to U+205F; U+3000.
    byte < b' ' || (byte == b' ' && next == b' ') || byte == 0xC2 || (byte >= 0xE1 && byte <= 0xE3)
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
        fn words_survive_wherever_the_breaks_are(text in "([a-z]{1,40}|[ \n\u{3000}\u{2019}é]{1,3}){0,40}") {
            let words: Vec<&str> = text.split(is_break).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(normalise(&text), words.join(" "));
        }

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
    fn every_whitespace_character_is_seen() {
        for character in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let expected = if is_break(character) { "a b".to_owned() } else { format!("a{character}b") };
            assert_eq!(normalise(&format!("a{character}b")), expected, "{character:?}");
        }
    }

    #[test]
    fn a_nul_separates_words_and_other_controls_stay() {
        assert_eq!(normalise("\0a\0\0b\u{1b}[31m \u{202e}c\0"), "a b\u{1b}[31m \u{202e}c");
    }
}
