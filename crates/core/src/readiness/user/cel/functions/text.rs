//! Functions over texts, and `indexOf`. Called through the table in `functions`.

use regex::RegexBuilder;

use super::{Budget, Called, Cel, Miss, count, string_of, unfit, wrong};

/// Bytes that a regular expression may take when it is compiled.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What compiling one costs.
const REGEX_COST: usize = 2000;

fn two<'b>(budget: &mut Budget, given: &'b [Cel<'_>]) -> Result<(&'b str, &'b str), Miss> {
    Ok((string_of(budget, &given[0])?, string_of(budget, &given[1])?))
}

pub(super) fn contains<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let (text, part) = two(budget, given)?;
    Ok(Cel::Bool(text.contains(part)))
}

pub(super) fn starts_with<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let (text, part) = two(budget, given)?;
    Ok(Cel::Bool(text.starts_with(part)))
}

pub(super) fn ends_with<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let (text, part) = two(budget, given)?;
    Ok(Cel::Bool(text.ends_with(part)))
}

/// Linear in the text: there is no way back in this kind of regular expression.
fn regex(budget: &mut Budget, given: &[Cel<'_>]) -> Result<regex::Regex, Miss> {
    let (text, pattern) = two(budget, given)?;
    budget.spend(REGEX_COST + text.len() / 16 * (1 + pattern.len() / 4))?;
    let built = RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    match built {
        Ok(regex) => Ok(regex),
        Err(regex::Error::CompiledTooBig(_)) => wrong("this regular expression is too large"),
        Err(error) => wrong(
            error
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        ),
    }
}

pub(super) fn matches<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let regex = regex(budget, given)?;
    Ok(Cel::Bool(regex.is_match(string_of(budget, &given[0])?)))
}

pub(super) fn find<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let regex = regex(budget, given)?;
    let found = regex.find(string_of(budget, &given[0])?);
    Ok(Cel::text(
        found.map_or("", |found| found.as_str()).to_owned(),
    ))
}

pub(super) fn lower<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    Ok(Cel::text(
        string_of(budget, &given[0])?.to_ascii_lowercase(),
    ))
}

pub(super) fn upper<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    Ok(Cel::text(
        string_of(budget, &given[0])?.to_ascii_uppercase(),
    ))
}

pub(super) fn trim<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    Ok(Cel::text(string_of(budget, &given[0])?.trim().to_owned()))
}

pub(super) fn replace<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let (text, old) = two(budget, given)?;
    let new = string_of(budget, &given[2])?;
    budget.spend(text.matches(old).count().saturating_mul(1 + new.len() / 16))?;
    Ok(Cel::text(text.replace(old, new)))
}

pub(super) fn split<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let (text, by) = two(budget, given)?;
    budget.spend(1 + text.matches(by).count())?;
    let parts = text.split(by).map(|part| Cel::text(part.to_owned()));
    let parts: Vec<Cel<'a>> = parts.collect();
    // Rust's empty separator has an empty part at both ends, CEL's has none.
    let inner = if by.is_empty() && parts.len() >= 2 {
        parts[1..parts.len() - 1].to_vec()
    } else {
        parts
    };
    Ok(Cel::list(inner))
}

pub(super) fn join<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let Some(parts) = given[0].elements(budget)? else {
        return unfit(&given[0], "a list of texts");
    };
    let by = given.get(1).map_or(Ok(""), |by| string_of(budget, by))?;
    budget.spend(parts.len().saturating_mul(1 + by.len() / 16))?;
    let parts: Result<Vec<&str>, Miss> = parts.iter().map(|one| string_of(budget, one)).collect();
    Ok(Cel::text(parts?.join(by)))
}

pub(super) fn substring<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let text = string_of(budget, &given[0])?;
    let length = text.chars().count();
    let place = |value: &Cel<'_>| match value {
        Cel::Int(value) => match usize::try_from(*value) {
            Ok(place) if place <= length => Ok(place),
            Ok(_) | Err(_) => wrong(format!("no place {value} in a text of {length}")),
        },
        other => unfit(other, "an integer"),
    };
    let from = place(&given[1])?;
    let to = given.get(2).map_or(Ok(length), place)?;
    if from > to {
        return wrong("the end is before the beginning");
    }
    let part = text.chars().skip(from).take(to - from).collect();
    Ok(Cel::text(part))
}

pub(super) fn index_of<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    if let Some(elements) = given[0].elements(budget)? {
        for (place, element) in elements.iter().enumerate() {
            if element.equals(&given[1], budget)? {
                return Ok(count(place));
            }
        }
        return Ok(Cel::Int(-1));
    }
    let (text, part) = two(budget, given)?;
    let found = text.find(part).map(|at| text[..at].chars().count());
    Ok(found.map_or(Cel::Int(-1), count))
}
