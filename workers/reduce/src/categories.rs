//! Categories as they come → small numbers to count them by.
//!
//! Numbers depend on the order of arrival. Whether there are too many categories depends on their set alone, and then
//! there are none: so what is made of the names, or of their order, is the same whatever the order of the documents.

use std::collections::BTreeMap;

/// The different categories that are counted; arXiv has some 180.
///
/// Beyond it a field is no classification (every document has its own) and nothing is made of it.
pub const MAX_CATEGORIES: usize = 10_000;

/// The numbers of the categories met so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CategoryNumbers {
    numbers: BTreeMap<String, u32>,
    is_overfull: bool,
}

impl CategoryNumbers {
    /// Returns the number of a category, a new one if there is room.
    pub fn number(&mut self, category: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(category) {
            return Some(*number);
        }
        if self.is_overfull || self.numbers.len() >= MAX_CATEGORIES {
            self.is_overfull = true;
            return None;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(category.to_owned(), number);
        Some(number)
    }

    /// Returns the categories by number; `None` if there were more than [`MAX_CATEGORIES`].
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        let mut names = vec![""; self.numbers.len()];
        for (name, number) in &self.numbers {
            names[*number as usize] = name;
        }
        (!self.is_overfull).then_some(names)
    }

    /// Returns the place of each category, by number, in the order of their names; `None` as [`Self::names`].
    #[must_use]
    pub fn ranks(&self) -> Option<Vec<u32>> {
        let mut ranks = vec![0; self.numbers.len()];
        for (number, rank) in self.numbers.values().zip(0..) {
            ranks[*number as usize] = rank;
        }
        (!self.is_overfull).then_some(ranks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_names_whatever_came_first() {
        let ranked = |names: [&str; 3]| {
            let mut numbers = CategoryNumbers::default();
            let met = names.map(|name| numbers.number(name).unwrap());
            let ranks = numbers.ranks().unwrap();
            met.map(|number| ranks[number as usize])
        };
        assert_eq!(ranked(["a", "b", "c"]), [0, 1, 2]);
        assert_eq!(ranked(["c", "a", "b"]), [2, 0, 1]);
    }

    #[test]
    fn too_many_categories_are_none() {
        let mut numbers = CategoryNumbers::default();
        (0..MAX_CATEGORIES).for_each(|number| assert!(numbers.number(&number.to_string()).is_some()));
        assert!(numbers.names().is_some());
        assert_eq!(numbers.number("one more"), None);
        assert!(numbers.names().is_none() && numbers.ranks().is_none());
    }
}
