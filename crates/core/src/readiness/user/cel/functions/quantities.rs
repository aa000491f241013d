//! Functions over quantities of Kubernetes. Called through the table in `functions`.

use std::cmp::Ordering;

use super::{Budget, Called, Cel, Miss, Quantity, string_of, unfit, wrong};

fn read(value: &Cel<'_>) -> Result<Quantity, Miss> {
    match value {
        Cel::Quantity(value) => Ok(*value),
        other => unfit(other, "a quantity"),
    }
}

fn two(given: &[Cel<'_>]) -> Result<(Quantity, Quantity), Miss> {
    // `add` and `sub` take integers too.
    let second = match &given[1] {
        Cel::Int(value) => Quantity::of_integer(*value),
        other => read(other)?,
    };
    Ok((read(&given[0])?, second))
}

pub(super) fn quantity<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    match Quantity::parse(string_of(budget, &given[0])?) {
        Some(found) => Ok(Cel::Quantity(found)),
        None => unfit(&given[0], "a quantity like `1500m` or `2Gi`"),
    }
}

pub(super) fn is_quantity<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    Ok(Cel::Bool(
        Quantity::parse(string_of(budget, &given[0])?).is_some(),
    ))
}

pub(super) fn is_greater<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    two(given).map(|(left, right)| Cel::Bool(left > right))
}

pub(super) fn is_less<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    two(given).map(|(left, right)| Cel::Bool(left < right))
}

pub(super) fn compare<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    two(given).map(|(left, right)| match left.cmp(&right) {
        Ordering::Less => Cel::Int(-1),
        Ordering::Equal => Cel::Int(0),
        Ordering::Greater => Cel::Int(1),
    })
}

pub(super) fn is_integer<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    read(&given[0]).map(|value| Cel::Bool(value.integer().is_some()))
}

pub(super) fn as_integer<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    match read(&given[0])?.integer() {
        Some(value) => Ok(Cel::Int(value)),
        None => wrong("it is no integer"),
    }
}

pub(super) fn as_float<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    read(&given[0]).map(|value| Cel::Double(value.approximate()))
}

pub(super) fn sign<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    read(&given[0]).map(|value| Cel::Int(value.sign()))
}

fn fits<'a>(value: Option<Quantity>) -> Called<'a> {
    value.map_or_else(
        || wrong("a result that does not fit"),
        |value| Ok(Cel::Quantity(value)),
    )
}

pub(super) fn add<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    two(given).and_then(|(left, right)| fits(left.plus(right)))
}

pub(super) fn sub<'a>(_: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    two(given).and_then(|(left, right)| fits(left.minus(right)))
}
