//! Shares over time → drawings: curves for table rows, bars for cards, intervals, and the layers of the whole corpus.
//!
//! Each drawing is stretched to the width that there is, so it holds shapes only; its words stand beside it, and in the
//! label that a screen reader gets. Invariant: a curve is one path of at most [`CURVE_POINTS`] points and coordinates have
//! one decimal, so that hundreds of topics stay a small page.

use std::fmt::Write as _;
use std::ops::Range;

use chrono::{Datelike, NaiveDate};
use strata_shared::findings::{Status, Topic};

use super::super::figures;
use super::super::history::{History, Point};
use super::super::visible;
use super::markup::{Attribute, Figure, Markup, markup};
use super::{NAME, Report};

/// Points of a curve in a table row, some 2 pixels each.
const CURVE_POINTS: usize = 60;
/// Bars of a card, some 4 pixels each; 24 years of quarters take 96 and become pairs.
const BARS: usize = 80;
/// Points of the layers, some 8 pixels each.
const LAYER_POINTS: usize = 120;

/// Statuses that make a layer, from the bottom to the top.
const LAYERS: [Status; 5] = [Status::Extinct, Status::Fading, Status::Steady, Status::Rising, Status::Emerging];

/// One decimal at most.
fn coordinate(value: f64) -> String {
    let rounded = format!("{value:.1}");
    rounded.strip_suffix(".0").map_or(rounded.clone(), str::to_owned)
}

/// Draws straight lines through points given as x and y.
fn polyline(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (x, y) in points {
        // Writing to a string cannot fail.
        let _ = write!(path, "{}{} {}", if path.is_empty() { 'M' } else { 'L' }, coordinate(x), coordinate(y));
    }
    path
}

fn highest(curve: &[Point]) -> f64 {
    curve.iter().filter_map(|point| point.share).fold(f64::MIN_POSITIVE, f64::max)
}

/// Says in words what a drawing of the topic's share shows.
fn label(history: &History, topic: &Topic) -> String {
    let span = history.span(0..history.num_complete()).unwrap_or_default();
    let recent = history.recent.clone().and_then(|recent| history.span(recent)).unwrap_or_default();
    format!(
        "Share of {} in {span}: highest {} in {}, {} in {recent}",
        visible::cut(&topic.name, NAME),
        figures::share(topic.peak_share),
        figures::window(topic.peak_period.as_deref()),
        figures::share(topic.recent_share),
    )
}

/// Draws a topic's share over the complete periods as one line, each on its own scale, with ticks under thin periods.
pub(super) fn curve(history: &History, topic: &Topic) -> Markup {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 24.0;
    let curve = history.curve(&[topic.label], 0..history.num_complete(), CURVE_POINTS);
    if curve.iter().all(|point| point.share.is_none()) {
        return markup!("<span class=\"soft\">–</span>");
    }
    let (highest, step) = (highest(&curve), WIDTH / curve.len().saturating_sub(1).max(1) as f64);
    let points = curve.iter().enumerate();
    let points =
        points.filter_map(|(at, point)| Some((at as f64 * step, 1.0 + HEIGHT * (1.0 - point.share? / highest))));
    let line = polyline(points);
    markup!(
        r#"<svg class="curve {}" viewBox="-2 -1 124 31" role="img" aria-label="{}">{}<path d="{}h.01"/></svg>"#,
        topic.status.as_str(),
        Attribute(&label(history, topic)),
        thin_ticks(history, &curve, step),
        line,
    )
}

fn thin_ticks(history: &History, curve: &[Point], step: f64) -> Markup {
    let thin = curve.iter().enumerate().filter(|(_, point)| is_thin(history, &point.periods));
    let ticks: Vec<String> = thin.map(|(at, _)| format!("M{} 27v3", coordinate(at as f64 * step))).collect();
    if ticks.is_empty() { Markup::default() } else { markup!(r#"<path class="tick" d="{}"/>"#, ticks.concat()) }
}

fn is_thin(history: &History, periods: &Range<usize>) -> bool {
    history.periods[periods.clone()].iter().any(|period| period.thin)
}

fn is_complete(history: &History, periods: &Range<usize>) -> bool {
    history.periods[periods.clone()].iter().all(|period| period.complete)
}

/// Draws a topic's share in every period as bars, with its peak and the recent window behind them; the bars of thin and
/// of incomplete periods are outlines.
pub(super) fn bars(history: &History, topic: &Topic) -> Markup {
    let num_periods = history.periods.len();
    let curve = history.curve(&[topic.label], 0..num_periods, BARS);
    let highest = highest(&curve);
    let path = |of: &dyn Fn(&Range<usize>) -> bool| -> String {
        let chosen = curve.iter().filter(|point| of(&point.periods));
        chosen.filter_map(|point| bar(&point.periods, point.share? / highest)).collect()
    };
    let sound = |periods: &Range<usize>| is_complete(history, periods) && !is_thin(history, periods);
    markup!(
        r#"<div class="bars {}"><span class="top">{}</span><svg class="plot" viewBox="0 0 {} 100" preserveAspectRatio="none" role="img" aria-label="{}">{}{}<path class="sound" d="{}"/><path class="outline" d="{}"/></svg>{}</div>"#,
        topic.status.as_str(),
        figures::share(Some(highest).filter(|share| *share > f64::MIN_POSITIVE)),
        Figure(num_periods * 10),
        Attribute(&label(history, topic)),
        window("peak", history.peak(topic)),
        window("recent", history.recent.clone()),
        path(&sound),
        path(&|periods| !sound(periods)),
        axis(history, 0..num_periods, 0.5),
    )
}

fn bar(periods: &Range<usize>, height: f64) -> Option<String> {
    let (x, width) = (periods.start * 10 + 1, periods.len() * 10 - 2);
    // A share that is not zero shows.
    let height = if height > 0.0 { (height * 92.0).max(1.0) } else { return None };
    Some(format!("M{x} 100v-{0}h{width}v{0}z", coordinate(height)))
}

fn window(class: &'static str, periods: Option<Range<usize>>) -> Markup {
    periods.map_or_else(Markup::default, |periods| {
        markup!(
            r#"<rect class="{}" x="{}" y="0" width="{}" height="100"/>"#,
            class,
            Figure(periods.start * 10),
            Figure(periods.len() * 10)
        )
    })
}

/// Years between two names on an axis.
const YEARS: [i32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
/// Names between the first and the last one.
const NAMES: i32 = 4;
/// Room of a name at an axis' end, as a part of the axis, for each of its characters and beside it: 8 and 22 of the 320
/// pixels of a card.
const ROOM: (f64, f64) = (0.025, 0.07);

/// Draws the names of the first and the last period and of round years between. `offset` is where a period has its
/// middle: half a period in for bars, at its point for curves.
fn axis(history: &History, periods: Range<usize>, offset: f64) -> Markup {
    let Some((first, last)) = history.periods.get(periods.clone()).and_then(|all| Some((all.first()?, all.last()?)))
    else {
        return Markup::default();
    };
    let length = (periods.len() - 1) as f64 + 2.0 * offset;
    let years = last.first_day.year() - first.first_day.year();
    let every = YEARS.into_iter().find(|every| years / every <= NAMES).unwrap_or(YEARS[YEARS.len() - 1]);
    let opens = |day: NaiveDate| day.ordinal() == 1 && day.year() % every == 0;
    let room = |name: &str| ROOM.0 * name.len() as f64 + ROOM.1;
    let free = room(&first.name)..=1.0 - room(&last.name);
    let between = periods.clone().map(|at| (at, history.periods[at].first_day)).filter(|(_, day)| opens(*day));
    let between = between.filter_map(|(at, day)| {
        let place = ((at - periods.start) as f64 + offset) / length;
        let name = || tick(place * 100.0, "middle", &format!("{:04}", day.year()));
        (periods.len() > 1 && free.contains(&place)).then(name)
    });
    let ends = [tick(0.0, "start", &first.name), tick(100.0, "end", &last.name)];
    let ends = ends.into_iter().take(if periods.len() > 1 { 2 } else { 1 });
    markup!(r#"<svg class="axis" aria-hidden="true">{}</svg>"#, Markup::join(ends.chain(between)))
}

fn tick(percent: f64, anchor: &'static str, name: &str) -> Markup {
    markup!(r#"<text x="{}%" y="1em" text-anchor="{}">{}</text>"#, coordinate(percent), anchor, name)
}

/// Draws the interval of a topic's fade on the way from 0 (gone) to 1 (at its highest).
pub(super) fn interval(topic: &Topic) -> Markup {
    let (Some(fade), Some(low), Some(high)) = (topic.fade, topic.fade_low, topic.fade_high) else {
        return Markup::default();
    };
    let label = format!("Fade {fade:.2}, 95 % interval {low:.2} to {high:.2}, on a scale from 0 to 1");
    markup!(
        r#"<svg class="interval {}" viewBox="0 0 200 12" preserveAspectRatio="none" role="img" aria-label="{}"><path class="scale" d="M0 6H200M.5 2V10M199.5 2V10"/><rect class="range" x="{}" y="3" width="{}" height="6"/><rect class="point" x="{}" y="0" width="2" height="12"/></svg>"#,
        topic.status.as_str(),
        Attribute(&label),
        coordinate(low * 200.0),
        coordinate(((high - low) * 200.0).max(1.0)),
        coordinate((fade * 200.0 - 1.0).clamp(0.0, 198.0)),
    )
}

/// Draws the shares of all topics, stacked by status, what is gone at the bottom and what is new on top; nothing where
/// fewer than two periods are complete.
pub(super) fn layers(report: &Report, history: &History) -> Markup {
    let complete = 0..history.num_complete();
    let of = |status: &Status| -> Vec<i32> {
        report.findings.topics.iter().filter(|topic| topic.status == *status).map(|topic| topic.label).collect()
    };
    let curves: Vec<Vec<Point>> =
        LAYERS.iter().map(|status| history.curve(&of(status), complete.clone(), LAYER_POINTS)).collect();
    let places: Vec<usize> = (0..curves[0].len()).filter(|&at| curves[0][at].share.is_some()).collect();
    if places.len() < 2 {
        return Markup::default();
    }
    let mut floor = vec![0.0; places.len()];
    let mut bands = Vec::new();
    for (status, curve) in LAYERS.iter().zip(&curves) {
        let ceiling: Vec<f64> =
            places.iter().zip(&floor).map(|(&at, floor)| floor + curve[at].share.unwrap_or(0.0)).collect();
        bands.push(band(*status, &places, &floor, &ceiling));
        floor = ceiling;
    }
    markup!(
        r#"<div class="layers"><svg class="plot" viewBox="0 0 1000 200" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>{}</div>"#,
        Attribute(&layers_label(report, history)),
        Markup::join(bands),
        thin_bands(history, &curves[0]),
        axis(history, complete, 0.0),
    )
}

fn band(status: Status, places: &[usize], floor: &[f64], ceiling: &[f64]) -> Markup {
    let last = places[places.len() - 1].max(1) as f64;
    let point = |(&place, level): (&usize, &f64)| (place as f64 / last * 1000.0, 200.0 - level * 200.0);
    let upper = places.iter().zip(ceiling).map(point);
    let lower = places.iter().zip(floor).map(point).rev();
    if floor == ceiling {
        return Markup::default();
    }
    markup!(r#"<path class="{}" d="{}z"/>"#, status.as_str(), polyline(upper.chain(lower)))
}

fn thin_bands(history: &History, curve: &[Point]) -> Markup {
    let step = 1000.0 / curve.len().saturating_sub(1).max(1) as f64;
    let thin = curve.iter().enumerate().filter(|(_, point)| is_thin(history, &point.periods));
    let ticks: Vec<String> = thin.map(|(at, _)| format!("M{} 0v200", coordinate(at as f64 * step))).collect();
    if ticks.is_empty() { Markup::default() } else { markup!(r#"<path class="thin" d="{}"/>"#, ticks.concat()) }
}

fn layers_label(report: &Report, history: &History) -> String {
    let complete = history.num_complete();
    let share = |status: Status, at: usize| {
        let topics = report.findings.topics.iter().filter(|topic| topic.status == status);
        history.share(&topics.map(|topic| topic.label).collect::<Vec<_>>(), at..at + 1)
    };
    let change = LAYERS.map(|status| {
        format!("{status} {} to {}", figures::share(share(status, 0)), figures::share(share(status, complete - 1)))
    });
    let span = history.span(0..complete).unwrap_or_default();
    format!("Share of documents by status of their topic, first and last of {span}: {}", change.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    #[test]
    fn coordinates_are_short() {
        let written: Vec<String> = [0.0, 12.0, 5.0402, 99.96, -0.5].map(coordinate).into();
        assert_eq!(written, ["0", "12", "5", "100", "-0.5"]);
    }

    #[test]
    fn a_curve_is_one_path_of_a_point_a_period() {
        let report = fixture::report();
        let history = History::new(&report.findings);
        let curve = curve(&history, &report.findings.topics[1]).into_string();
        assert_eq!(curve.matches('L').count(), 23, "{curve}");
        assert_eq!(curve.matches('M').count() - curve.matches("class=\"tick\"").count(), 1, "{curve}");
        assert!(curve.contains("aria-label=\"Share of visual servoing in 2000–2023: highest "), "{curve}");
    }

    #[test]
    fn layers_fill_the_whole_height() {
        let report = fixture::report();
        let layers = layers(&report, &History::new(&report.findings)).into_string();
        assert_eq!(layers.matches("<path class=").count(), LAYERS.len() + 1, "{layers}");
        assert!(layers.contains("class=\"emerging\" d=\"M0 0L"), "{layers}");
    }

    #[test]
    fn windows_and_outlined_bars_are_marked() {
        let report = fixture::report();
        let bars = bars(&History::new(&report.findings), &report.findings.topics[0]).into_string();
        assert!(bars.contains(r#"class="peak" x="0" y="0" width="30""#), "{bars}");
        assert!(bars.contains(r#"class="recent" x="210" y="0" width="30""#), "{bars}");
    }

    #[test]
    fn a_corpus_without_dates_has_no_drawing() {
        let report = fixture::undated();
        let history = History::new(&report.findings);
        assert!(layers(&report, &history).is_empty());
        assert!(interval(&report.findings.topics[0]).is_empty());
        assert!(!curve(&history, &report.findings.topics[0]).into_string().contains("svg"));
    }

    #[test]
    fn an_axis_names_its_ends_and_round_years_between() {
        let history = History::new(&fixture::report().findings);
        let names = axis(&history, 0..25, 0.5).into_string();
        for (place, year) in [("0", 2000), ("42", 2010), ("62", 2015), ("82", 2020), ("100", 2024)] {
            assert!(
                names.contains(&format!("<text x=\"{place}%\"")) && names.contains(&format!(">{year}<")),
                "{names}"
            );
        }
        assert_eq!(axis(&history, 0..1, 0.5).into_string().matches("<text").count(), 1);
        assert!(axis(&history, 0..0, 0.0).is_empty());
    }
}
