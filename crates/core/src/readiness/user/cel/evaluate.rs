//! The value of a tree, over one object. Total: it ends within its budget, in a value or in what is missing or wrong. Called by
//! `Expression`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::BUDGET;
use super::tree::{Kind, Literal, Loop, Macro, Node, Operator};
use super::value::Cel;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// Something is not there, and may come.
    Absent(String),
    /// It cannot be said of such a thing.
    Wrong(String),
    /// It takes too long.
    Budget,
}

/// How much an evaluation may still cost: about one for each value that is looked at, and for each 16 bytes of text.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn new() -> Self {
        Self(BUDGET)
    }

    pub(super) fn spend(&mut self, cost: usize) -> Result<(), Miss> {
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        self.0 = self.0.checked_sub(cost).ok_or(Miss::Budget)?;
        Ok(())
    }
}

pub(super) struct Run<'a> {
    pub(super) source: &'a str,
    pub(super) object: &'a Value,
    pub(super) locals: Vec<Cel<'a>>,
    pub(super) budget: Budget,
}

type Evaluated<'a> = Result<Cel<'a>, Miss>;

impl<'a> Run<'a> {
    pub(super) fn new(source: &'a str, object: &'a Value) -> Self {
        Self {
            source,
            object,
            locals: Vec::new(),
            budget: Budget::new(),
        }
    }

    /// A part of the expression, for messages.
    pub(super) fn words(&self, node: &Node) -> &'a str {
        self.source.get(node.from..node.to).unwrap_or_default()
    }

    pub(super) fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.budget.spend(1)?;
        match &node.kind {
            Kind::Literal(literal) => Ok(literal_value(literal)),
            Kind::Object => Ok(Cel::of(self.object)),
            Kind::Local(place) => {
                let value = self.locals.get(*place).cloned().unwrap_or(Cel::Null);
                self.budget.spend(value.weight())?;
                Ok(value)
            }
            Kind::Select(of, field) => {
                let map = self.map(of, field)?;
                let found = map.field(field);
                found.ok_or_else(|| {
                    Miss::Absent(format!("no such key: `{field}` in `{}`", self.words(of)))
                })
            }
            Kind::Has(of, field) => Ok(Cel::Bool(self.map(of, field)?.field(field).is_some())),
            Kind::Index(two) => self.index(&two[0], &two[1]),
            Kind::List(all) => {
                let list: Result<Vec<Cel<'a>>, Miss> =
                    all.iter().map(|one| self.value(one)).collect();
                Ok(Cel::list(list?))
            }
            Kind::Map(entries) => self.entries(entries),
            Kind::Not(inner) => Ok(Cel::Bool(!self.truth(inner)?)),
            Kind::Minus(inner) => self.minus(inner),
            Kind::All(all) => self.joined(all, false),
            Kind::Any(all) => self.joined(all, true),
            Kind::Binary(operator, two) => {
                let (left, right) = (self.value(&two[0])?, self.value(&two[1])?);
                self.binary(*operator, &left, &right, node)
            }
            Kind::Choice(three) => {
                let chosen = if self.truth(&three[0])? { 1 } else { 2 };
                self.value(&three[chosen])
            }
            Kind::Call(function, arguments) => {
                let values: Result<Vec<Cel<'a>>, Miss> =
                    arguments.iter().map(|one| self.value(one)).collect();
                (function.call)(&mut self.budget, &values?).map_err(|miss| self.told(node, miss))
            }
            Kind::Loop(kind, inner) => self.repeated(*kind, inner),
        }
    }

    /// What went wrong in a function says where.
    fn told(&self, node: &Node, miss: Miss) -> Miss {
        match miss {
            Miss::Wrong(why) => Miss::Wrong(format!("`{}`: {why}", self.words(node))),
            other @ (Miss::Absent(_) | Miss::Budget) => other,
        }
    }

    /// What a field is asked of.
    fn map(&mut self, of: &'a Node, field: &str) -> Evaluated<'a> {
        let map = self.value(of)?;
        if map.is_map() {
            return Ok(map);
        }
        if matches!(map, Cel::Null) {
            let why = format!(
                "no such key: `{field}` in `{}`, which is null",
                self.words(of)
            );
            return Err(Miss::Absent(why));
        }
        Err(Miss::Wrong(format!(
            "`{}` is {} and has no field `{field}`",
            self.words(of),
            map.name()
        )))
    }

    pub(super) fn truth(&mut self, node: &'a Node) -> Result<bool, Miss> {
        match self.value(node)? {
            Cel::Bool(value) => Ok(value),
            other => Err(Miss::Wrong(format!(
                "`{}` is {}, neither true nor false",
                self.words(node),
                other.name()
            ))),
        }
    }

    fn index(&mut self, of: &'a Node, by: &'a Node) -> Evaluated<'a> {
        let (whole, index) = (self.value(of)?, self.value(by)?);
        let found = match &index {
            Cel::Text(key) if whole.is_map() => whole.field(key),
            Cel::Int(place) => match &whole {
                Cel::Part(Value::Array(list)) => usize::try_from(*place)
                    .ok()
                    .and_then(|place| list.get(place))
                    .map(Cel::of),
                Cel::List(list) => usize::try_from(*place)
                    .ok()
                    .and_then(|place| list.get(place))
                    .cloned(),
                _ => return Err(self.no_index(of, &whole, &index)),
            },
            _ => return Err(self.no_index(of, &whole, &index)),
        };
        let missing = || format!("no such key: {} in `{}`", index.shown(), self.words(of));
        found.ok_or_else(|| Miss::Absent(missing()))
    }

    fn no_index(&self, of: &Node, whole: &Cel<'_>, index: &Cel<'_>) -> Miss {
        Miss::Wrong(format!(
            "`{}` is {} and has no element {}",
            self.words(of),
            whole.name(),
            index.shown()
        ))
    }

    fn entries(&mut self, entries: &'a [[Node; 2]]) -> Evaluated<'a> {
        let mut map = BTreeMap::new();
        for [key, value] in entries {
            let Cel::Text(name) = self.value(key)? else {
                let why = format!("the key `{}` is no text", self.words(key));
                return Err(Miss::Wrong(why));
            };
            let name = name.into_owned();
            self.budget.spend(name.len() / 16)?;
            map.insert(name, self.value(value)?);
        }
        Ok(Cel::Map(Rc::new(map)))
    }

    fn minus(&mut self, inner: &'a Node) -> Evaluated<'a> {
        match self.value(inner)? {
            Cel::Int(value) => value
                .checked_neg()
                .map(Cel::Int)
                .ok_or_else(|| Miss::Wrong("an integer that does not fit".to_owned())),
            Cel::Double(value) => Ok(Cel::Double(-value)),
            other => Err(Miss::Wrong(format!("`-` of {}", other.name()))),
        }
    }

    /// `&&` and `||`: a part that decides, decides, whatever is missing in the others.
    fn joined(&mut self, all: &'a [Node], decisive: bool) -> Evaluated<'a> {
        let mut missed = None;
        for one in all {
            match self.truth(one) {
                Ok(value) if value == decisive => return Ok(Cel::Bool(decisive)),
                Ok(_) => {}
                Err(Miss::Budget) => return Err(Miss::Budget),
                Err(miss) => missed = missed.or(Some(miss)),
            }
        }
        missed.map_or(Ok(Cel::Bool(!decisive)), Err)
    }

    fn repeated(&mut self, kind: Macro, inner: &'a Loop) -> Evaluated<'a> {
        let range = self.value(&inner.range)?;
        let items = match range.elements(&mut self.budget)? {
            Some(items) => items,
            None => range.keys(&mut self.budget)?.ok_or_else(|| {
                Miss::Wrong(format!(
                    "`{}` is {}, neither a list nor a map",
                    self.words(&inner.range),
                    range.name()
                ))
            })?,
        };
        let mut found = Vec::new();
        let mut missed = None;
        for item in items {
            self.locals.push(item.clone());
            let answer = self.one(kind, inner, item);
            self.locals.pop();
            match answer {
                Ok(Some(value)) => found.push(value),
                Ok(None) => {}
                // Another element may decide.
                Err(miss @ (Miss::Absent(_) | Miss::Wrong(_)))
                    if matches!(kind, Macro::All | Macro::Exists) =>
                {
                    missed = missed.or(Some(miss));
                }
                Err(miss) => return Err(miss),
            }
            if !found.is_empty() && matches!(kind, Macro::All | Macro::Exists) {
                return Ok(Cel::Bool(kind == Macro::Exists));
            }
        }
        if let Some(miss) = missed {
            return Err(miss);
        }
        Ok(match kind {
            Macro::All => Cel::Bool(true),
            Macro::Exists => Cel::Bool(false),
            Macro::ExistsOne => Cel::Bool(found.len() == 1),
            Macro::Filter | Macro::Map => Cel::list(found),
        })
    }

    /// What one element adds: for `all` an element that is against it.
    fn one(
        &mut self,
        kind: Macro,
        inner: &'a Loop,
        item: Cel<'a>,
    ) -> Result<Option<Cel<'a>>, Miss> {
        match kind {
            Macro::All => Ok((!self.truth(&inner.body)?).then_some(item)),
            Macro::Exists | Macro::ExistsOne | Macro::Filter => {
                Ok(self.truth(&inner.body)?.then_some(item))
            }
            Macro::Map => {
                if let Some(only) = &inner.only
                    && !self.truth(only)?
                {
                    return Ok(None);
                }
                self.value(&inner.body).map(Some)
            }
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Cel<'a>,
        right: &Cel<'a>,
        node: &Node,
    ) -> Evaluated<'a> {
        let budget = &mut self.budget;
        let answer = match operator {
            Operator::Equal => Some(left.equals(right, budget)?),
            Operator::Unequal => Some(!left.equals(right, budget)?),
            Operator::Less => ordered(left, right, budget, Ordering::is_lt)?,
            Operator::LessOrEqual => ordered(left, right, budget, Ordering::is_le)?,
            Operator::Greater => ordered(left, right, budget, Ordering::is_gt)?,
            Operator::GreaterOrEqual => ordered(left, right, budget, Ordering::is_ge)?,
            Operator::In => contains(left, right, budget)?,
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => {
                let value = super::arithmetic::compute(operator, left, right, budget)?;
                return value.ok_or_else(|| self.no_such(operator, left, right, node));
            }
        };
        let answer = answer.map(Cel::Bool);
        answer.ok_or_else(|| self.no_such(operator, left, right, node))
    }

    fn no_such(&self, operator: Operator, left: &Cel<'_>, right: &Cel<'_>, node: &Node) -> Miss {
        Miss::Wrong(format!(
            "`{}`: no `{}` for {} and {}",
            self.words(node),
            operator.sign(),
            left.name(),
            right.name()
        ))
    }
}

/// `<` and its like; `None` for what has no order.
fn ordered(
    left: &Cel<'_>,
    right: &Cel<'_>,
    budget: &mut Budget,
    wanted: fn(Ordering) -> bool,
) -> Result<Option<bool>, Miss> {
    let numbers = left.number().is_some() && right.number().is_some();
    // What is not a number is neither less nor more.
    let order = left.order(right, budget)?.map(wanted);
    Ok(order.or(numbers.then_some(false)))
}

/// `in`; `None` for what contains nothing.
fn contains(one: &Cel<'_>, whole: &Cel<'_>, budget: &mut Budget) -> Result<Option<bool>, Miss> {
    if whole.is_map() {
        return Ok(match one {
            Cel::Text(key) => Some(whole.field(key).is_some()),
            _ => Some(false),
        });
    }
    let Some(elements) = whole.elements(budget)? else {
        return Ok(None);
    };
    for element in elements {
        if element.equals(one, budget)? {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

fn literal_value(literal: &Literal) -> Cel<'_> {
    match literal {
        Literal::Null => Cel::Null,
        Literal::Bool(value) => Cel::Bool(*value),
        Literal::Int(value) => Cel::Int(*value),
        Literal::Uint(value) => Cel::Uint(*value),
        Literal::Double(value) => Cel::Double(*value),
        Literal::Text(text) => Cel::Text(Cow::Borrowed(text)),
    }
}
