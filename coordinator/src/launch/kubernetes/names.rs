//! What a Job is for → its name. Pure.
//!
//! Invariant: the same coordinator Job with the same work gets the same name, so that a coordinator that starts again finds what
//! it has started. Names are far below the 63 characters that pods' labels allow.

use strata_shared::digest::sha256_hex;

/// The hexadecimal digits of a digest that a name ends in.
const DIGITS: usize = 10;

/// Returns `prefix` and a digest of `parts`, each kept apart from the next.
#[must_use]
pub fn named(prefix: &str, parts: &[&str]) -> String {
    let told = parts.iter().fold(String::new(), |told, part| told + &format!("{}:{part}", part.len()));
    format!("{prefix}-{}", &sha256_hex(told.as_bytes())[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_depends_on_every_part_and_on_nothing_else() {
        let name = named("strata-map", &["uid", "list"]);
        assert_eq!(name, "strata-map-ee1c8bddba");
        assert_eq!(name, named("strata-map", &["uid", "list"]));
        assert_ne!(name, named("strata-map", &["uidl", "ist"]));
        assert_ne!(name, named("strata-map", &["uid", "list", ""]));
        assert_ne!(name[10..], named("strata-reduce", &["uid", "lisu"])[13..]);
    }
}
