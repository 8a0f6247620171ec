//! Text → its words, and how each is joined to the one before.
//!
//! One pass over bytes, nothing allocated; a word is a slice of the text. Any alphabet's letters make words; scripts
//! that put no spaces between words come out as one long token per phrase, and tokens beyond [`LONGEST_TOKEN_BYTES`]
//! are dropped. Numbers, measurements (`10ms`), formulas (`x_i`), addresses of the web and of mail are dropped and
//! break the text, as punctuation does: no term reaches across. A hyphen joins two words; a letter before one belongs
//! to its word (`k-means`, `X-ray`, `3-D`).

/// Longer tokens are addresses, formulas or unspaced scripts and no words.
pub(super) const LONGEST_TOKEN_BYTES: usize = 40;

/// How a word is joined to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Join {
    /// By nothing: a term may begin here and none may pass.
    Break,
    /// By white space.
    Space,
    /// By a hyphen.
    Hyphen,
    /// By `'s` and white space.
    Possessive,
}

/// A word as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word, in the case in which it was written.
    pub(super) text: &'a str,
    /// How it follows the word before.
    pub(super) join: Join,
    /// Whether it opens a sentence, so that its capital says nothing.
    pub(super) opens_sentence: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Glue,
    Beyond,
    Other,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'_' | b'^' | b'@' | b'=' | b'\\' | b'<' | b'>' => Class::Glue,
            0x80..=0xFF => Class::Beyond,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
}

/// Calls `emit` with each word of `text`, in order.
pub(super) fn scan<'a>(text: &'a str, mut emit: impl FnMut(Token<'a>)) {
    let mut at = 0;
    let mut join = Join::Break;
    let mut is_broken = true;
    let mut opens_sentence = true;
    while at < text.len() {
        let (end, is_sound) = word_end(text, at);
        if end == at {
            let gap = single_space(text, at).unwrap_or_else(|| gap(text, at));
            join = if is_broken { Join::Break } else { gap.join };
            opens_sentence |= gap.ends_sentence;
            at = gap.end;
            continue;
        }
        let end = compound_end(text, at, end, join);
        if is_address(text, at, end) {
            is_broken = true;
            at = text[end..].find(char::is_whitespace).map_or(text.len(), |length| end + length);
            continue;
        }
        let word = &text[at..end];
        is_broken = !(is_sound && is_word(word));
        if !is_broken {
            emit(Token { text: word, join, opens_sentence });
        }
        opens_sentence = false;
        at = end;
    }
}

/// Returns where the run of letters (and glue) from `at` ends, and whether it is free of glue.
fn word_end(text: &str, at: usize) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut end, mut is_sound, mut has_letters) = (at, true, false);
    while end < bytes.len() {
        match CLASSES[usize::from(bytes[end])] {
            Class::Letter => {
                has_letters = true;
                end += 1;
            }
            Class::Glue => {
                is_sound = false;
                end += 1;
            }
            Class::Beyond => match text[end..].chars().next() {
                Some(letter) if !is_separator(letter) => {
                    has_letters = true;
                    end += letter.len_utf8();
                }
                _ => break,
            },
            Class::Other => break,
        }
    }
    (end, is_sound && has_letters)
}

/// Extends a single letter over the hyphen after it.
fn compound_end(text: &str, at: usize, end: usize, join: Join) -> usize {
    let bytes = text.as_bytes();
    if end - at != 1 || join == Join::Hyphen || bytes.get(end) != Some(&b'-') {
        return end;
    }
    let (next, is_sound) = word_end(text, end + 1);
    let fits = if bytes[at].is_ascii_digit() {
        next == end + 2 && bytes[end + 1].is_ascii_alphabetic()
    } else {
        next > end + 2
    };
    if is_sound && fits { next } else { end }
}

/// What lies between two words.
struct Gap {
    end: usize,
    join: Join,
    ends_sentence: bool,
}

/// Reads the gap that most words have between them: one space.
fn single_space(text: &str, at: usize) -> Option<Gap> {
    let bytes = text.as_bytes();
    let is_followed = bytes.get(at + 1).is_some_and(|next| CLASSES[usize::from(*next)] == Class::Letter);
    (bytes[at] == b' ' && is_followed).then_some(Gap { end: at + 1, join: Join::Space, ends_sentence: false })
}

/// Reads from the end of a word to the start of the next.
fn gap(text: &str, at: usize) -> Gap {
    let start = at + possessive(&text[at..]);
    let bytes = text.as_bytes();
    let mut end = start;
    let (mut spaces, mut hyphens, mut others, mut ends_sentence) = (0_usize, 0_usize, 0_usize, false);
    while end < bytes.len() {
        let byte = bytes[end];
        let width = match CLASSES[usize::from(byte)] {
            Class::Letter | Class::Glue => break,
            Class::Other => 1,
            Class::Beyond => match text[end..].chars().next() {
                Some(mark) if is_separator(mark) => mark.len_utf8(),
                _ => break,
            },
        };
        match &text[end..end + width] {
            " " | "\t" | "\n" | "\r" | "\u{a0}" => spaces += 1,
            "-" | "\u{2010}" | "\u{2011}" | "\u{2013}" => hyphens += 1,
            _ => others += 1,
        }
        let is_last = bytes.get(end + width).is_none_or(|next| CLASSES[usize::from(*next)] != Class::Letter);
        ends_sentence |= matches!(byte, b'.' | b'!' | b'?') && is_last;
        end += width;
    }
    let join = match (spaces, hyphens, others) {
        (1.., 0, 0) if start > at => Join::Possessive,
        (_, 0, 0) => Join::Space,
        (0, 1, 0) => Join::Hyphen,
        _ => Join::Break,
    };
    Gap { end, join, ends_sentence }
}

/// Returns the length of a possessive `'s` at the start of `rest`, or 0.
fn possessive(rest: &str) -> usize {
    for mark in ["'s", "\u{2019}s"] {
        if rest.starts_with(mark) && !rest[mark.len()..].starts_with(char::is_alphanumeric) {
            return mark.len();
        }
    }
    0
}

/// Says whether a character outside ASCII separates words: spaces, punctuation, symbols; marks on letters do not.
fn is_separator(mark: char) -> bool {
    if mark.is_alphanumeric() {
        return false;
    }
    matches!(u32::from(mark),
        0x80..=0xBF | 0xD7 | 0xF7 | 0x2000..=0x206F | 0x20A0..=0x2BFF | 0x2E00..=0x2E7F | 0x3000..=0x303F
        | 0xFE10..=0xFE1F | 0xFE30..=0xFE6F | 0xFF00..=0xFF65 | 0xFFE0..=0xFFFF | 0x1F000..=0x1FAFF
        | 0x060C..=0x061F | 0x06D4 | 0x0964 | 0x0965 | 0xE000..=0xF8FF)
}

fn is_address(text: &str, at: usize, end: usize) -> bool {
    let rest = &text.as_bytes()[end..];
    match &text.as_bytes()[at..end] {
        b"http" | b"https" | b"ftp" | b"Http" | b"Https" => rest.starts_with(b"://"),
        b"www" => rest.starts_with(b"."),
        _ => false,
    }
}

/// Says whether a sound token is a word and not a number, a measurement or a key.
fn is_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    let has_length = (2..=LONGEST_TOKEN_BYTES).contains(&bytes.len());
    if !has_length || !bytes.iter().any(u8::is_ascii_digit) {
        return has_length;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let leading = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits < bytes.len() && leading < 2 && digits <= 3
}

/// Puts the lower case of `word` into `out`, replacing what was there.
pub(super) fn fold_case(word: &str, out: &mut String) {
    out.clear();
    if word.is_ascii() {
        out.push_str(word);
        out.make_ascii_lowercase();
    } else {
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words with a sign of how each is joined: `|`, ` ` or `-`; `^` where a sentence opens.
    fn joined(text: &str) -> String {
        let mut out = String::new();
        scan(text, |token| {
            out.push(match token.join {
                Join::Break => '|',
                Join::Space => ' ',
                Join::Hyphen => '-',
                Join::Possessive => '\'',
            });
            if token.opens_sentence {
                out.push('^');
            }
            out.push_str(token.text);
        });
        out
    }

    #[test]
    fn punctuation_breaks_and_spaces_and_hyphens_join() {
        assert_eq!(joined("Visual servoing, real-time (SLAM). The  end"), "|^Visual servoing|real-time|SLAM|^The end");
        assert_eq!(joined("hand/eye -- human\u{2013}robot - x"), "|^hand|eye|human-robot");
    }

    #[test]
    fn a_single_letter_belongs_to_its_compound() {
        assert_eq!(joined("the k-means of 3-D X-rays, 6-DOF"), "|^the k-means of 3-D X-rays|DOF");
    }

    #[test]
    fn numbers_measurements_formulas_and_addresses_break() {
        assert_eq!(joined("about 20 Hz or 10ms for x_i and H264"), "|^about|Hz or|for|and H264");
        assert_eq!(joined("code at https://a.b/c_d?e=f. Then me@x.org"), "|^code at|Then|org");
    }

    #[test]
    fn possessives_are_dropped_and_join() {
        assert_eq!(joined("the robot's arm and the user\u{2019}s hand"), "|^the robot'arm and the user'hand");
    }

    #[test]
    fn letters_of_any_alphabet_make_words() {
        assert_eq!(joined("Größe «мобильный робот» 机器人。हिन्दी"), "|^Größe|мобильный робот|机器人|हिन्दी");
        let mut folded = String::new();
        fold_case("ÄRGER", &mut folded);
        assert_eq!(folded, "ärger");
    }

    #[test]
    fn slices_never_split_a_character() {
        for text in ["é", "’s", "a’", "-é-", "１２", "\u{200b}", "x\u{301}-y", "", "a-", "1-é", "a-é"] {
            joined(text);
        }
    }
}
