//! The functions that an expression may call: those of CEL and of Kubernetes' libraries that say something about an object. Found
//! while parsing, so that an unknown one is an error before anything runs.

mod lists;
mod quantities;
mod text;
mod times;

use super::evaluate::{Budget, Miss};
use super::quantity::Quantity;
use super::value::Cel;

type Called<'a> = Result<Cel<'a>, Miss>;

/// A function: a method's target is its first argument.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    shape: Shape,
    /// Fewest and most arguments, the target included.
    arguments: (usize, usize),
    /// It answers true or false.
    pub(super) is_condition: bool,
    pub(super) call: for<'a> fn(&mut Budget, &[Cel<'a>]) -> Called<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Method,
    Global,
    Both,
}

macro_rules! functions {
    ($($name:literal $shape:ident $least:literal..$most:literal $kind:ident $call:path,)*) => {
        &[$(Function {
            name: $name,
            shape: Shape::$shape,
            arguments: ($least, $most),
            is_condition: functions!(@ $kind),
            call: $call,
        },)*]
    };
    (@ condition) => { true };
    (@ value) => { false };
}

static FUNCTIONS: &[Function] = functions![
    "size" Both 1..1 value size,
    "string" Global 1..1 value string,
    "int" Global 1..1 value int,
    "double" Global 1..1 value double,
    "dyn" Global 1..1 condition dynamic,
    "contains" Method 2..2 condition text::contains,
    "startsWith" Method 2..2 condition text::starts_with,
    "endsWith" Method 2..2 condition text::ends_with,
    "matches" Both 2..2 condition text::matches,
    "find" Method 2..2 value text::find,
    "lowerAscii" Method 1..1 value text::lower,
    "upperAscii" Method 1..1 value text::upper,
    "trim" Method 1..1 value text::trim,
    "replace" Method 3..3 value text::replace,
    "split" Method 2..2 value text::split,
    "join" Method 1..2 value text::join,
    "substring" Method 2..3 value text::substring,
    "indexOf" Method 2..2 value text::index_of,
    "sum" Method 1..1 value lists::sum,
    "min" Method 1..1 value lists::min,
    "max" Method 1..1 value lists::max,
    "isSorted" Method 1..1 condition lists::is_sorted,
    "duration" Global 1..1 value times::duration,
    "timestamp" Global 1..1 value times::timestamp,
    "quantity" Global 1..1 value quantities::quantity,
    "isQuantity" Global 1..1 condition quantities::is_quantity,
    "isGreaterThan" Method 2..2 condition quantities::is_greater,
    "isLessThan" Method 2..2 condition quantities::is_less,
    "compareTo" Method 2..2 value quantities::compare,
    "isInteger" Method 1..1 condition quantities::is_integer,
    "asInteger" Method 1..1 value quantities::as_integer,
    "asApproximateFloat" Method 1..1 value quantities::as_float,
    "sign" Method 1..1 value quantities::sign,
    "add" Method 2..2 value quantities::add,
    "sub" Method 2..2 value quantities::sub,
];

/// The function of this name, called in this way with so many arguments.
pub(super) fn find(
    name: &str,
    method: bool,
    arguments: usize,
) -> Result<&'static Function, String> {
    let Some(function) = FUNCTIONS.iter().find(|one| one.name == name) else {
        return Err(format!("there is no function `{name}`"));
    };
    let shape = match function.shape {
        Shape::Both => true,
        Shape::Method => method,
        Shape::Global => !method,
    };
    if !shape {
        let written = if method {
            format!("{name}(x)")
        } else {
            format!("x.{name}()")
        };
        return Err(format!("`{name}` is written `{written}`"));
    }
    let (least, most) = function.arguments;
    if !(least..=most).contains(&arguments) {
        let given = arguments - usize::from(method);
        return Err(format!("`{name}` does not take {given} arguments"));
    }
    Ok(function)
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Wrong(why.into()))
}

fn unfit<T>(of: &Cel<'_>, wanted: &str) -> Result<T, Miss> {
    wrong(format!(
        "{} ({}) where {wanted} is expected",
        of.name(),
        of.shown()
    ))
}

fn string_of<'b>(budget: &mut Budget, value: &'b Cel<'_>) -> Result<&'b str, Miss> {
    match value {
        Cel::Text(text) => {
            budget.spend(text.len() / 16)?;
            Ok(text)
        }
        other => unfit(other, "a text"),
    }
}

fn count(value: usize) -> Cel<'static> {
    Cel::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn size<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    if let Cel::Text(text) = &given[0] {
        budget.spend(text.len() / 16)?;
    }
    match given[0].size() {
        Some(size) => Ok(count(size)),
        None => unfit(&given[0], "a text, a list or a map"),
    }
}

fn string<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    match &given[0] {
        text @ Cel::Text(_) => {
            budget.spend(text.weight())?;
            Ok(text.clone())
        }
        Cel::Bool(_)
        | Cel::Int(_)
        | Cel::Uint(_)
        | Cel::Double(_)
        | Cel::Duration(_)
        | Cel::Timestamp(_)
        | Cel::Quantity(_) => Ok(Cel::text(given[0].shown())),
        other @ (Cel::Null | Cel::Part(_) | Cel::List(_) | Cel::Map(_)) => {
            unfit(other, "what has a text")
        }
    }
}

fn int<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let value = match &given[0] {
        Cel::Int(value) => Some(*value),
        Cel::Uint(value) => i64::try_from(*value).ok(),
        #[allow(clippy::cast_possible_truncation, reason = "asked for, and it fits")]
        Cel::Double(value) if value.abs() < 9.2e18 => Some(*value as i64),
        Cel::Text(_) => string_of(budget, &given[0])?.parse().ok(),
        Cel::Timestamp(time) => Some(time.as_second()),
        _ => None,
    };
    value.map_or_else(
        || unfit(&given[0], "what is an integer"),
        |value| Ok(Cel::Int(value)),
    )
}

fn double<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    let value = match &given[0] {
        Cel::Text(_) => string_of(budget, &given[0])?.parse().ok(),
        other => other.number(),
    };
    value.map_or_else(
        || unfit(&given[0], "what is a number"),
        |value| Ok(Cel::Double(value)),
    )
}

fn dynamic<'a>(budget: &mut Budget, given: &[Cel<'a>]) -> Called<'a> {
    budget.spend(given[0].weight())?;
    Ok(given[0].clone())
}
