//! Text with LaTeX in it → the words that a reader would see.
//!
//! Mathematics and references become a break (`|`), which no term crosses; commands lose their names and keep the text
//! of their arguments; accents become the letters that they stand for. What is not LaTeX passes unchanged, prices
//! (`$5 and $10`) included. Nothing here fails: a span that never closes is taken literally. Braces and other marks
//! that remain are left to the tokens' scanner, which treats them as punctuation.

/// Commands whose argument is a key or an address and not text.
const COMMANDS_WITHOUT_TEXT: [&str; 16] = [
    "cite",
    "citep",
    "citet",
    "citeauthor",
    "citeyear",
    "ref",
    "eqref",
    "cref",
    "autoref",
    "label",
    "url",
    "href",
    "includegraphics",
    "input",
    "bibliography",
    "footnotemark",
];

/// Environments that hold mathematics, without their star.
const MATHEMATICS: [&str; 9] =
    ["equation", "align", "eqnarray", "gather", "multline", "displaymath", "math", "array", "flalign"];

/// Declarations that change the font of what follows and stand for nothing themselves.
const FONT_SWITCHES: [&str; 14] =
    ["em", "bf", "it", "sc", "tt", "rm", "sl", "sf", "large", "small", "tiny", "bfseries", "itshape", "noindent"];

/// Commands that are letters.
const LETTERS: [(&str, char); 13] = [
    ("ss", 'ß'),
    ("o", 'ø'),
    ("O", 'Ø'),
    ("ae", 'æ'),
    ("AE", 'Æ'),
    ("oe", 'œ'),
    ("OE", 'Œ'),
    ("aa", 'å'),
    ("AA", 'Å'),
    ("l", 'ł'),
    ("L", 'Ł'),
    ("i", 'i'),
    ("j", 'j'),
];

/// Accent, the letters it is put on, and what they become, position by position.
const ACCENTS: [(&str, &str, &str); 12] = [
    ("'", "aeiouyAEIOUYcnsz", "áéíóúýÁÉÍÓÚÝćńśź"),
    ("`", "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
    ("\"", "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
    ("^", "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
    ("~", "anoANO", "ãñõÃÑÕ"),
    ("=", "aeiou", "āēīōū"),
    (".", "zZ", "żŻ"),
    ("c", "cCsSt", "çÇşŞţ"),
    ("v", "cCsSzZreEn", "čČšŠžŽřěĚň"),
    ("u", "agA", "ăğĂ"),
    ("H", "oOuU", "őŐűŰ"),
    ("k", "aeAE", "ąęĄĘ"),
];

/// The longest span between dollars that counts as mathematics, in bytes; beyond it the dollar is a dollar.
const LONGEST_FORMULA_BYTES: usize = 600;

/// How far ahead the end of any other span is looked for, in bytes: of mathematics, an environment or an argument. What
/// does not close within it does not close.
///
/// Displayed formulas of abstracts are shorter, and the work stays a multiple of the text: without it a line of 16 MiB
/// that opens a span every other byte takes hours.
const LONGEST_SPAN_BYTES: usize = 1_000;

/// Says whether [`strip`] could change the text at all.
pub(super) fn is_suspected(text: &str) -> bool {
    text.bytes().any(|byte| byte == b'\\' || byte == b'$')
}

/// Appends to `out` what a reader would see of `text`.
pub(super) fn strip(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '$', '{', '}', '~']) {
        out.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = match mark {
            "\\" => command(after, out),
            "$" => formula(after, out),
            "~" => {
                out.push(' ');
                after
            }
            _ => after,
        };
    }
    out.push_str(rest);
}

/// Consumes what follows a dollar, by the rule of pandoc's manual (extension `tex_math_dollars`): no space inside
/// either dollar, no digit after the closing one.
fn formula<'a>(after: &'a str, out: &mut String) -> &'a str {
    if let Some(display) = after.strip_prefix('$') {
        return until(display, "$$", out);
    }
    let opens = after.chars().next().is_some_and(|first| !first.is_whitespace());
    let mut from = 0;
    while let Some(found) = after[from..].find('$').filter(|_| opens) {
        let at = from + found;
        let tight = at > 0 && !after[..at].ends_with([' ', '\t', '\n', '\\']);
        let price = after[at + 1..].starts_with(|next: char| next.is_ascii_digit());
        if at > LONGEST_FORMULA_BYTES {
            break;
        }
        if tight && !price {
            out.push('|');
            return &after[at + 1..];
        }
        from = at + 1;
    }
    out.push('|');
    after
}

/// Consumes what follows a backslash.
fn command<'a>(after: &'a str, out: &mut String) -> &'a str {
    let length = after.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (name, rest) = after.split_at(length);
    if name.is_empty() {
        return symbol(after, out);
    }
    if let Some((_, letter)) = LETTERS.iter().find(|(command, _)| *command == name) {
        out.push(*letter);
        return rest.strip_prefix("{}").or_else(|| rest.strip_prefix(' ')).unwrap_or(rest);
    }
    if let Some(rest) = accent(name, rest, out) {
        return rest;
    }
    match name {
        "begin" => environment(rest, out),
        "end" => arguments(rest),
        _ if COMMANDS_WITHOUT_TEXT.contains(&name) => {
            out.push('|');
            arguments(rest)
        }
        _ if FONT_SWITCHES.contains(&name) => rest,
        _ => {
            if !rest.starts_with('{') {
                out.push('|');
            }
            rest
        }
    }
}

/// Consumes a command whose name is one sign.
fn symbol<'a>(after: &'a str, out: &mut String) -> &'a str {
    let Some(sign) = after.chars().next() else { return after };
    let (name, rest) = after.split_at(sign.len_utf8());
    match sign {
        '(' => return until(rest, "\\)", out),
        '[' => return until(rest, "\\]", out),
        '-' | '/' => return rest,
        '%' | '&' | '#' | '_' | '$' | '{' | '}' => out.push(sign),
        _ => {
            if let Some(rest) = accent(name, rest, out) {
                return rest;
            }
            out.push(' ');
        }
    }
    rest
}

/// Composes an accent with the letter after it; `None` if no such letter follows.
fn accent<'a>(name: &str, rest: &'a str, out: &mut String) -> Option<&'a str> {
    let (_, bases, composed) = ACCENTS.iter().find(|(accent, _, _)| *accent == name)?;
    let braced = rest.strip_prefix('{');
    let letter = braced.unwrap_or(rest).trim_start().trim_start_matches('\\');
    let base = letter.chars().next()?;
    let position = bases.chars().position(|candidate| candidate == base)?;
    out.push(composed.chars().nth(position)?);
    let after = &letter[base.len_utf8()..];
    Some(if braced.is_some() { after.strip_prefix('}').unwrap_or(after) } else { after })
}

/// Consumes what follows `\begin`: the whole of it if it is mathematics, else only the name.
fn environment<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let after = arguments(rest);
    let name = rest[..rest.len() - after.len()].trim_matches(['{', '}', '*']);
    out.push('|');
    if !MATHEMATICS.contains(&name) {
        return after;
    }
    match within_reach(after).find("\\end{") {
        Some(at) => arguments(&after[at + "\\end".len()..]),
        None => after,
    }
}

/// Skips optional and required arguments: `[…]{…}{…}`, braces balanced.
fn arguments(mut rest: &str) -> &str {
    loop {
        let closed = match rest.bytes().next() {
            Some(b'[') => within_reach(rest).find(']').map(|at| at + 1),
            Some(b'{') => balanced(within_reach(rest)),
            _ => None,
        };
        match closed {
            Some(end) => rest = &rest[end..],
            None => return rest,
        }
    }
}

/// Returns the length of the group that `text` opens with.
fn balanced(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at + 1),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Skips mathematics up to its closing mark; without one, nothing is skipped.
fn until<'a>(rest: &'a str, mark: &str, out: &mut String) -> &'a str {
    out.push('|');
    within_reach(rest).find(mark).map_or(rest, |at| &rest[at + mark.len()..])
}

/// Returns as much of `text` as a span may take.
fn within_reach(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_SPAN_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        let mut out = String::new();
        strip(text, &mut out);
        out
    }

    #[test]
    fn mathematics_becomes_a_break() {
        assert_eq!(seen("an $O(n^2)$ bound"), "an | bound");
        assert_eq!(seen(r"in $$x \in \mathbb{R}$$ and \(y\) and \[z\]."), "in | and | and |.");
        assert_eq!(seen(r"so \begin{align*}a&=b\end{align*} holds"), "so | holds");
    }

    #[test]
    fn prices_are_no_mathematics() {
        assert_eq!(seen("from $5 to $10 each"), "from |5 to |10 each");
    }

    #[test]
    fn commands_lose_their_names_and_keep_their_text() {
        assert_eq!(seen(r"\emph{visual servoing} by \textbf{\textit{hand}}"), "visual servoing by hand");
        assert_eq!(seen(r"{\em visual} servoing"), " visual servoing");
        assert_eq!(seen(r"as in \cite[p.~3]{Lowe2004} shown"), "as in | shown");
        assert_eq!(seen(r"angle \alpha is"), "angle | is");
    }

    #[test]
    fn accents_become_letters() {
        assert_eq!(seen(r#"Poincar\'e, Schr\"{o}dinger, Erd\H{o}s, \v{S}indel\'a\v r, na\"{\i}ve"#), {
            "Poincaré, Schrödinger, Erdős, Šindelář, naïve"
        });
        assert_eq!(seen(r"Stra\ss{}e, H\o lder, 5\% \& more"), "Straße, Hølder, 5% & more");
    }

    #[test]
    fn what_never_closes_is_taken_literally() {
        for (text, expected) in [
            (r"\", ""),
            (r"\emph{a", "a"),
            (r"$", "|"),
            (r"\begin{equation} a", "| a"),
            (r"\cite{a", "|a"),
            (r"\'", " "),
            (r"a $b c", "a |b c"),
            (r"\[ x", "| x"),
            ("{", ""),
            (r"\c", "|"),
        ] {
            assert_eq!(seen(text), expected, "{text}");
        }
    }

    #[test]
    fn no_span_reaches_further_than_its_bound() {
        let long = "é ".repeat(LONGEST_SPAN_BYTES / 2);
        for (open, close) in [
            (r"\(", r"\)"),
            (r"\[", r"\]"),
            ("$$", "$$"),
            (r"\cite{", "}"),
            (r"\cite[", "]"),
            (r"\begin{equation}", r"\end{equation}"),
        ] {
            assert!(seen(&format!("{open}{long}{close}")).contains("é é"), "{open}");
            assert!(!seen(&format!("{open}é é{close}")).contains('é'), "{open}");
            // Without the bound this takes minutes for each.
            seen(&open.repeat((1 << 20) / open.len()));
        }
    }
}
