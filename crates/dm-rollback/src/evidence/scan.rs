//! A fast scanner for plain JSON: one object, with no escapes in its strings. serde_json reads every line that this
//! scanner does not accept.

/// A value, in the detail that a verdict may need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    /// A number, as it is written.
    Number(&'a str),
    Bool(bool),
    Null,
    /// An object, whose content has been checked.
    Object,
}

/// Calls `take` with each member of the object on a line. Returns `None` if the line is not plain JSON, or if `take` does.
pub(super) fn members<'a>(
    line: &'a str,
    mut take: impl FnMut(&'a str, Value<'a>) -> Option<()>,
) -> Option<()> {
    let mut scan = Scan { text: line, at: 0 };
    scan.object(|scan, name| {
        let value = scan.value(true)?;
        take(name, value)
    })?;
    let rest = &line.as_bytes()[scan.at..];
    rest.iter().all(|byte| matches!(byte, b'\n' | b'\r' | b' ')).then_some(())
}

/// A position in a text.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn value(&mut self, may_nest: bool) -> Option<Value<'a>> {
        let rest = &self.text[self.at..];
        let word = |word: &str, value| rest.starts_with(word).then_some((word.len(), value));
        let (length, value) = match self.peek()? {
            b'"' => return self.string().map(Value::Text),
            b't' => word("true", Value::Bool(true))?,
            b'f' => word("false", Value::Bool(false))?,
            b'n' => word("null", Value::Null)?,
            // An object of simple values, such as the phases of a probe.
            b'{' if may_nest => {
                return self.object(|scan, _| scan.value(false).map(drop)).map(|()| Value::Object);
            }
            _ => {
                let length = number(rest.as_bytes())?;
                (length, Value::Number(&rest[..length]))
            }
        };
        self.at += length;
        Some(value)
    }

    /// Reads an object; `member` reads each value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? != b'}' {
            loop {
                let name = self.string()?;
                self.take(b':')?;
                member(self, name)?;
                if self.peek()? == b'}' {
                    break;
                }
                self.take(b',')?;
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        if rest[length] != b'"' {
            return None;
        }
        let text = &self.text[self.at..self.at + length];
        self.at += length + 1;
        Some(text)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

/// The length of the number at the beginning of the text; `None` if it has an exponent.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text[sign] == b'0') {
        return None;
    }
    let mut length = sign + whole;
    if text.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if fraction == 0 {
            return None;
        }
        length += 1 + fraction;
    }
    // Exponents are rare: serde_json reads them.
    (!matches!(text.get(length), Some(b'e' | b'E'))).then_some(length)
}
