//! Where a thing stands among others: in the order of identities as texts, without a text for each of a hundred thousand.

use std::cmp::Ordering;

use super::ThingId;

/// An identity, ordered as its text is: `StatefulSet.apps shop/db`. Points and plans have been in this order from the first.
#[derive(Debug, Clone)]
pub(super) struct Place(pub(super) ThingId);

impl Place {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (dot, group) = match self.0.group.as_str() {
            "" => ("", ""),
            group => (".", group),
        };
        let (namespace, slash) = match &self.0.namespace {
            None => ("", ""),
            Some(namespace) => (namespace.as_str(), "/"),
        };
        let texts = [
            &self.0.kind,
            dot,
            group,
            " ",
            namespace,
            slash,
            &self.0.name,
        ];
        texts.into_iter().flat_map(str::bytes)
    }

    /// Whether it is of the same kind as one without a name: its text begins with that one's.
    pub(super) fn begins_as(&self, first: &Self) -> bool {
        let (one, two) = (&self.0, &first.0);
        if one.kind == two.kind && one.group == two.group {
            return true;
        }
        let mut mine = self.bytes();
        first.bytes().all(|byte| mine.next() == Some(byte))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (&self.0, &other.0);
        // Most that are compared are neighbours.
        if one.kind == two.kind && one.group == two.group && one.namespace == two.namespace {
            return one.name.cmp(&two.name);
        }
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A namespace's name ends where a slash is, which comes after a hyphen; a group begins with a dot; names are not checked here.
    #[test]
    fn identities_are_ordered_as_their_texts() {
        let mut places = Vec::new();
        for (group, kind) in [
            ("", "Pod"),
            ("apps", "Pod"),
            ("a", "Pod-x"),
            ("", "Pods"),
            ("", ""),
        ] {
            for namespace in [
                None,
                Some(""),
                Some("a"),
                Some("a-b"),
                Some("a/b"),
                Some("é"),
            ] {
                for name in ["", "a", "b", "a/b", "-", "é"] {
                    places.push(Place(ThingId::of(group, kind, namespace, name)));
                }
            }
        }
        for one in &places {
            for other in &places {
                let texts = one.0.to_string().cmp(&other.0.to_string());
                assert_eq!(one.cmp(other), texts, "{} and {}", one.0, other.0);
            }
        }
    }
}
