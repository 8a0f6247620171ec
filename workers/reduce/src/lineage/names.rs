//! Names that topics would get now, and those that they had → the names that they are given.
//!
//! Invariant: no two topics have one name.

use std::collections::BTreeSet;

use strata_shared::findings::Topic;

use super::identity::Identity;
use crate::naming::{NAME_SEPARATOR, TopicName};

/// A topic of less strength has moved so far that it is named anew.
///
/// Then more of its documents came or left than stayed. While 35,709 abstracts by date grew by a quarter in six steps, 15 of 6,000
/// topics fell below it in a step.
const LEAST_STAYED: f64 = 0.5;

/// Gives topics the names that they had, unless they moved: by one step, or so slowly that of the name no part is among the terms
/// of today.
pub fn keep(names: &mut [TopicName], identities: &[Identity], former: &[Topic]) {
    let kept: Vec<Option<&str>> =
        names.iter().zip(identities).map(|(name, identity)| kept(name, identity, former)).collect();
    let mut taken: BTreeSet<String> = kept.iter().flatten().map(|name| (*name).to_owned()).collect();
    for (name, kept) in names.iter_mut().zip(&kept) {
        if let Some(kept) = kept {
            (*kept).clone_into(&mut name.name);
        } else {
            name.name = free(name, &taken);
            taken.insert(name.name.clone());
        }
    }
}

fn kept<'a>(name: &TopicName, identity: &Identity, former: &'a [Topic]) -> Option<&'a str> {
    let former = former.get(identity.former?)?.name.as_str();
    let has_stayed = identity.strength? >= LEAST_STAYED;
    let still_says = former.split(NAME_SEPARATOR).any(|part| name.terms.iter().any(|term| term == part));
    (has_stayed && still_says || former == name.name).then_some(former)
}

/// Returns the name, with another of its terms, or with a number where another topic has kept it.
fn free(name: &TopicName, taken: &BTreeSet<String>) -> String {
    let longer = name.terms.iter().filter(|term| !name.name.contains(term.as_str()));
    let longer = longer.map(|term| format!("{}{NAME_SEPARATOR}{term}", name.name));
    let numbered = (2..).map(|number| format!("{} ({number})", name.name));
    let mut names = std::iter::once(name.name.clone()).chain(longer).chain(numbered);
    // The numbers never end, so a free name is always found.
    names.find(|name| !taken.contains(name)).unwrap_or_else(|| name.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::Lineage;
    use strata_shared::findings::Status;

    fn name(name: &str, terms: &[&str]) -> TopicName {
        TopicName { name: name.into(), terms: terms.iter().map(|&term| term.to_owned()).collect() }
    }

    fn topic(label: i32, name: &str) -> Topic {
        Topic {
            label,
            name: name.into(),
            terms: Vec::new(),
            size: 1,
            first: None,
            last: None,
            peak_period: None,
            peak_share: None,
            recent_share: None,
            fade: None,
            fade_low: None,
            fade_high: None,
            status: Status::Undated,
            top_categories: Vec::new(),
            representative_ids: Vec::new(),
            fading_rank: None,
            emerging_rank: None,
            topic_id: i64::from(label),
            strength: None,
        }
    }

    fn names(now: &[TopicName], former: &[&str], pairs: &[Option<(usize, f64)>]) -> Vec<String> {
        let former: Vec<Topic> = (0..).zip(former).map(|(label, name)| topic(label, name)).collect();
        let mut identities = Lineage::first(now.len()).topics;
        for (identity, pair) in identities.iter_mut().zip(pairs) {
            (identity.former, identity.strength) = pair.unzip();
        }
        let mut names = now.to_vec();
        keep(&mut names, &identities, &former);
        names.into_iter().map(|name| name.name).collect()
    }

    #[test]
    fn a_topic_that_stayed_keeps_its_name() {
        let now = [name("robot arms · grasping", &["robot arms", "grasping", "hands"])];
        assert_eq!(names(&now, &["grasping · hands"], &[Some((0, 0.9))]), ["grasping · hands"]);
    }

    #[test]
    fn a_topic_that_moved_at_once_or_over_the_years_is_named_anew() {
        let now = [name("drones", &["drones", "grasping"])];
        assert_eq!(names(&now, &["grasping · hands"], &[Some((0, 0.4))]), ["drones"]);
        assert_eq!(names(&now, &["hands · fingers"], &[Some((0, 0.9))]), ["drones"]);
    }

    #[test]
    fn no_new_name_is_one_that_another_topic_keeps() {
        let now = [name("hands", &["hands", "fingers"]), name("grasping", &["grasping", "hands"])];
        assert_eq!(names(&now, &["hands"], &[None, Some((0, 0.9))]), ["hands · fingers", "hands"]);
        let now = [name("hands", &["hands"]), name("grasping", &["grasping", "hands"])];
        assert_eq!(names(&now, &["hands"], &[None, Some((0, 0.9))]), ["hands (2)", "hands"]);
    }
}
