//! The generator as a whole: bytes, counts, faults, shares.

use std::collections::BTreeSet;
use std::io::Read;

use serde_json::Value;

use super::*;

fn snapshot(documents: u64, seed: u64) -> Snapshot {
    generate(&Plan { documents, seed, ..Plan::default() }).expect("a plan that can be followed")
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    assert_eq!(snapshot(300, 1), snapshot(300, 1));
    assert_ne!(snapshot(300, 1).lines, snapshot(300, 2).lines);
}

#[test]
fn a_stream_has_the_bytes_and_the_truth_of_a_snapshot() {
    let plan = Plan { documents: 300, ..Plan::default() };
    let mut stream = Vec::new();
    let truth = write(&plan, &mut stream).expect("a vector takes every byte");
    let snapshot = generate(&plan).expect("a plan that can be followed");
    assert_eq!(stream, snapshot.bytes());
    assert_eq!(truth, snapshot.truth);
}

#[test]
fn lines_are_rows_and_refused_and_blank_ones() {
    for documents in [1, 19, 300, 3000] {
        let Snapshot { lines, truth } = snapshot(documents, 5);
        assert_eq!(truth.rows, documents);
        assert_eq!(truth.lines, lines.len() as u64);
        assert_eq!(truth.lines, truth.rows + truth.refused.len() as u64 + truth.blank);
        let blank = lines.iter().filter(|line| line.iter().all(u8::is_ascii_whitespace)).count();
        assert_eq!(truth.blank, blank as u64);
        assert!(lines.iter().all(|line| !line.contains(&b'\n')));
    }
}

#[test]
fn every_document_is_counted_in_its_topic_or_as_a_loner() {
    let truth = snapshot(3000, 5).truth;
    let in_topics: usize = truth.topics.iter().map(|topic| topic.ids.len()).sum();
    assert_eq!(in_topics + truth.loners.len(), 3000);
    let dated: u64 = truth.by_year.iter().sum();
    assert_eq!(dated as usize + truth.dateless.len() + truth.unreadable_dates.len(), 3000);
    assert_eq!((truth.exact_copies.len(), truth.near_copies.len(), truth.loners.len()), (15, 15, 10));
}

/// The checks of a strict reader, in the order of the contract.
fn fault(line: &[u8], seen: &BTreeSet<String>, max_line: usize) -> Option<RefusalKind> {
    if line.len() > max_line {
        return Some(RefusalKind::TooLong);
    }
    let Ok(text) = std::str::from_utf8(line) else { return Some(RefusalKind::InvalidUtf8) };
    let value: Value = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Some(RefusalKind::TruncatedJson),
        Err(_) => return Some(RefusalKind::NotJson),
    };
    let Some(object) = value.as_object() else { return Some(RefusalKind::NotAnObject) };
    let field = |name: &str| object.get(name).unwrap_or(&Value::Null);
    match object.get("id") {
        None => return Some(RefusalKind::MissingId),
        Some(Value::Null) => return Some(RefusalKind::NullId),
        Some(Value::String(id)) if id.is_empty() => return Some(RefusalKind::EmptyId),
        Some(Value::String(id)) if seen.contains(id) => return Some(RefusalKind::RepeatedId),
        Some(Value::Number(id)) if seen.contains(&id.to_string()) => return Some(RefusalKind::RepeatedId),
        Some(Value::String(_)) => {}
        Some(Value::Number(id)) if id.is_u64() => {}
        Some(_) => return Some(RefusalKind::IdType),
    }
    match (field("title"), field("abstract")) {
        (Value::Null, Value::Null) => Some(RefusalKind::NothingToRead),
        (Value::Null | Value::String(_), Value::Null | Value::String(_)) => None,
        (Value::Null | Value::String(_), _) => Some(RefusalKind::TextType),
        _ => Some(RefusalKind::TitleType),
    }
}

fn id_of(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).expect("an accepted line is UTF-8");
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("an accepted line is JSON");
    value["id"].as_str().map_or_else(|| value["id"].to_string(), str::to_owned)
}

#[test]
fn exactly_the_planted_lines_are_refused_and_each_for_its_planted_reason() {
    let plan = Plan { documents: 9000, too_long_bytes: Some(100_000), ..Plan::default() };
    let Snapshot { lines, truth } = generate(&plan).expect("a plan that can be followed");
    let mut seen = BTreeSet::new();
    let mut refused = Vec::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace)) {
        match fault(line, &seen, 100_000) {
            Some(kind) => refused.push(PlantedRefusal { line: i as u64 + 1, kind }),
            None => assert!(seen.insert(id_of(line)), "line {}", i + 1),
        }
    }
    assert_eq!(refused, truth.refused);
    assert_eq!(seen.len(), 9000);
    assert_eq!(refused.iter().map(|refusal| refusal.kind).collect::<BTreeSet<_>>().len(), 13);
    let planted = truth.topics.iter().flat_map(|topic| &topic.ids).chain(truth.loners.iter().map(|loner| &loner.id));
    assert_eq!(planted.cloned().collect::<BTreeSet<_>>(), seen);
}

#[test]
fn a_clean_corpus_has_nothing_to_refuse_and_a_date_on_every_line() {
    let plan = Plan { documents: 500, clean: true, ..Plan::default() };
    let Snapshot { lines, truth } = generate(&plan).expect("a plan that can be followed");
    assert_eq!((lines.len(), truth.refused.len(), truth.blank), (500, 0, 0));
    assert_eq!(truth.by_year.iter().sum::<u64>(), 500);
    assert!(lines.iter().all(|line| line.starts_with(b"{") && line.ends_with(b"}")));
}

#[test]
fn topics_appear_in_the_share_that_was_planted() {
    let truth = snapshot(30_000, 9).truth;
    for topic in &truth.topics {
        for (i, year) in truth.years.iter().enumerate() {
            let expected = truth.by_year[i] as f64 * topic.share_ppm[i] as f64 / 1e6;
            let tolerance = 5.0 * expected.sqrt() + 6.0;
            assert!((topic.by_year[i] as f64 - expected).abs() <= tolerance, "{} in {year}", topic.name);
        }
    }
}

#[test]
fn the_dead_leave_no_trace_in_the_last_years_and_the_unborn_none_in_the_first() {
    for topic in snapshot(30_000, 9).truth.topics {
        match topic.fate {
            Fate::Dies { .. } => assert!(topic.by_year[16..].iter().all(|count| *count == 0), "{}", topic.name),
            Fate::Born { .. } => assert!(topic.by_year[..9].iter().all(|count| *count == 0), "{}", topic.name),
            _ => assert!(topic.by_year.iter().all(|count| *count > 0), "{}", topic.name),
        }
    }
}

#[test]
fn a_topic_that_dies_or_is_born_has_enough_documents_to_be_called() {
    for topic in snapshot(3000, 42).truth.topics {
        let least = if matches!(topic.fate, Fate::Dies { .. } | Fate::Born { .. }) { 105 } else { 75 };
        assert!((least..220).contains(&topic.ids.len()), "{}: {}", topic.name, topic.ids.len());
    }
}

#[test]
fn an_archive_that_breaks_off_has_no_date_after_its_last_day() {
    let until = "2024-05-17".parse().expect("a date");
    let truth = generate(&Plan { until, ..Plan::default() }).expect("a plan that can be followed").truth;
    assert_eq!((truth.years.len(), truth.until.as_str()), (21, "2024-05-17"));
    assert!(truth.by_year[20] * 2 < truth.by_year[19]);
}

#[test]
fn plans_that_no_corpus_can_follow_are_refused() {
    let refusal = |plan: Plan| generate(&plan).expect_err("a plan that cannot be followed");
    assert_eq!(refusal(Plan { documents: 0, ..Plan::default() }), PlanError::NoDocuments);
    assert_eq!(refusal(Plan { first_year: 2030, ..Plan::default() }), PlanError::NoYears);
    assert_eq!(
        refusal(Plan { documents: 5, loners: Some(6), ..Plan::default() }),
        PlanError::TooManyLoners { wanted: 6, most: 5 }
    );
}

#[test]
fn a_truth_survives_its_file() {
    let truth = snapshot(300, 5).truth;
    let json = serde_json::to_string(&truth).expect("a truth serializes");
    assert_eq!(serde_json::from_str::<Truth>(&json).expect("and comes back"), truth);
}

#[test]
fn a_stored_frame_holds_its_bytes_in_blocks_of_at_most_128_kib() {
    let text = vec![b'x'; 300_000];
    let mut frame = StoredFrame::new(Vec::new()).expect("a vector takes every byte");
    frame.write_all(&text).expect("a vector takes every byte");
    let bytes = frame.finish().expect("a vector takes every byte");
    let (mut rest, mut found) = (&bytes[6..], Vec::new());
    loop {
        let header = u32::from_le_bytes([rest[0], rest[1], rest[2], 0]);
        let mut block = Vec::new();
        (&rest[3..]).take(u64::from(header >> 3)).read_to_end(&mut block).expect("a slice can be read");
        assert!(block.len() <= 128 * 1024 && header & 0b110 == 0);
        rest = &rest[3 + block.len()..];
        found.extend(block);
        if header & 1 == 1 {
            break;
        }
    }
    assert!(found == text && rest.is_empty());
}
