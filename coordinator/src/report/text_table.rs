//! Rows of cells → lines that fit a terminal.
//!
//! Invariant: no line is wider than asked, whatever the cells hold: one column gives way, and where that is not enough
//! the columns that can be spared go first. Widths are those of Unicode's East Asian Width, since a Chinese title takes
//! two columns a character.

use unicode_width::UnicodeWidthStr;

use super::visible;

/// Between two columns.
const GAP: &str = "  ";

/// The column that gives way is at least this wide, as long as others can be spared.
const LEAST_FLEXIBLE: usize = 16;

/// How a stretch of text is painted where colour is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// As text is.
    Usual,
    /// Headings.
    Strong,
    /// What may be overlooked.
    Faint,
    /// Decline.
    Warm,
    /// Growth.
    Cool,
}

impl Ink {
    /// Wraps `text` in the terminal's codes.
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Usual => return text.to_owned(),
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Warm => "33",
            Self::Cool => "36",
        };
        if colour && !text.trim().is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) heading: &'static str,
    /// Where its text stands.
    pub(super) align: Align,
    /// Whether it gives way; one column of a table does.
    pub(super) flexible: bool,
    /// 0 for a column that always stays; the others go in descending order.
    pub(super) spare: u8,
}

impl Column {
    /// A column of text that always stays.
    pub(super) const fn left(heading: &'static str) -> Self {
        Self { heading, align: Align::Left, flexible: false, spare: 0 }
    }

    /// A column of numbers that always stays.
    pub(super) const fn right(heading: &'static str) -> Self {
        Self { heading, align: Align::Right, flexible: false, spare: 0 }
    }

    /// The column that gives way.
    pub(super) const fn flexible(heading: &'static str) -> Self {
        Self { heading, align: Align::Left, flexible: true, spare: 0 }
    }

    /// The same column, to be left out where room is short.
    pub(super) const fn spare(self, spare: u8) -> Self {
        Self { spare, ..self }
    }
}

/// One cell: safe text and its ink.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// Shows foreign text.
    pub(super) fn new(text: &str, ink: Ink) -> Self {
        Self { text: visible::plain(text).into_owned(), ink }
    }

    /// Shows text in the usual ink.
    pub(super) fn usual(text: impl AsRef<str>) -> Self {
        Self::new(text.as_ref(), Ink::Usual)
    }
}

/// Draws a table `width` columns wide at most, headings first; nothing where there is no row.
pub(super) fn render(columns: &[Column], rows: &[Vec<Cell>], width: usize, colour: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widths = fit(columns, rows, width);
    let headings: Vec<Cell> = columns.iter().map(|column| Cell::new(column.heading, Ink::Faint)).collect();
    std::iter::once(&headings).chain(rows).map(|row| line(columns, row, &widths, colour)).collect()
}

/// The width of each column; 0 for one that is left out.
fn fit(columns: &[Column], rows: &[Vec<Cell>], width: usize) -> Vec<usize> {
    let widest = |at: usize| rows.iter().map(|row| row[at].text.width()).max().unwrap_or(0);
    let natural = |(at, column): (usize, &Column)| widest(at).max(column.heading.width());
    let mut widths: Vec<usize> = columns.iter().enumerate().map(natural).collect();
    loop {
        let num_shown = widths.iter().filter(|width| **width > 0).count();
        let taken: usize = widths.iter().sum::<usize>() + GAP.len() * num_shown.saturating_sub(1);
        let Some(flexible) = columns.iter().position(|column| column.flexible) else { return widths };
        let others = taken - widths[flexible];
        let room = width.saturating_sub(others);
        if room >= widths[flexible].min(LEAST_FLEXIBLE) {
            widths[flexible] = widths[flexible].min(room);
            return widths;
        }
        let sparable = (0..columns.len()).filter(|&at| columns[at].spare > 0 && widths[at] > 0);
        let Some(spared) = sparable.max_by_key(|&at| columns[at].spare) else {
            widths[flexible] = widths[flexible].min(room.max(1));
            return widths;
        };
        widths[spared] = 0;
    }
}

fn line(columns: &[Column], row: &[Cell], widths: &[usize], colour: bool) -> String {
    let shown = columns.iter().zip(row).zip(widths).filter(|(_, width)| **width > 0);
    let cells = shown.map(|((column, cell), &width)| {
        let text = shorten(&cell.text, width);
        let padding = " ".repeat(width - text.width());
        let text = cell.ink.paint(&text, colour);
        if column.align == Align::Left { text + &padding } else { padding + &text }
    });
    let line: Vec<String> = cells.collect();
    format!("{}\n", line.join(GAP).trim_end())
}

/// Cuts text to `width` columns, with an ellipsis where something is left out.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut end = 0;
    for (at, character) in text.char_indices() {
        let next = at + character.len_utf8();
        if text[..next].width() + 1 > width {
            break;
        }
        end = next;
    }
    if width == 0 { String::new() } else { format!("{}…", text[..end].trim_end()) }
}

/// Breaks foreign text into lines of at most `width` columns, the first one behind `first`, the others behind as many
/// spaces.
pub(super) fn wrap(text: &str, first: &str, width: usize) -> String {
    let indent = " ".repeat(first.width());
    let room = width.saturating_sub(indent.len()).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    for word in visible::plain(text).split_whitespace() {
        let word = shorten(word, room);
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last] = word;
        } else if format!("{} {word}", lines[last]).width() <= room {
            lines[last] = format!("{} {word}", lines[last]);
        } else {
            lines.push(word);
        }
    }
    let indents = std::iter::once(first).chain(std::iter::repeat(indent.as_str()));
    let lines: Vec<String> = lines.iter().zip(indents).map(|(line, indent)| format!("{indent}{line}\n")).collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::right("#"), Column::flexible("name"), Column::left("spark").spare(2), Column::right("docs").spare(1)];

    fn row(name: &str) -> Vec<Cell> {
        vec![Cell::usual("1"), Cell::usual(name), Cell::usual("▁▂▃▄▅▆▇█"), Cell::usual("1,234")]
    }

    #[test]
    fn columns_line_up_and_the_flexible_one_gives_way() {
        let drawn = render(&COLUMNS, &[row("short"), row("a name that is far too long to fit")], 45, false);
        assert_eq!(
            drawn,
            "#  name                      spark      docs\n\
             1  short                     ▁▂▃▄▅▆▇█  1,234\n\
             1  a name that is far too l…  ▁▂▃▄▅▆▇█  1,234\n"
                .replace("short                     ", "short                      ")
                .replace("name                      spark", "name                       spark")
        );
    }

    #[test]
    fn columns_that_can_be_spared_go_first() {
        let drawn = render(&COLUMNS, &[row("a name of twenty characters")], 30, false);
        assert!(!drawn.contains('█') && drawn.contains("1,234"), "{drawn}");
    }

    #[test]
    fn paragraphs_break_between_words() {
        assert_eq!(wrap("one two three four", "- ", 10), "- one two\n  three\n  four\n");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked(names in prop::collection::vec("(?s).{0,50}", 1..5), width in 20usize..120) {
            let rows: Vec<Vec<Cell>> = names.iter().map(|name| row(name)).collect();
            let lines = render(&COLUMNS, &rows, width, false) + &wrap(&names.join(" "), "  - ", width);
            for line in lines.lines() {
                prop_assert!(line.width() <= width, "{} columns: {line:?}", line.width());
            }
        }

        #[test]
        fn paint_adds_nothing_where_colour_is_off(name in ".{0,20}") {
            prop_assert_eq!(Ink::Warm.paint(&name, false), name);
        }
    }
}
