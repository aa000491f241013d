//! Conditions over an object in CEL, the Common Expression Language, as Kubernetes' own rules are written.
//!
//! Pure, total and deterministic: text, depth and nested macros are bounded before anything runs, and an evaluation has a budget, as an
//! API server's has. Maps keep the order of their keys. Left out are bytes, messages, optional fields and types as values. Called by
//! the gates of a user.

mod arithmetic;
mod evaluate;
mod functions;
mod parse;
mod quantity;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod value;

use std::fmt;

use serde_json::Value;

use evaluate::{Miss, Run};
use tree::{Kind, Literal, Node, Operator};

/// Longest expression, in bytes.
pub(crate) const BYTES_MAX: usize = 4096;
/// Deepest nesting, of brackets and of the tree.
const DEPTH_MAX: usize = 48;
/// Macros (`all`, `exists`, `map` …) inside of one another.
const LOOPS_MAX: usize = 2;
/// What one evaluation may cost: about a tenth of a second.
const BUDGET: u64 = 1_000_000;

/// An expression cannot be read: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    line: usize,
    column: usize,
    what: String,
}

impl Fault {
    /// At a place in bytes.
    fn at(text: &str, place: usize, what: impl Into<String>) -> Self {
        let before = text.get(..place).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: 1 + before.matches('\n').count(),
            column: 1 + line.chars().count(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "line {}, column {}: {}",
            self.line, self.column, self.what
        )
    }
}

/// What an expression says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is true.
    True,
    /// It is false: which part, and of which values.
    False(String),
    /// Something that it looks at is not there.
    Absent(String),
    /// It cannot be said of such an object.
    Wrong(String),
    /// It costs too much for an object of this size.
    TooCostly,
}

/// An expression that can be judged.
#[derive(Debug, Clone)]
pub(crate) struct Expression<'a> {
    source: &'a str,
    root: Node,
}

impl<'a> Expression<'a> {
    /// Reads an expression, and refuses one that can be no condition.
    pub(crate) fn parse(source: &'a str) -> Result<Self, Fault> {
        let root = parse::parse(source)?;
        if !may_be_condition(&root) {
            let what =
                "it is neither true nor false: write a condition, like `object.spec.replicas > 0`";
            return Err(Fault::at(source, root.from, what));
        }
        Ok(Self { source, root })
    }

    /// Judges an object.
    pub(crate) fn judge(&self, object: &Value) -> Judged {
        let mut run = Run::new(self.source, object);
        match run.truth(&self.root) {
            Ok(true) => Judged::True,
            Ok(false) => Judged::False(false_part(&mut run, &self.root)),
            Err(Miss::Absent(what)) => Judged::Absent(what),
            Err(Miss::Wrong(what)) => Judged::Wrong(what),
            Err(Miss::Budget) => Judged::TooCostly,
        }
    }
}

/// False when it is seen from its shape that the answer is neither true nor false.
fn may_be_condition(node: &Node) -> bool {
    match &node.kind {
        Kind::Literal(literal) => matches!(literal, Literal::Bool(_)),
        Kind::Object | Kind::List(_) | Kind::Map(_) | Kind::Minus(_) => false,
        Kind::Local(_)
        | Kind::Select(..)
        | Kind::Index(_)
        | Kind::Has(..)
        | Kind::Not(_)
        | Kind::All(_)
        | Kind::Any(_) => true,
        Kind::Binary(operator, _) => operator.level() == Operator::Equal.level(),
        Kind::Choice(three) => may_be_condition(&three[1]) && may_be_condition(&three[2]),
        Kind::Call(function, _) => function.is_condition,
        Kind::Loop(kind, _) => match kind {
            tree::Macro::All | tree::Macro::Exists | tree::Macro::ExistsOne => true,
            tree::Macro::Filter | tree::Macro::Map => false,
        },
    }
}

/// Which part is false, with the two sides of a comparison.
fn false_part<'a>(run: &mut Run<'a>, node: &'a Node) -> String {
    let words = one_line(run.words(node));
    match &node.kind {
        Kind::All(parts) => {
            let part = parts.iter().find(|part| run.truth(part) == Ok(false));
            part.map_or_else(
                || format!("`{words}` is false"),
                |part| false_part(run, part),
            )
        }
        Kind::Binary(operator, two) => match (run.value(&two[0]), run.value(&two[1])) {
            (Ok(left), Ok(right)) => format!(
                "`{words}` is false: {} {} {}",
                left.shown(),
                operator.sign(),
                right.shown()
            ),
            _ => format!("`{words}` is false"),
        },
        _ => format!("`{words}` is false"),
    }
}

fn one_line(words: &str) -> String {
    super::super::reading::one_line(words)
}
