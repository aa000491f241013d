//! Texts that stand in many objects are kept once: names of fields, labels, who owns which fields.
//!
//! A table of fixed size: what was read last has a place, so what repeats is found, and what is different in every object only passes
//! through.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};

use ecow::EcoString;

/// Longer texts are hardly ever the same.
const BYTES_MAX: usize = 2048;
/// Places of the table; a power of two.
const PLACES: usize = 8192;

thread_local! {
    static TEXTS: RefCell<Vec<EcoString>> = RefCell::new(vec![EcoString::new(); PLACES]);
}

/// The text, shared with an earlier one that is the same where there is one at hand. Short ones lie in place.
pub(super) fn kept(text: &str) -> EcoString {
    if text.len() <= EcoString::INLINE_LIMIT || text.len() > BYTES_MAX {
        return EcoString::from(text);
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let place = usize::try_from(hasher.finish() % PLACES as u64).unwrap_or_default();
    TEXTS.with_borrow_mut(|texts| {
        let there = &mut texts[place];
        if there != text {
            *there = EcoString::from(text);
        }
        there.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_kept_once() {
        let label = "app.kubernetes.io/managed-by";
        let (one, other) = (kept(label), kept(label));
        assert_eq!(one, label);
        assert_eq!(one.as_ptr(), other.as_ptr());
        let long = "x".repeat(BYTES_MAX + 1);
        assert_eq!(kept(&long), long);
        assert_ne!(kept(&long).as_ptr(), kept(&long).as_ptr());
    }

    #[test]
    fn every_text_comes_back_as_it_is_however_many_there_are() {
        for number in 0..3 * PLACES {
            let text = format!("a text that is different each time: {number}");
            assert_eq!(kept(&text), text);
        }
    }
}
