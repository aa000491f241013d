//! The words of an expression, each with its place. Knows no grammar. Called by `parse`.

use super::Fault;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// An identifier, or a word like `true` and `in`.
    Name(String),
    /// Its digits: a sign is an operator of its own.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A word and where it stands, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "?", "!", "<",
    ">", "+", "-", "*", "/", "%",
];

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// All words, the last one [`Word::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut reader = Reader { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        reader.skip();
        let from = reader.at;
        let word = reader.word()?;
        let end = word == Word::End;
        let to = reader.at;
        tokens.push(Token { word, from, to });
        if end {
            return Ok(tokens);
        }
    }
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// White space and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.text[self.at..].trim_start();
            let comment = rest.starts_with("//");
            let length = rest.find('\n').unwrap_or(rest.len());
            self.at = self.text.len() - rest.len();
            if !comment {
                return;
            }
            self.at += length;
        }
    }

    fn fault(&self, from: usize, what: impl Into<String>) -> Fault {
        Fault::at(self.text, from, what)
    }

    fn word(&mut self) -> Result<Word, Fault> {
        let Some(first) = self.next() else {
            return Ok(Word::End);
        };
        if let Some(prefix) = self.text_prefix() {
            return self.text(prefix);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let inner = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            let length = self.rest().find(inner).unwrap_or(self.rest().len());
            let name = self.rest()[..length].to_owned();
            self.at += length;
            return Ok(Word::Name(name));
        }
        let dotted = first == '.'
            && self
                .rest()
                .chars()
                .nth(1)
                .is_some_and(|c| c.is_ascii_digit());
        if first.is_ascii_digit() || dotted {
            return self.number();
        }
        if let Some(sign) = SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
            self.at += sign.len();
            return Ok(Word::Sign(sign));
        }
        Err(self.fault(
            self.at,
            format!("`{}` means nothing here", first.escape_default()),
        ))
    }

    fn number(&mut self) -> Result<Word, Fault> {
        let from = self.at;
        let hex = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        let mut end = from + if hex { 2 } else { 0 };
        let mut double = false;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(end) {
            let fits = match byte {
                b'0'..=b'9' => true,
                b'a'..=b'f' | b'A'..=b'F' if hex => true,
                b'.' if !hex && !double => bytes.get(end + 1).is_some_and(u8::is_ascii_digit),
                b'e' | b'E' if !hex => true,
                b'+' | b'-' if !hex => matches!(bytes.get(end - 1), Some(b'e' | b'E')),
                _ => false,
            };
            if !fits {
                break;
            }
            double |= !hex && matches!(byte, b'.' | b'e' | b'E');
            end += 1;
        }
        let digits = &self.text[from..end];
        self.at = end;
        let wrong = |this: &Self| this.fault(from, format!("`{digits}` is no number that fits"));
        if double {
            let value: f64 = digits.parse().map_err(|_| wrong(self))?;
            return value
                .is_finite()
                .then_some(Word::Double(value))
                .ok_or_else(|| wrong(self));
        }
        let value = if hex {
            u64::from_str_radix(&digits[2..], 16)
        } else {
            digits.parse()
        };
        let value = value.map_err(|_| wrong(self))?;
        if self.rest().starts_with(['u', 'U']) {
            self.at += 1;
            return Ok(Word::Uint(value));
        }
        Ok(Word::Int(value))
    }

    /// Letters before a quote: `""`, `"r"`.
    fn text_prefix(&self) -> Option<&'static str> {
        ["", "r", "R", "b", "B", "rb", "br", "RB", "BR"]
            .into_iter()
            .find(|prefix| {
                self.rest()
                    .strip_prefix(prefix)
                    .is_some_and(|rest| rest.starts_with(['"', '\'']))
            })
    }

    fn text(&mut self, prefix: &str) -> Result<Word, Fault> {
        let from = self.at;
        if prefix.contains(['b', 'B']) {
            return Err(self.fault(from, "bytes are not supported: an object has none"));
        }
        self.at += prefix.len();
        let quote = &self.text[self.at..=self.at];
        let triple = quote.repeat(3);
        let quote = if self.rest().starts_with(&triple) {
            triple
        } else {
            quote.to_owned()
        };
        self.at += quote.len();
        let mut value = String::new();
        loop {
            if self.rest().starts_with(&quote) {
                self.at += quote.len();
                return Ok(Word::Text(value));
            }
            match self.next() {
                None => return Err(self.fault(from, "this text has no end")),
                Some('\n' | '\r') if quote.len() == 1 => {
                    return Err(self.fault(from, "this text has no end on its line"));
                }
                Some('\\') if prefix.is_empty() => value.push(self.escape()?),
                Some(other) => {
                    value.push(other);
                    self.at += other.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let from = self.at;
        let wrong = |this: &Self| this.fault(from, "no such escape; a backslash is written `\\\\`");
        self.at += 1;
        let Some(kind) = self.next() else {
            return Err(wrong(self));
        };
        self.at += kind.len_utf8();
        let simple = match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '?' | '"' | '\'' | '`' => kind,
            'x' | 'X' => return self.code(2, 16).ok_or_else(|| wrong(self)),
            'u' => return self.code(4, 16).ok_or_else(|| wrong(self)),
            'U' => return self.code(8, 16).ok_or_else(|| wrong(self)),
            '0'..='3' => {
                self.at -= 1;
                return self.code(3, 8).ok_or_else(|| wrong(self));
            }
            _ => return Err(wrong(self)),
        };
        Ok(simple)
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let word = self.rest().get(..digits)?;
        if !word.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        let code = u32::from_str_radix(word, radix).ok()?;
        self.at += digits;
        char::from_u32(code)
    }
}
