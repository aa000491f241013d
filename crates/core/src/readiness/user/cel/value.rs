//! Values of an expression: parts of the object as they are, and what is computed of them. Called by `evaluate` and `functions`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::evaluate::{Budget, Miss};
use super::quantity::Quantity;

/// Characters of a value that go into a message.
const SHOWN_MAX: usize = 60;

#[derive(Debug, Clone)]
pub(super) enum Cel<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    /// A list or a map of the object.
    Part(&'a Value),
    List(Rc<Vec<Cel<'a>>>),
    Map(Rc<BTreeMap<String, Cel<'a>>>),
    Quantity(Quantity),
    Duration(SignedDuration),
    Timestamp(Timestamp),
}

impl<'a> Cel<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), _, _) => Self::Int(value),
                (None, Some(value), _) => Self::Uint(value),
                (None, None, value) => Self::Double(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => Self::Part(value),
        }
    }

    pub(super) fn text(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(super) fn list(list: Vec<Self>) -> Self {
        Self::List(Rc::new(list))
    }

    /// `a number`, for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Uint(_) => "an integer",
            Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::Part(Value::Array(_)) | Self::List(_) => "a list",
            Self::Part(_) | Self::Map(_) => "a map",
            Self::Quantity(_) => "a quantity",
            Self::Duration(_) => "a duration",
            Self::Timestamp(_) => "a timestamp",
        }
    }

    /// Characters, elements or entries.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(text.chars().count()),
            Self::Part(Value::Array(list)) => Some(list.len()),
            Self::Part(Value::Object(map)) => Some(map.len()),
            Self::List(list) => Some(list.len()),
            Self::Map(map) => Some(map.len()),
            Self::Part(_)
            | Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Double(_)
            | Self::Quantity(_)
            | Self::Duration(_)
            | Self::Timestamp(_) => None,
        }
    }

    /// Elements of a list; `None` for what is none.
    pub(super) fn elements(&self, budget: &mut Budget) -> Result<Option<Vec<Self>>, Miss> {
        let found = match self {
            Self::Part(Value::Array(list)) => {
                budget.spend(list.len())?;
                list.iter().map(Self::of).collect()
            }
            Self::List(list) => {
                budget.spend(list.iter().map(Self::weight).sum())?;
                list.as_ref().clone()
            }
            _ => return Ok(None),
        };
        Ok(Some(found))
    }

    /// Keys of a map, in their order; `None` for what is none.
    pub(super) fn keys(&self, budget: &mut Budget) -> Result<Option<Vec<Self>>, Miss> {
        let keys: Vec<Self> = match self {
            Self::Part(Value::Object(map)) => map
                .keys()
                .map(|key| Self::Text(Cow::Borrowed(key.as_str())))
                .collect(),
            Self::Map(map) => map.keys().map(|key| Self::text(key.clone())).collect(),
            _ => return Ok(None),
        };
        budget.spend(keys.iter().map(Self::weight).sum())?;
        Ok(Some(keys))
    }

    /// What it costs to copy it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(Cow::Owned(text)) => 1 + text.len() / 16,
            _ => 1,
        }
    }

    /// A field of a map; `None` when it has none of that name, or is no map.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Part(Value::Object(map)) => map.get(name).map(Self::of),
            Self::Map(map) => map.get(name).cloned(),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Part(Value::Object(_)) | Self::Map(_))
    }

    /// Whether two values are equal; those of different types are not, but numbers are compared as numbers.
    pub(super) fn equals(&self, other: &Self, budget: &mut Budget) -> Result<bool, Miss> {
        budget.spend(1)?;
        if let Some(order) = self.order(other, budget)? {
            return Ok(order == Ordering::Equal);
        }
        if let (Some(left), Some(right)) = (self.elements(budget)?, other.elements(budget)?) {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(&right) {
                if !left.equals(right, budget)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if self.is_map() && other.is_map() && self.size() == other.size() {
            for key in self.keys(budget)?.unwrap_or_default() {
                let Self::Text(key) = key else { continue };
                let (left, right) = (self.field(&key), other.field(&key));
                let (Some(left), Some(right)) = (left, right) else {
                    return Ok(false);
                };
                if !left.equals(&right, budget)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Ok(matches!((self, other), (Self::Null, Self::Null)))
    }

    /// Which is less; `None` for what has no order: other types, and what is not a number.
    pub(super) fn order(
        &self,
        other: &Self,
        budget: &mut Budget,
    ) -> Result<Option<Ordering>, Miss> {
        Ok(match (self, other) {
            (Self::Text(left), Self::Text(right)) => {
                budget.spend(left.len().min(right.len()) / 16)?;
                Some(left.cmp(right))
            }
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Quantity(left), Self::Quantity(right)) => Some(left.cmp(right)),
            (Self::Duration(left), Self::Duration(right)) => Some(left.cmp(right)),
            (Self::Timestamp(left), Self::Timestamp(right)) => Some(left.cmp(right)),
            _ => match (self.integer(), other.integer()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => self
                    .number()
                    .zip(other.number())
                    .and_then(|(left, right)| left.partial_cmp(&right)),
            },
        })
    }

    fn integer(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(i128::from(*value)),
            Self::Uint(value) => Some(i128::from(*value)),
            _ => None,
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "compared with what is not exact either"
    )]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            _ => self.integer().map(|value| value as f64),
        }
    }

    /// For a message, not longer than fits into a line.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => {
                let short: String = text.chars().take(SHOWN_MAX).collect();
                format!("\"{}\"", short.escape_debug())
            }
            Self::Quantity(value) => match value.integer() {
                Some(value) => value.to_string(),
                None => value.approximate().to_string(),
            },
            Self::Duration(value) => value.to_string(),
            Self::Timestamp(value) => value.to_string(),
            Self::Part(_) | Self::List(_) | Self::Map(_) => {
                let size = self.size().unwrap_or_default();
                format!("{} of {size}", self.name())
            }
        };
        if text.chars().count() > SHOWN_MAX {
            return text.chars().take(SHOWN_MAX).chain(['…']).collect();
        }
        text
    }
}
