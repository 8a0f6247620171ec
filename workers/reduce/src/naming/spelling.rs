//! A spelling → the spellings that it may be folded into: singular for plural, American for British, unhyphenated.
//!
//! Candidates only: whether one is a word, and common enough to be the same word, is for the counts of a corpus to say
//! (`lens` is no plural, since `len` is rare). Every candidate is nearer to a fixed form, so that folding ends.

/// Ends of British spellings and what they are in American ones.
const BRITISH: [(&str, &str); 11] = [
    ("isation", "ization"),
    ("isations", "izations"),
    ("ise", "ize"),
    ("ised", "ized"),
    ("ising", "izing"),
    ("yse", "yze"),
    ("our", "or"),
    ("ours", "ors"),
    ("elling", "eling"),
    ("elled", "eled"),
    ("re", "er"),
];

/// Plurals that are words of their own, or not plurals at all.
const NO_PLURALS: [&str; 6] = ["ics", "ss", "us", "is", "ous", "sis"];

/// Returns the spellings that `word` (in lower case) may stand for, the likeliest first.
pub(super) fn candidates(word: &str) -> Vec<String> {
    let mut found = singulars(word);
    for (british, american) in BRITISH {
        if let Some(stem) = word.strip_suffix(british).filter(|stem| stem.len() > 2) {
            found.push(format!("{stem}{american}"));
        }
    }
    if word.len() <= 3 && word.contains('-') {
        found.push(word.replace('-', ""));
    }
    found
}

fn singulars(word: &str) -> Vec<String> {
    if word.len() < 4 || !word.ends_with('s') || NO_PLURALS.iter().any(|end| word.ends_with(end)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (plural, singular) in
        [("ies", "y"), ("ves", "f"), ("sses", "ss"), ("ices", "ex"), ("ices", "ix"), ("es", ""), ("s", "")]
    {
        if let Some(stem) = word.strip_suffix(plural).filter(|stem| stem.len() > 1) {
            found.push(format!("{stem}{singular}"));
        }
    }
    // `planes` is of `plane`, not of `plan`: only hissing ends take `es`.
    found.retain(|singular| {
        word.strip_suffix("es") != Some(singular)
            || singular.ends_with(['s', 'x', 'z', 'o'])
            || singular.ends_with("sh")
            || singular.ends_with("ch")
    });
    found
}

/// Says whether two words (in lower case) are forms of one: they share all but their ends.
///
/// `navigate` and `navigation` are, `grasp` and `grasping`; `manipulator` and `manifold` are not.
pub(super) fn are_forms_of_one(left: &str, right: &str) -> bool {
    let shared: usize = left
        .chars()
        .zip(right.chars())
        .take_while(|(left, right)| left == right)
        .map(|(letter, _)| letter.len_utf8())
        .sum();
    let (shorter, longer) = (left.len().min(right.len()), left.len().max(right.len()));
    is_gerund_of(left, right)
        || is_gerund_of(right, left)
        || shared == longer
        || (shared >= 4 && shared + 3 >= shorter && shared + 5 >= longer && shared * 5 >= longer * 2)
}

/// Says whether a word is the gerund of another (`grasping` of `grasp`, `planning` of `plan`, `sensing` of `sense`).
pub(super) fn is_gerund_of(gerund: &str, root: &str) -> bool {
    let Some(stem) = gerund.strip_suffix("ing") else { return false };
    let is_doubled = stem.strip_prefix(root).is_some_and(|rest| root.ends_with(rest) && rest.len() == 1);
    stem == root || root.strip_suffix('e') == Some(stem) || is_doubled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_offer_their_singulars() {
        assert!(candidates("nets").contains(&"net".to_owned()));
        assert!(candidates("bodies").contains(&"body".to_owned()));
        assert!(candidates("leaves").contains(&"leaf".to_owned()));
        assert!(candidates("boxes").contains(&"box".to_owned()));
        assert!(candidates("matrices").contains(&"matrix".to_owned()));
        assert!(candidates("3-d").contains(&"3d".to_owned()));
        assert!(candidates("localisation").contains(&"localization".to_owned()));
    }

    #[test]
    fn what_is_no_plural_offers_none() {
        for word in ["kinematics", "gps", "ros", "chassis", "apparatus", "process", "robot", "analysis"] {
            assert_eq!(candidates(word), Vec::<String>::new(), "{word}");
        }
        assert!(!candidates("planes").contains(&"plan".to_owned()));
    }

    #[test]
    fn forms_of_one_word_share_all_but_their_ends() {
        assert!(are_forms_of_one("navigate", "navigation"));
        assert!(are_forms_of_one("grasp", "grasping"));
        assert!(are_forms_of_one("mapping", "map"));
        assert!(!are_forms_of_one("manipulator", "manifold"));
        assert!(!are_forms_of_one("robot", "rover"));
    }
}
