//! Functions over lists. Called through the table in `functions`.

use std::cmp::Ordering;

use super::super::arithmetic::compute;
use super::super::tree::Operator;
use super::{Budget, Called, Cel, Miss, unfit, wrong};

fn all<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Result<Vec<Cel<'a>>, Miss> {
    match given[0].elements(budget)? {
        Some(elements) => Ok(elements),
        None => unfit(&given[0], "a list"),
    }
}

pub(super) fn sum<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let mut total: Option<Cel<'a>> = None;
    for element in all(budget, given)? {
        if element.number().is_none() && !matches!(element, Cel::Duration(_)) {
            return unfit(&element, "a number");
        }
        total = match total {
            None => Some(element),
            Some(total) => match compute(Operator::Add, &total, &element, budget)? {
                Some(total) => Some(total),
                None => return wrong("its elements are of different types"),
            },
        };
    }
    Ok(total.unwrap_or(Cel::Int(0)))
}

fn extreme<'a>(budget: &mut Budget, given: &[Cel<'a>], wanted: Ordering) -> Called<'a> {
    let mut found: Option<Cel<'a>> = None;
    for element in all(budget, given)? {
        found = match found {
            None => Some(element),
            Some(best) => match element.order(&best, budget)? {
                Some(order) if order == wanted => Some(element),
                Some(_) => Some(best),
                None => return wrong("its elements are of different types"),
            },
        };
    }
    found.map_or_else(|| wrong("the list is empty"), Ok)
}

pub(super) fn min<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    extreme(budget, given, Ordering::Less)
}

pub(super) fn max<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    extreme(budget, given, Ordering::Greater)
}

pub(super) fn is_sorted<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    for two in all(budget, given)?.windows(2) {
        match two[0].order(&two[1], budget)? {
            Some(Ordering::Greater) => return Ok(Cel::Bool(false)),
            Some(_) => {}
            None => return wrong("its elements are of different types"),
        }
    }
    Ok(Cel::Bool(true))
}
