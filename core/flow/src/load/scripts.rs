//! The `plugin.call`s that stand in a script with their names written out.
//!
//! Only what certainly is one is found: a script that gives `plugin` another meaning, computes a
//! name or builds its table elsewhere is left to the run.

use tandem_domain::Value;

/// Calls that are looked at in one script.
const CALLS_MAX: usize = 500;

/// A call of a plugin; places are bytes of the source.
#[derive(Debug, PartialEq)]
pub(super) struct PluginCall {
    pub plugin: (String, usize),
    pub method: Option<(String, usize)>,
    /// The fields of its table, where they stand there.
    pub args: Option<Vec<Argument>>,
    pub at: usize,
}

#[derive(Debug, PartialEq)]
pub(super) struct Argument {
    pub name: String,
    pub at: usize,
    /// A text, a number, `true`, `false` or `nil`.
    pub value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'s> {
    Word(&'s str),
    /// A text without escapes.
    Text(&'s str),
    /// One with escapes, a long or an interpolated one.
    OtherText,
    Number(f64),
    Sign(char),
}

pub(super) fn plugin_calls(source: &str) -> Vec<PluginCall> {
    if !source.contains("plugin") {
        return Vec::new();
    }
    let tokens = tokens(source);
    let is = |at: usize, token: Token<'_>| tokens.get(at).is_some_and(|(t, _)| *t == token);
    let of_another = |at: usize| at > 0 && matches!(tokens[at - 1].0, Token::Sign('.' | ':'));
    let names: Vec<usize> = (0..tokens.len())
        .filter(|at| is(*at, Token::Word("plugin")) && !of_another(*at))
        .collect();
    if names.iter().any(|at| !is(at + 1, Token::Sign('.'))) {
        return Vec::new();
    }
    names
        .into_iter()
        .filter(|at| is(at + 2, Token::Word("call")) && is(at + 3, Token::Sign('(')))
        .filter_map(|at| call(&tokens, at))
        .take(CALLS_MAX)
        .collect()
}

fn call(tokens: &[(Token<'_>, usize)], at: usize) -> Option<PluginCall> {
    let ends = |at: usize| matches!(tokens.get(at), Some((Token::Sign(',' | ')'), _)));
    let text = |at: usize| match tokens.get(at) {
        // Followed by anything else it is a part of an expression.
        Some((Token::Text(text), place)) if ends(at + 1) => Some(((*text).to_owned(), *place)),
        _ => None,
    };
    let comma = |at: usize| matches!(tokens.get(at), Some((Token::Sign(','), _)));
    let first = at + 4;
    let plugin = text(first)?;
    let method = comma(first + 1).then(|| text(first + 2)).flatten();
    let args = match tokens.get(first + 3) {
        _ if method.is_none() => None,
        Some((Token::Sign(')'), _)) => Some(Vec::new()),
        Some((Token::Sign(','), _)) => table(tokens, first + 4),
        _ => None,
    };
    Some(PluginCall {
        plugin,
        method,
        args,
        at: tokens[at].1,
    })
}

/// `{name = value, …}`, if it is nothing else and ends the call.
fn table(tokens: &[(Token<'_>, usize)], at: usize) -> Option<Vec<Argument>> {
    if tokens.get(at)?.0 != Token::Sign('{') {
        return None;
    }
    let mut fields = Vec::new();
    let mut at = at + 1;
    loop {
        let (token, place) = tokens.get(at)?;
        match token {
            Token::Sign('}') => break,
            Token::Word(name) if tokens.get(at + 1)?.0 == Token::Sign('=') => {
                let (end, value) = value(tokens, at + 2)?;
                fields.push(Argument {
                    name: (*name).to_owned(),
                    at: *place,
                    value,
                });
                at = end;
                if matches!(tokens.get(at)?.0, Token::Sign(',' | ';')) {
                    at += 1;
                }
            }
            _ => return None,
        }
    }
    (tokens.get(at + 1)?.0 == Token::Sign(')')).then_some(fields)
}

/// Where the value that begins here ends, and what it is where it is a literal.
fn value(tokens: &[(Token<'_>, usize)], at: usize) -> Option<(usize, Option<Value>)> {
    let mut depth = 0_usize;
    let mut end = at;
    loop {
        match tokens.get(end)?.0 {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign('}' | ',' | ';') if depth == 0 => break,
            Token::Sign(')' | ']' | '}') => depth = depth.checked_sub(1)?,
            // Its own commas would end it too early.
            Token::Word("function") => return None,
            _ => {}
        }
        end += 1;
    }
    let literal = match tokens.get(at..end)? {
        [(Token::Text(text), _)] => Some(Value::from(*text)),
        [(Token::Number(number), _)] => Some(number_value(*number)),
        [(Token::Sign('-'), _), (Token::Number(number), _)] => Some(number_value(-*number)),
        [(Token::Word("true"), _)] => Some(Value::Bool(true)),
        [(Token::Word("false"), _)] => Some(Value::Bool(false)),
        [(Token::Word("nil"), _)] => Some(Value::Null),
        _ => None,
    };
    Some((end, literal))
}

fn number_value(number: f64) -> Value {
    let whole = number as i64;
    if whole as f64 == number {
        Value::from(whole)
    } else {
        Value::from(number)
    }
}

/// The tokens of a script and where each begins; comments are left out.
fn tokens(source: &str) -> Vec<(Token<'_>, usize)> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        match byte {
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = match long(bytes, at + 2) {
                    Some(end) => end,
                    None => line_end(bytes, at),
                };
            }
            b'[' if long(bytes, at).is_some() => {
                at = long(bytes, at).unwrap_or(bytes.len());
                found.push((Token::OtherText, begin));
            }
            b'"' | b'\'' | b'`' => {
                let (end, plain) = quoted(bytes, at);
                let text = source.get(at + 1..end.saturating_sub(1));
                found.push(match text {
                    Some(text) if plain && byte != b'`' => (Token::Text(text), begin),
                    _ => (Token::OtherText, begin),
                });
                at = end;
            }
            b'0'..=b'9' => {
                at = run(bytes, at, |b| {
                    b.is_ascii_alphanumeric() || b == b'.' || b == b'_'
                });
                let token = source[begin..at]
                    .parse()
                    .map_or(Token::OtherText, Token::Number);
                found.push((token, begin));
            }
            b if is_word(b) => {
                at = run(bytes, at, is_word);
                found.push((Token::Word(&source[begin..at]), begin));
            }
            b if b.is_ascii_whitespace() => at += 1,
            _ => {
                let sign = source[at..].chars().next().unwrap_or(' ');
                at += sign.len_utf8();
                // `==` is no `=`, and `..` no `.`.
                let double = matches!(sign, '=' | '.') && bytes.get(at) == Some(&byte);
                if double {
                    at = run(bytes, at, |b| b == byte);
                }
                found.push((Token::Sign(if double { '≡' } else { sign }), begin));
            }
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn run(bytes: &[u8], at: usize, of: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| of(**b)).count()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    run(bytes, at, |b| b != b'\n')
}

/// The end of `[[…]]` or `[=[…]=]`, if one begins here.
fn long(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let level = run(bytes, at + 1, |b| b == b'=') - (at + 1);
    if bytes.get(at + 1 + level) != Some(&b'[') {
        return None;
    }
    let mut close = vec![b']'];
    close.extend(std::iter::repeat_n(b'=', level));
    close.push(b']');
    let body = at + 2 + level;
    let rest = bytes.get(body..)?;
    let end = rest.windows(close.len()).position(|w| w == close);
    Some(end.map_or(bytes.len(), |end| body + end + close.len()))
}

/// The end of a quoted text, and whether it has no escapes.
fn quoted(bytes: &[u8], at: usize) -> (usize, bool) {
    let quote = bytes[at];
    let mut plain = true;
    let mut end = at + 1;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'\\' => {
                plain = false;
                end += 1;
            }
            b'\n' if quote != b'`' => return (end, false),
            _ if byte == quote => return (end + 1, plain),
            _ => {}
        }
        end += 1;
    }
    (bytes.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<(String, Option<String>)> {
        plugin_calls(source)
            .into_iter()
            .map(|call| (call.plugin.0, call.method.map(|(name, _)| name)))
            .collect()
    }

    fn one(plugin: &str, method: &str) -> Vec<(String, Option<String>)> {
        vec![(plugin.to_owned(), Some(method.to_owned()))]
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in r#"(plugin|\.|call|\(|\)|"|'|`|\\|\[=*\[|\]=*\]|--|\{|\}|=|,|中|1.5|\n|\PC){0,40}"#) {
            plugin_calls(&text);
        }
    }

    #[test]
    fn names_that_are_written_out_are_found() {
        let source = "local r, e = plugin.call(\"crm\", 'find.one', {mail = m, n = 3})";
        assert_eq!(names(source), one("crm", "find.one"));
        assert_eq!(names("plugin . call ( 'crm' , 'a' )"), one("crm", "a"));
        assert_eq!(
            names("plugin.call('crm', name, {})"),
            [("crm".into(), None)]
        );
    }

    #[test]
    fn what_is_no_call_or_not_certain_is_left_alone() {
        for source in [
            "-- plugin.call('crm', 'a')",
            "--[[ plugin.call('crm', 'a') ]]",
            "--[==[ \n]] plugin.call('crm', 'a') ]==]",
            "local s = \"plugin.call('crm', 'a')\"",
            "local s = [[plugin.call('crm', 'a')]]",
            "local s = `plugin.call('crm', 'a')`",
            "m.plugin.call('crm', 'a')",
            "local plugin = other\nplugin.call('crm', 'a')",
            "local function f(plugin) plugin.call('crm', 'a') end",
            "plugin.call('c' .. 'rm', 'a')",
            "plugin.call(name, 'a')",
            "plugin.call",
            "plugin.call(",
            "plugin.call('crm",
            "'plugin\\",
        ] {
            assert_eq!(names(source), [], "{source}");
        }
    }

    #[test]
    fn a_table_that_is_written_out_gives_its_fields() {
        let args = |source: &str| plugin_calls(source).remove(0).args;
        let found =
            args("plugin.call('a', 'b', {x = 1, y = 'z'; z = f(1, {2}), t = true, n = -2.5,})");
        let found: Vec<(String, Option<Value>)> = found
            .unwrap()
            .into_iter()
            .map(|a| (a.name, a.value))
            .collect();
        assert_eq!(
            found,
            [
                ("x".into(), Some(1.into())),
                ("y".into(), Some("z".into())),
                ("z".into(), None),
                ("t".into(), Some(true.into())),
                ("n".into(), Some((-2.5).into())),
            ]
        );
        assert_eq!(args("plugin.call('a', 'b')"), Some(Vec::new()));
        assert_eq!(args("plugin.call('a', 'b', {})"), Some(Vec::new()));
        for unknown in [
            "plugin.call('a', 'b', args)",
            "plugin.call('a', 'b', {['x'] = 1})",
            "plugin.call('a', 'b', {1, 2})",
            "plugin.call('a', 'b', {x = 1} :: any)",
            "plugin.call('a', 'b', {x = function() return 1, 2 end})",
            "plugin.call('a', 'b', {x == 1})",
            "plugin.call('a', 'b', {x = 1",
        ] {
            assert_eq!(args(unknown), None, "{unknown}");
        }
    }
}
