//! `+ - * / %` over values: exact, and wrong rather than wrapped. Called by `evaluate`.

use std::rc::Rc;

use super::evaluate::{Budget, Miss};
use super::tree::Operator;
use super::value::Cel;

/// `Ok(None)`: there is no such operation for these two.
pub(super) fn compute<'a>(
    operator: Operator,
    left: &Cel<'a>,
    right: &Cel<'a>,
    budget: &mut Budget,
) -> Result<Option<Cel<'a>>, Miss> {
    let value = match (left, right) {
        (Cel::Int(left), Cel::Int(right)) => Cel::Int(fits(integer(operator, *left, *right)?)?),
        (Cel::Uint(left), Cel::Uint(right)) => Cel::Uint(fits(unsigned(operator, *left, *right)?)?),
        (Cel::Double(left), Cel::Double(right)) => {
            let value = match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left / right,
                _ => return Ok(None),
            };
            Cel::Double(value)
        }
        (Cel::Text(left), Cel::Text(right)) if operator == Operator::Add => {
            budget.spend((left.len() + right.len()) / 16)?;
            Cel::text(format!("{left}{right}"))
        }
        (Cel::Timestamp(left), Cel::Timestamp(right)) if operator == Operator::Subtract => {
            Cel::Duration(left.duration_since(*right))
        }
        (Cel::Timestamp(left), Cel::Duration(right)) => Cel::Timestamp(fits(match operator {
            Operator::Add => left.checked_add(*right).ok(),
            Operator::Subtract => left.checked_sub(*right).ok(),
            _ => return Ok(None),
        })?),
        (Cel::Duration(left), Cel::Timestamp(right)) if operator == Operator::Add => {
            Cel::Timestamp(fits(right.checked_add(*left).ok())?)
        }
        (Cel::Duration(left), Cel::Duration(right)) => Cel::Duration(fits(match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            _ => return Ok(None),
        })?),
        _ if operator == Operator::Add => {
            let (Some(mut all), Some(more)) = (left.elements(budget)?, right.elements(budget)?)
            else {
                return Ok(None);
            };
            all.extend(more);
            Cel::List(Rc::new(all))
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn fits<T>(value: Option<T>) -> Result<T, Miss> {
    value.ok_or_else(|| Miss::Wrong("a result that does not fit".to_owned()))
}

fn by_zero() -> Miss {
    Miss::Wrong("a division by zero".to_owned())
}

fn integer(operator: Operator, left: i64, right: i64) -> Result<Option<i64>, Miss> {
    Ok(match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Remainder if right == 0 => return Err(by_zero()),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        _ => None,
    })
}

fn unsigned(operator: Operator, left: u64, right: u64) -> Result<Option<u64>, Miss> {
    Ok(match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Remainder if right == 0 => return Err(by_zero()),
        Operator::Divide => left.checked_div(right),
        Operator::Remainder => left.checked_rem(right),
        _ => None,
    })
}
