//! From text to a tree: the grammar of CEL, with bounds on length, depth and nested macros. Called once per gate, by `Expression::parse`.

use super::functions;
use super::token::{Token, Word, tokens};
use super::tree::{Kind, Literal, Loop, Macro, Node, Operator};
use super::{BYTES_MAX, DEPTH_MAX, Fault, LOOPS_MAX};

/// Words that no variable may have for a name.
const RESERVED: &[&str] = &["true", "false", "null", "in", "object", "self", "has"];

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Brackets, calls and signs that are open.
    open: usize,
    /// Variables of the macros around.
    locals: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    if text.len() > BYTES_MAX {
        return Err(Fault::at(
            text,
            0,
            format!(
                "it has {} bytes, and at most {BYTES_MAX} are allowed",
                text.len()
            ),
        ));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        open: 0,
        locals: Vec::new(),
    };
    if parser.tokens.len() == 1 {
        return Err(Fault::at(text, 0, "it is empty"));
    }
    let node = parser.expression()?;
    if *parser.word() != Word::End {
        return Err(parser.unexpected("an operator, or the end"));
    }
    Ok(node)
}

impl Parser<'_> {
    fn word(&self) -> &Word {
        &self.tokens[self.at].word
    }

    fn from(&self) -> usize {
        self.tokens[self.at].from
    }

    /// End of the last word.
    fn to(&self) -> usize {
        self.tokens[self.at.saturating_sub(1)].to
    }

    fn step(&mut self) {
        // The last word is the end: it is never gone past.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = matches!(self.word(), Word::Sign(found) if *found == sign);
        if is {
            self.step();
        }
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{sign}`")))
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let token = &self.tokens[self.at];
        let found = &self.text[token.from..token.to];
        let found = if found.is_empty() {
            "the end".to_owned()
        } else {
            format!("`{}`", found.chars().take(30).collect::<String>())
        };
        Fault::at(
            self.text,
            token.from,
            format!("{found} where {wanted} is expected"),
        )
    }

    fn node(&self, from: usize, kind: Kind) -> Result<Node, Fault> {
        let depth = 1 + kind.depth();
        if depth > DEPTH_MAX {
            return Err(self.too_deep(from));
        }
        let to = self.to();
        Ok(Node {
            kind,
            from,
            to,
            depth,
        })
    }

    fn too_deep(&self, from: usize) -> Fault {
        Fault::at(
            self.text,
            from,
            format!("it is nested deeper than {DEPTH_MAX}"),
        )
    }

    /// Whatever calls itself goes through here.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.open >= DEPTH_MAX {
            return Err(self.too_deep(self.from()));
        }
        self.open += 1;
        let read = read(self);
        self.open -= 1;
        read
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.deeper(|parser| {
            let from = parser.from();
            let condition = parser.any()?;
            if !parser.takes("?") {
                return Ok(condition);
            }
            let then = parser.any()?;
            parser.expect(":")?;
            let otherwise = parser.expression()?;
            parser.node(from, Kind::Choice(Box::new([condition, then, otherwise])))
        })
    }

    fn any(&mut self) -> Result<Node, Fault> {
        self.joined("||", Self::all, Kind::Any)
    }

    fn all(&mut self) -> Result<Node, Fault> {
        self.joined("&&", |parser| parser.binary(0), Kind::All)
    }

    /// One part, or several between these signs.
    fn joined(
        &mut self,
        sign: &str,
        part: fn(&mut Self) -> Result<Node, Fault>,
        kind: fn(Vec<Node>) -> Kind,
    ) -> Result<Node, Fault> {
        let from = self.from();
        let mut parts = vec![part(self)?];
        while self.takes(sign) {
            parts.push(part(self)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                self.node(from, kind(parts))
            }
        }
    }

    fn operator(&self, level: u8) -> Option<Operator> {
        let sign = match self.word() {
            Word::Sign(sign) => sign,
            Word::Name(name) if name == "in" => "in",
            _ => return None,
        };
        Operator::of(sign, level)
    }

    fn binary(&mut self, level: u8) -> Result<Node, Fault> {
        let from = self.from();
        let operand = |parser: &mut Self| match level {
            0 | 1 => parser.binary(level + 1),
            _ => parser.unary(),
        };
        let mut left = operand(self)?;
        while let Some(operator) = self.operator(level) {
            self.step();
            let right = operand(self)?;
            left = self.node(from, Kind::Binary(operator, Box::new([left, right])))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, Fault> {
        let from = self.from();
        if self.takes("!") {
            let inner = self.deeper(Self::unary)?;
            return self.node(from, Kind::Not(Box::new(inner)));
        }
        if self.takes("-") {
            // The least integer has no positive counterpart.
            if let Word::Int(value) = *self.word() {
                self.step();
                let Some(value) = 0_i64.checked_sub_unsigned(value) else {
                    return Err(Fault::at(self.text, from, "an integer that does not fit"));
                };
                let node = self.node(from, Kind::Literal(Literal::Int(value)))?;
                return self.members(node);
            }
            let inner = self.deeper(Self::unary)?;
            return self.node(from, Kind::Minus(Box::new(inner)));
        }
        let node = self.primary()?;
        self.members(node)
    }

    /// `.field`, `.method(…)`, `[…]`, again and again.
    fn members(&mut self, mut node: Node) -> Result<Node, Fault> {
        let from = node.from;
        loop {
            if self.takes(".") {
                if self.takes("?") {
                    return Err(Fault::at(
                        self.text,
                        self.to(),
                        "optional fields are not supported: use `has(…)`",
                    ));
                }
                let place = self.from();
                let Word::Name(name) = self.word().clone() else {
                    return Err(self.unexpected("the name of a field"));
                };
                self.step();
                node = if self.takes("(") {
                    self.method(node, &name, place)?
                } else {
                    self.node(from, Kind::Select(Box::new(node), name))?
                };
            } else if self.takes("[") {
                let index = self.expression()?;
                self.expect("]")?;
                node = self.node(from, Kind::Index(Box::new([node, index])))?;
            } else if matches!(self.word(), Word::Sign("{")) {
                return Err(Fault::at(self.text, from, "messages are not supported"));
            } else {
                return Ok(node);
            }
        }
    }

    fn list(&mut self, close: &str) -> Result<Vec<Node>, Fault> {
        let mut all = Vec::new();
        while !self.takes(close) {
            all.push(self.expression()?);
            if !self.takes(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(all)
    }

    fn method(&mut self, target: Node, name: &str, place: usize) -> Result<Node, Fault> {
        if let Some(kind) = Macro::of(name) {
            return self.repeated(kind, target, name, place);
        }
        let from = target.from;
        let mut arguments = vec![target];
        arguments.extend(self.list(")")?);
        let function = functions::find(name, true, arguments.len())
            .map_err(|why| Fault::at(self.text, place, why))?;
        self.node(from, Kind::Call(function, arguments))
    }

    fn repeated(
        &mut self,
        kind: Macro,
        range: Node,
        name: &str,
        place: usize,
    ) -> Result<Node, Fault> {
        let from = range.from;
        if self.locals.len() >= LOOPS_MAX {
            let what = format!("`{name}` inside of {LOOPS_MAX} others of its like costs too much");
            return Err(Fault::at(self.text, place, what));
        }
        let variable = match self.word().clone() {
            Word::Name(name) if !RESERVED.contains(&name.as_str()) => name,
            _ => return Err(self.unexpected("the name of a variable")),
        };
        self.step();
        self.expect(",")?;
        self.locals.push(variable);
        let mut arguments = self.list(")")?;
        self.locals.pop();
        let (only, body) = match (arguments.pop(), arguments.pop(), arguments.pop()) {
            (Some(body), None, None) => (None, body),
            (Some(body), Some(only), None) if kind == Macro::Map => (Some(only), body),
            _ => {
                let what = format!("`{name}` is given a variable and an expression");
                return Err(Fault::at(self.text, place, what));
            }
        };
        self.node(from, Kind::Loop(kind, Box::new(Loop { range, only, body })))
    }

    fn primary(&mut self) -> Result<Node, Fault> {
        let from = self.from();
        let word = self.word().clone();
        if word != Word::End {
            self.step();
        }
        let literal = match word {
            Word::Int(value) => match i64::try_from(value) {
                Ok(value) => Literal::Int(value),
                Err(_) => {
                    return Err(Fault::at(self.text, from, "an integer that does not fit"));
                }
            },
            Word::Uint(value) => Literal::Uint(value),
            Word::Double(value) => Literal::Double(value),
            Word::Text(value) => Literal::Text(value),
            Word::Name(name) => return self.name(&name, from),
            Word::Sign("(") => {
                let mut inner = self.expression()?;
                self.expect(")")?;
                (inner.from, inner.to) = (from, self.to());
                return Ok(inner);
            }
            Word::Sign("[") => {
                let list = self.list("]")?;
                return self.node(from, Kind::List(list));
            }
            Word::Sign("{") => return self.map(from),
            Word::Sign(_) | Word::End => {
                self.at -= usize::from(word != Word::End);
                return Err(self.unexpected("a value"));
            }
        };
        self.node(from, Kind::Literal(literal))
    }

    fn map(&mut self, from: usize) -> Result<Node, Fault> {
        let mut entries = Vec::new();
        while !self.takes("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push([key, self.expression()?]);
            if !self.takes(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(from, Kind::Map(entries))
    }

    fn name(&mut self, name: &str, from: usize) -> Result<Node, Fault> {
        let literal = match name {
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            "null" => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            return self.node(from, Kind::Literal(literal));
        }
        if let Some(local) = self.locals.iter().rposition(|one| one == name) {
            return self.node(from, Kind::Local(local));
        }
        if matches!(name, "object" | "self") {
            return self.node(from, Kind::Object);
        }
        if !self.takes("(") {
            let what = format!("`{name}` is not known: the variables are `object` and `self`");
            return Err(Fault::at(self.text, from, what));
        }
        let mut arguments = self.list(")")?;
        if name == "has" {
            let Some(Kind::Select(of, field)) = arguments
                .pop()
                .filter(|_| arguments.is_empty())
                .map(|one| one.kind)
            else {
                return Err(Fault::at(
                    self.text,
                    from,
                    "`has` is given a field: `has(object.status)`",
                ));
            };
            return self.node(from, Kind::Has(of, field));
        }
        let function = functions::find(name, false, arguments.len())
            .map_err(|why| Fault::at(self.text, from, why))?;
        self.node(from, Kind::Call(function, arguments))
    }
}
