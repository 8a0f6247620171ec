//! Two terms → how much a reader hears of the one in the other.

use super::{spelling, words};

/// Returns the part of the shorter term's words that the longer one has too, in some form; 1 for an acronym and what it
/// stands for, and for one word written as two.
pub(super) fn overlap(left: &str, right: &str) -> f64 {
    if is_acronym(left, right) || is_acronym(right, left) {
        return 1.0;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (content(left), content(right));
    if left.len() != right.len() && spelling::are_forms_of_one(&left.concat(), &right.concat()) {
        return 1.0;
    }
    let (shorter, longer) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    let is_shared = |word: &&&str| longer.iter().any(|other| spelling::are_forms_of_one(word, other));
    shorter.iter().filter(is_shared).count() as f64 / shorter.len().max(1) as f64
}

/// Says whether the words of `part` stand in `whole`, in order and without a gap.
pub(super) fn is_within(part: &str, whole: &str) -> bool {
    let stands_at =
        |start: usize| whole[start..].strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    whole.len() > part.len() && (stands_at(0) || whole.match_indices(' ').any(|(space, _)| stands_at(space + 1)))
}

fn content(key: &str) -> Vec<&str> {
    key.split(' ').filter(|word| !words::is_link(word)).collect()
}

/// Says whether `short` is one word made of the first letters of `long`: `uav`, `slam`, `lidar` (from light detection
/// and ranging).
fn is_acronym(short: &str, long: &str) -> bool {
    if short.contains(' ') || !long.contains(' ') {
        return false;
    }
    let letters: Vec<char> = short.chars().collect();
    let words: Vec<&str> = long.split(' ').collect();
    spells(&letters, &words)
}

/// Says whether `letters` are made of each word's first letter and at most two more of its letters, in order; links
/// (`and`, `of`) may be left out.
fn spells(letters: &[char], words: &[&str]) -> bool {
    let Some((word, further)) = words.split_first() else { return letters.is_empty() };
    let taken = |taken: usize| begins_so(&letters[..taken], word) && spells(&letters[taken..], further);
    (1..=letters.len().min(3)).any(taken) || (words::is_link(word) && spells(letters, further))
}

/// Says whether `letters` stand in `word` in order, the first of them first.
fn begins_so(letters: &[char], word: &str) -> bool {
    let mut rest = word.chars();
    word.chars().next() == letters.first().copied() && letters.iter().all(|letter| rest.any(|other| other == *letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_acronyms_overlap() {
        assert!((overlap("visual servoing", "visual servo control") - 1.0).abs() < 1e-9);
        assert!((overlap("uav", "unmanned aerial vehicle") - 1.0).abs() < 1e-9);
        assert!((overlap("lidar", "light detection and ranging") - 1.0).abs() < 1e-9);
        assert!((overlap("nonholonomic", "non holonomic") - 1.0).abs() < 1e-9);
        assert!((overlap("mobile robot", "robot arm") - 0.5).abs() < 1e-9);
        assert!(overlap("petri net", "grasping") < 1e-9);
    }

    #[test]
    fn a_term_lies_within_a_longer_one() {
        assert!(is_within("kalman filter", "extended kalman filter"));
        assert!(!is_within("extended filter", "extended kalman filter"));
        assert!(!is_within("filter", "filter"));
    }
}
