//! An expression as a tree. Holds no meaning beyond its shape.

use super::functions::Function;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Where it stands in the source, in bytes.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Of the tree below, this node included.
    pub(super) depth: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    const ALL: &'static [Self] = &[
        Self::Equal,
        Self::Unequal,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
    ];

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// The operator of that sign that binds as tightly.
    pub(super) fn of(sign: &str, level: u8) -> Option<Self> {
        let found = Self::ALL.iter().find(|one| one.sign() == sign);
        found.copied().filter(|one| one.level() == level)
    }

    /// Binds the tighter the higher it is: relations, sums, products.
    pub(super) fn level(self) -> u8 {
        match self {
            Self::Equal
            | Self::Unequal
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::In => 0,
            Self::Add | Self::Subtract => 1,
            Self::Multiply | Self::Divide | Self::Remainder => 2,
        }
    }
}

/// A macro that goes through a list, or through the keys of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl Macro {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "exists" => Some(Self::Exists),
            "exists_one" | "existsOne" => Some(Self::ExistsOne),
            "filter" => Some(Self::Filter),
            "map" => Some(Self::Map),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Loop {
    pub(super) range: Node,
    /// `map` with three arguments: only those.
    pub(super) only: Option<Node>,
    pub(super) body: Node,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Literal(Literal),
    /// `object` or `self`.
    Object,
    /// A variable of a macro, counted from the outermost.
    Local(usize),
    Select(Box<Node>, String),
    Index(Box<[Node; 2]>),
    Has(Box<Node>, String),
    List(Vec<Node>),
    Map(Vec<[Node; 2]>),
    Not(Box<Node>),
    Minus(Box<Node>),
    /// `&&`, flat.
    All(Vec<Node>),
    /// `||`, flat.
    Any(Vec<Node>),
    Binary(Operator, Box<[Node; 2]>),
    /// `? :`
    Choice(Box<[Node; 3]>),
    Call(&'static Function, Vec<Node>),
    Loop(Macro, Box<Loop>),
}

impl Kind {
    /// Depth of the deepest tree below.
    pub(super) fn depth(&self) -> usize {
        let deepest = |all: &[Node]| all.iter().map(|one| one.depth).max().unwrap_or(0);
        match self {
            Self::Literal(_) | Self::Object | Self::Local(_) => 0,
            Self::Select(of, _) | Self::Has(of, _) | Self::Not(of) | Self::Minus(of) => of.depth,
            Self::Index(two) | Self::Binary(_, two) => deepest(two.as_slice()),
            Self::List(all) | Self::All(all) | Self::Any(all) | Self::Call(_, all) => deepest(all),
            Self::Map(entries) => entries.iter().map(|two| deepest(two)).max().unwrap_or(0),
            Self::Choice(three) => deepest(three.as_slice()),
            Self::Loop(_, inner) => {
                let only = inner.only.as_ref().map_or(0, |one| one.depth);
                only.max(inner.range.depth).max(inner.body.depth)
            }
        }
    }
}
