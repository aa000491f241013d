//! Durations and timestamps. Called through the table in `functions`.

use super::{Budget, Called, Cel, string_of, unfit};

pub(super) fn duration<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let found = super::super::quantity::duration(string_of(budget, &given[0])?);
    found.map_or_else(
        || unfit(&given[0], "a duration like `1h30m`"),
        |found| Ok(Cel::Duration(found)),
    )
}

pub(super) fn timestamp<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let found = string_of(budget, &given[0])?.parse().ok();
    found.map_or_else(
        || unfit(&given[0], "a time of RFC 3339"),
        |found| Ok(Cel::Timestamp(found)),
    )
}
