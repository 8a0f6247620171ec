//! Findings → what `strata report` prints: what was read, what faded, what emerged, who is lonely, all topics in brief.
//!
//! Invariant: no line is wider than the view, text from the corpus steers nothing, and no colour code is written unless
//! the view allows colour.

use strata_shared::findings::{LonelyDocument, Status, Topic};
use unicode_width::UnicodeWidthStr;

use super::figures::{self, NONE, counted};
use super::history::History;
use super::text_table::{Cell, Column, Ink, render, shorten, wrap};
use super::{Report, visible};

/// Entries of the lists of fading, emerging and lonely.
pub(super) const LISTED: usize = 10;
/// Topics in brief.
const BRIEF: usize = 20;
/// Reasons of refusal in words; the others are summed up.
const REASONS: usize = 8;
/// Columns that a curve takes; 24 years become 12 pairs.
const CURVE: usize = 12;
/// Characters of an id; patents and papers have fewer.
const ID: usize = 24;
/// The widest view: the contract's.
const WIDEST: usize = 100;
/// The narrowest view that tables are laid out for.
const NARROWEST: usize = 60;

/// How findings are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Columns; between 60 and 100.
    pub width: usize,
    /// Whether colour codes may be written: on a terminal, unless `NO_COLOR` is set.
    pub colour: bool,
    /// Where the page is, to be named at the end.
    pub page: Option<String>,
}

/// Draws the findings as text, each line at most `view.width` (and 100) columns wide.
#[must_use]
pub fn terminal(report: &Report, view: &View) -> String {
    let width = width(view);
    let sheet = Sheet { report, history: History::new(&report.findings), width, colour: view.colour };
    let sections = [
        sheet.title(),
        sheet.read(),
        sheet.fading(),
        sheet.emerging(),
        sheet.lonely(),
        sheet.brief(),
        sheet.notes(),
        page_line(view.page.as_deref()),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    sections.join("\n")
}

/// The columns that a view has.
pub(super) fn width(view: &View) -> usize {
    view.width.clamp(NARROWEST, WIDEST)
}

/// What all sections draw on.
struct Sheet<'a> {
    report: &'a Report,
    history: History,
    width: usize,
    colour: bool,
}

/// The ink of a status.
pub(super) fn ink(status: Status) -> Ink {
    match status {
        Status::Extinct | Status::Fading => Ink::Warm,
        Status::Rising | Status::Emerging => Ink::Cool,
        Status::Steady | Status::Undated => Ink::Faint,
    }
}

/// Draws shares as eight heights of blocks; a period without a document is a gap.
pub(super) fn sparkline(shares: &[Option<f64>]) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = shares.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let block = |share: f64| HEIGHTS[((share / highest * 8.0).ceil() as usize).clamp(1, 8) - 1];
    shares.iter().map(|share| share.map_or(' ', block)).collect()
}

impl Sheet<'_> {
    fn heading(&self, heading: &str, remark: &str) -> String {
        let heading = heading.to_uppercase();
        let remark = shorten(&visible::plain(remark), self.width.saturating_sub(heading.width() + 2));
        let remark = Ink::Faint.paint(&remark, self.colour);
        format!("{}  {remark}", Ink::Strong.paint(&heading, self.colour)).trim_end().to_owned() + "\n"
    }

    fn paragraph(&self, text: &str) -> String {
        wrap(text, "  ", self.width)
    }

    fn table(&self, columns: &[Column], rows: &[Vec<Cell>]) -> String {
        render(columns, rows, self.width, self.colour)
    }

    fn curve(&self, topic: &Topic) -> Cell {
        let curve = self.history.curve(&[topic.label], 0..self.history.num_complete(), CURVE);
        let shares: Vec<Option<f64>> = curve.iter().map(|point| point.share).collect();
        Cell::new(&sparkline(&shares), ink(topic.status))
    }

    fn title(&self) -> String {
        let record = &self.report.findings.record;
        let span = self.history.span(0..self.history.num_complete());
        let facts = [
            Some(format!("strata {}", record.run)),
            Some(counted(record.rows, "document")),
            Some(counted(self.report.findings.topics.len() as u64, "topic")),
            span,
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let statuses = self.report.statuses();
        let statuses: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let line = |text: &str| shorten(&visible::plain(text), self.width);
        let title = Ink::Strong.paint(&line(&facts.join(" · ")), self.colour);
        format!("{title}\n{}\n", line(&statuses.join(" · ")))
    }

    fn read(&self) -> String {
        let (manifest, record) = (&self.report.manifest, &self.report.findings.record);
        let mut text = self.heading("What was read", "");
        let blank: u64 = manifest.inputs.iter().map(|input| input.blank).sum();
        text += &self.paragraph(&format!(
            "{} from {} of {} ({} blank){}",
            counted(manifest.documents_of_snapshot(), "document"),
            counted(manifest.lines(), "line"),
            self.report.input_names(),
            figures::count(blank),
            self.report.corpus_beyond()
        ));
        text += &self.paragraph(&self.refused());
        if record.periods.undated > 0 {
            let undated = counted(record.periods.undated, "document");
            text += &self.paragraph(&format!("{undated} without a date: in no period, and in no share"));
        }
        text
    }

    fn refused(&self) -> String {
        let rejected = self.report.manifest.rejected;
        let lines = counted(rejected, "line");
        match &self.report.rejections {
            _ if rejected == 0 => "nothing was refused".into(),
            None => format!("{lines} refused; their reasons could not be read from raw/rejected.jsonl"),
            Some(reasons) => {
                let shown = reasons.iter().take(REASONS);
                let mut parts: Vec<String> =
                    shown.map(|(reason, number)| format!("{} {reason}", figures::count(*number))).collect();
                let rest: u64 = reasons.iter().skip(REASONS).map(|(_, number)| number).sum();
                if rest > 0 {
                    parts.push(format!("{} for other reasons", figures::count(rest)));
                }
                format!("{lines} refused: {} (each in raw/rejected.jsonl)", parts.join(" · "))
            }
        }
    }

    fn fading(&self) -> String {
        let fading = self.report.fading();
        let recent = figures::window(self.report.findings.record.periods.recent.as_deref());
        if fading.is_empty() {
            return self.heading("Fading and extinct", "") + &self.paragraph(self.no_topic());
        }
        let remark = format!("share of {recent} over a topic's highest, with its 95 % interval");
        let columns = [
            Column::right("#"),
            Column::flexible("topic"),
            Column::left("over time").spare(3),
            Column::right("docs").spare(1),
            Column::left("peak"),
            Column::right("share, %"),
            Column::left("fade").spare(0),
            Column::left("status").spare(2),
        ];
        let rows: Vec<Vec<Cell>> =
            fading.iter().take(LISTED).zip(1..).map(|(topic, rank)| self.fading_row(topic, rank)).collect();
        self.heading("Fading and extinct", &remark) + &self.table(&columns, &rows) + &self.more(fading.len())
    }

    fn fading_row(&self, topic: &Topic, rank: usize) -> Vec<Cell> {
        let percent = |share: Option<f64>| share.map_or_else(|| NONE.into(), figures::percent);
        vec![
            Cell::usual(rank.to_string()),
            Cell::usual(&topic.name),
            self.curve(topic),
            Cell::usual(figures::signed(topic.size)),
            Cell::usual(figures::window(topic.peak_period.as_deref())),
            Cell::usual(format!("{} → {}", percent(topic.peak_share), percent(topic.recent_share))),
            Cell::usual(format!("{} ({})", figures::ratio(topic.fade), figures::interval(topic))),
            Cell::new(topic.status.as_str(), ink(topic.status)),
        ]
    }

    fn emerging(&self) -> String {
        let emerging = self.report.emerging();
        let recent = figures::window(self.report.findings.record.periods.recent.as_deref());
        if emerging.is_empty() {
            return self.heading("Emerging and rising", "") + &self.paragraph(self.no_topic());
        }
        let columns = [
            Column::right("#"),
            Column::flexible("topic"),
            Column::left("over time").spare(3),
            Column::right("docs").spare(1),
            Column::left("first"),
            Column::right("share, %"),
            Column::right("growth"),
            Column::left("status").spare(2),
        ];
        let rows: Vec<Vec<Cell>> =
            emerging.iter().take(LISTED).zip(1..).map(|(topic, rank)| self.emerging_row(topic, rank)).collect();
        let remark = format!("share of {recent} against the share of all time before");
        self.heading("Emerging and rising", &remark) + &self.table(&columns, &rows) + &self.more(emerging.len())
    }

    fn emerging_row(&self, topic: &Topic, rank: usize) -> Vec<Cell> {
        let before = self.history.share_before(topic.label);
        let percent = |share: Option<f64>| share.map_or_else(|| NONE.into(), figures::percent);
        let growth = topic.recent_share.zip(before).and_then(|(recent, before)| figures::multiple(recent, before));
        vec![
            Cell::usual(rank.to_string()),
            Cell::usual(&topic.name),
            self.curve(topic),
            Cell::usual(figures::signed(topic.size)),
            Cell::usual(topic.first.map_or_else(|| NONE.into(), |day| day.format("%Y-%m").to_string())),
            Cell::usual(format!("{} → {}", percent(before), percent(topic.recent_share))),
            Cell::usual(growth.unwrap_or_else(|| "new".into())),
            Cell::new(topic.status.as_str(), ink(topic.status)),
        ]
    }

    fn no_topic(&self) -> &'static str {
        if self.history.num_complete() == 0 {
            "no topic: nothing is dated within a complete period"
        } else {
            "no topic"
        }
    }

    fn more(&self, found: usize) -> String {
        if found > LISTED {
            self.paragraph(&format!("… {} more in report.html", found - LISTED))
        } else {
            String::new()
        }
    }

    fn lonely(&self) -> String {
        let lonely = &self.report.findings.lonely;
        let record = &self.report.findings.record;
        let remark =
            format!("cosine to the {} nearest other document; ↳ to the nearest", figures::ordinal(record.lonely.k));
        let columns = [
            Column::right("#"),
            Column::flexible("document"),
            Column::left("id").spare(2),
            Column::left("year").spare(1),
            Column::right("cosine"),
        ];
        let rows: Vec<Vec<Cell>> = lonely.iter().take(LISTED).flat_map(lonely_rows).collect();
        let remark = if rows.is_empty() { "" } else { &remark };
        let mut text = self.heading("Loneliest documents", remark);
        text += &self.table(&columns, &rows);
        if rows.is_empty() {
            text += &self.paragraph("none listed");
        }
        if record.parameters.lonely_min_words > 0 {
            let (words, left_out) = (record.parameters.lonely_min_words, counted(record.lonely.too_short, "document"));
            text += &self.paragraph(&format!("{left_out} of fewer than {words} words left out"));
        }
        text + &self.more(lonely.len())
    }

    fn brief(&self) -> String {
        let topics = self.report.by_size();
        let columns = [
            Column::flexible("topic"),
            Column::left("over time").spare(1),
            Column::right("docs"),
            Column::right("recent, %"),
            Column::right("fade"),
            Column::left("status"),
        ];
        let rows: Vec<Vec<Cell>> = topics.iter().take(BRIEF).map(|topic| self.brief_row(topic)).collect();
        let remark =
            if topics.len() > BRIEF { format!("the {BRIEF} largest of {}", topics.len()) } else { String::new() };
        let more = topics.len().saturating_sub(BRIEF);
        let more = if more > 0 { self.paragraph(&format!("… {more} more in report.html")) } else { String::new() };
        self.heading("Topics", &remark) + &self.table(&columns, &rows) + &more
    }

    fn brief_row(&self, topic: &Topic) -> Vec<Cell> {
        vec![
            Cell::usual(&topic.name),
            self.curve(topic),
            Cell::usual(figures::signed(topic.size)),
            Cell::usual(topic.recent_share.map_or_else(|| NONE.into(), figures::percent)),
            Cell::usual(figures::ratio(topic.fade)),
            Cell::new(topic.status.as_str(), ink(topic.status)),
        ]
    }

    fn notes(&self) -> String {
        let record = &self.report.findings.record;
        let mut notes: Vec<String> = Vec::new();
        if !record.periods.incomplete.is_empty() {
            notes.push(format!(
                "left out, since the corpus does not cover them to their end: {}",
                record.periods.incomplete.join(", ")
            ));
        }
        if !record.periods.thin.is_empty() {
            let thin = record.periods.thin.join(", ");
            notes.push(format!(
                "thin (far fewer documents than their neighbours, or another mix of categories): {thin}"
            ));
        }
        notes.extend(record.notes.iter().cloned());
        let lines: String = notes.iter().map(|note| wrap(note, "  - ", self.width)).collect();
        if notes.is_empty() { lines } else { self.heading("To read with care", "") + &lines }
    }
}

/// A path is to be copied: it is never cut.
fn page_line(page: Option<&str>) -> String {
    page.map_or_else(String::new, |page| format!("page: {}\n", visible::plain(page)))
}

/// Two rows: the document, and its nearest beneath.
fn lonely_rows(document: &LonelyDocument) -> Vec<Vec<Cell>> {
    let title = |title: &str| if title.is_empty() { "(untitled)".to_owned() } else { title.to_owned() };
    let mut rows = vec![vec![
        Cell::usual(document.rank.to_string()),
        Cell::usual(title(&document.title)),
        Cell::new(&shorten(&visible::plain(&document.id), ID), Ink::Faint),
        Cell::new(&document.created.map_or_else(|| NONE.into(), |day| day.format("%Y").to_string()), Ink::Faint),
        Cell::usual(figures::similarity(document.similarity)),
    ]];
    if let Some((id, similarity)) = document.nearest_id.as_deref().zip(document.nearest_similarity) {
        let nearest = format!("↳ {}", title(document.nearest_title.as_deref().unwrap_or_default()));
        let cells = [nearest, shorten(&visible::plain(id), ID), String::new(), figures::similarity(similarity)];
        let faint = cells.iter().map(|text| Cell::new(text, Ink::Faint));
        rows.push(std::iter::once(Cell::usual("")).chain(faint).collect());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn view(width: usize) -> View {
        View { width, colour: false, page: Some("runs/run-3f9a5c0d1e2b/report.html".into()) }
    }

    #[test]
    fn no_line_is_wider_than_the_view() {
        let reports =
            [fixture::report(), fixture::hostile(), fixture::undated(), fixture::tiny(), fixture::with_topics(400)];
        for (report, width) in
            reports.iter().flat_map(|report| [(report, 100), (report, 80), (report, 60), (report, 500)])
        {
            for line in terminal(report, &view(width)).lines() {
                assert!(line.width() <= width.min(100), "{} columns: {line}", line.width());
            }
        }
    }

    #[test]
    fn everything_asked_for_is_said() {
        let text = terminal(&fixture::report(), &view(100));
        for part in [
            "run-3f9a5c0d1e2b · 35,709 documents · 40 topics · 2000–2023",
            "11 lines refused: 6 not a JSON object · 3 id was seen before · 2 id is empty",
            "12 documents without a date",
            "petri nets for manuf",
            "2000–2002",
            "extinct",
            "Improvement of product sustainability",
            "318 documents of fewer than 20 words left out",
            "… 20 more in report.html",
            "left out, since the corpus does not cover them to their end: 2024",
            "2016",
            "2 clusters share one name",
            "page: runs/run-3f9a5c0d1e2b/report.html",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }

    #[test]
    fn colour_codes_are_written_only_where_they_are_allowed() {
        let report = fixture::hostile();
        assert!(!terminal(&report, &view(100)).contains('\u{1b}'));
        let coloured = terminal(&report, &View { colour: true, ..view(100) });
        let stripped: String = ["1", "2", "33", "36", "0"]
            .iter()
            .fold(coloured.clone(), |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        assert!(coloured.contains("\u{1b}[1m") && !stripped.contains('\u{1b}'));
        assert_eq!(stripped, terminal(&report, &view(100)));
    }

    #[test]
    fn hostile_text_is_shown() {
        let text = terminal(&fixture::hostile(), &view(100));
        assert!(!text.chars().any(|character| character != '\n' && visible::is_hidden(character)));
        assert!(text.contains("⟨ESC⟩[2J") && text.contains("⟨U+202E⟩"), "{text}");
    }

    #[test]
    fn a_corpus_without_dates_or_loners_is_reported_too() {
        let undated = terminal(&fixture::undated(), &view(100));
        assert!(undated.contains("35,709 documents without a date") && undated.contains("undated"), "{undated}");
        let tiny = terminal(&fixture::tiny(), &view(100));
        assert!(
            tiny.contains("1 document from 4 lines of robotics.jsonl.gz (3 blank)") && tiny.contains("none listed"),
            "{tiny}"
        );
    }

    #[test]
    fn curves_scale_to_their_highest_share() {
        assert_eq!(sparkline(&[Some(0.0), Some(0.5), None, Some(1.0)]), "▁▄ █");
    }
}
