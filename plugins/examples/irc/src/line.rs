//! Lines of the protocol: read, cleaned, written, cut to their length.

/// Bytes of a line without its end, tags apart.
const LINE: usize = 510;
/// Room that is kept for our own user and host in what the server makes of a line, until it has told
/// them.
const USER: usize = 11;
const HOST: usize = 63;
/// Lines of one message.
const LINES: usize = 16;

/// One line as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub tags: Vec<(String, String)>,
    pub source: Source,
    pub command: String,
    pub params: Vec<String>,
}

/// Who sent it; a server has no user and no host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub nick: String,
    pub user: String,
    pub host: String,
}

impl Line {
    /// `None` for an empty line, and for what is none.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(raw);
        let mut rest = text.trim_matches(['\r', '\n', ' ']);
        let mut line = Self::default();
        if let Some(tagged) = rest.strip_prefix('@') {
            let (tags, after) = tagged.split_once(' ')?;
            line.tags = tags.split(';').filter_map(tag).collect();
            rest = after.trim_start_matches(' ');
        }
        if let Some(sent) = rest.strip_prefix(':') {
            let (source, after) = sent.split_once(' ')?;
            line.source = Source::parse(source);
            rest = after.trim_start_matches(' ');
        }
        let (command, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if command.is_empty() {
            return None;
        }
        line.command = command.to_ascii_uppercase();
        while !rest.is_empty() {
            if let Some(last) = rest.strip_prefix(':') {
                line.params.push(last.to_owned());
                break;
            }
            let (param, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if !param.is_empty() {
                line.params.push(param.to_owned());
            }
            rest = after.trim_start_matches(' ');
        }
        Some(line)
    }

    #[must_use]
    pub fn param(&self, at: usize) -> &str {
        self.params.get(at).map_or("", String::as_str)
    }

    /// The last parameter: what a server says in words.
    #[must_use]
    pub fn words(&self) -> String {
        clean(self.params.last().map_or("", String::as_str))
    }

    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        let known = self.tags.iter().find(|(known, _)| known == name);
        known
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }
}

fn tag(tag: &str) -> Option<(String, String)> {
    let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
    if name.is_empty() {
        return None;
    }
    let mut plain = String::with_capacity(value.len());
    let mut escaped = false;
    for c in value.chars() {
        match (escaped, c) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (false, c) => plain.push(c),
            (true, ':') => plain.push(';'),
            (true, 's') => plain.push(' '),
            (true, 'r') => plain.push('\r'),
            (true, 'n') => plain.push('\n'),
            (true, c) => plain.push(c),
        }
        escaped = false;
    }
    Some((name.to_owned(), plain))
}

impl Source {
    fn parse(source: &str) -> Self {
        let (nick, rest) = source.split_once('!').unwrap_or((source, ""));
        let (user, host) = rest.split_once('@').unwrap_or((rest, ""));
        Self {
            nick: nick.to_owned(),
            user: user.to_owned(),
            host: host.to_owned(),
        }
    }
}

/// Which letters a server takes for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    Ascii,
    #[default]
    Rfc1459,
}

impl Mapping {
    /// The name as it is compared.
    #[must_use]
    pub fn fold(self, name: &str) -> String {
        let fold = |c: char| match c {
            '[' if self == Self::Rfc1459 => '{',
            ']' if self == Self::Rfc1459 => '}',
            '\\' if self == Self::Rfc1459 => '|',
            '~' if self == Self::Rfc1459 => '^',
            c => c.to_ascii_lowercase(),
        };
        name.chars().map(fold).collect()
    }
}

/// A text without colours, bold and other control codes.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // A colour: up to two digits, and perhaps as many of the background.
            '\u{3}' => {
                let mut digits = |most: usize| {
                    let mut taken = 0;
                    while taken < most && rest.next_if(char::is_ascii_digit).is_some() {
                        taken += 1;
                    }
                    taken
                };
                if digits(2) > 0 && rest.peek() == Some(&',') {
                    let mut ahead = rest.clone();
                    ahead.next();
                    if ahead.peek().is_some_and(char::is_ascii_digit) {
                        rest = ahead;
                        for _ in 0..2 {
                            let _ = rest.next_if(char::is_ascii_digit);
                        }
                    }
                }
            }
            // A colour in hex.
            '\u{4}' => {
                for _ in 0..6 {
                    let _ = rest.next_if(char::is_ascii_hexdigit);
                }
            }
            '\t' => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Bytes of text that a line to `target` holds, so that what the server passes on, with our name in
/// front of it, is not cut.
#[must_use]
pub fn room(us: &Source, target: &str) -> usize {
    let or = |known: &str, most: usize| if known.is_empty() { most } else { known.len() };
    let source = us.nick.len() + or(&us.user, USER) + or(&us.host, HOST) + ":!@ ".len();
    LINE.saturating_sub(source + "PRIVMSG  :".len() + target.len())
        .max(64)
}

/// A message as lines of at most `room` bytes. Nothing of it is lost: more lines than a channel puts
/// up with are joined.
#[must_use]
pub fn lines(text: &str, room: usize) -> Vec<String> {
    let whole = text.lines().map(clean);
    let mut lines: Vec<String> = whole
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.len() > LINES {
        let mut joined: Vec<String> = Vec::new();
        for line in lines {
            match joined.last_mut() {
                Some(last) if last.len() + " | ".len() + line.len() <= room => {
                    last.push_str(" | ");
                    last.push_str(&line);
                }
                _ => joined.push(line),
            }
        }
        lines = joined;
    }
    lines.iter().flat_map(|line| cut(line, room)).collect()
}

/// At spaces where there are some, else between characters.
fn cut(line: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while rest.len() > room {
        let mut end = room;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let at = match rest[..end].rfind(' ') {
            Some(space) if space > end / 2 => space,
            _ => end,
        };
        pieces.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

/// Whether something can be written to as a nick or a channel, and as nothing else.
#[must_use]
pub fn is_target(target: &str) -> bool {
    (1..=200).contains(&target.len())
        && !target.starts_with([':', '@', '$', '+', '-'])
        && !target.contains(|c: char| c.is_control() || c.is_whitespace() || ",*?!".contains(c))
}

#[must_use]
pub fn is_channel(target: &str) -> bool {
    target.starts_with(['#', '&'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = Line::parse(
            b"@msgid=a1;account=ann;x=1\\s2\\:3 :ann!~a@host.example PRIVMSG #shop :bot: hi :)\r\n",
        )
        .unwrap();
        assert_eq!(line.tag("msgid"), Some("a1"));
        assert_eq!(line.tag("x"), Some("1 2;3"));
        assert_eq!(line.source.nick, "ann");
        assert_eq!(
            (line.source.user.as_str(), line.source.host.as_str()),
            ("~a", "host.example")
        );
        assert_eq!(line.command, "PRIVMSG");
        assert_eq!(line.params, ["#shop", "bot: hi :)"]);
        let ping = Line::parse(b"ping  a  :").unwrap();
        assert_eq!(
            (ping.command.as_str(), ping.params),
            ("PING", vec!["a".into(), String::new()])
        );
    }

    #[test]
    fn no_bytes_are_too_odd_to_be_read() {
        for raw in [
            &b""[..],
            b"\r\n",
            b" ",
            b"@a",
            b":a",
            b"@a :b",
            b"@ ",
            b": ",
        ] {
            assert_eq!(Line::parse(raw), None, "{raw:?}");
        }
        assert!(Line::parse(b"\xff\xfe \xff :\xff").is_some());
        assert_eq!(Line::parse(b"@=;;a= X").unwrap().tag("a"), None);
        assert_eq!(Line::parse(b"A").unwrap().param(3), "");
    }

    #[test]
    fn colours_and_control_codes_are_taken_out() {
        let text =
            "\u{2}bold\u{2} \u{3}04,12red\u{3} \u{3}4,x \u{4}ff00aax\u{f}\u{1d}\tend\u{0}\u{1}";
        assert_eq!(clean(text), "bold red ,x x end");
        assert_eq!(clean("\u{3}123"), "3");
        assert_eq!(clean("你好\u{16}"), "你好");
    }

    #[test]
    fn a_message_is_cut_at_bytes_and_never_inside_a_character() {
        let long = "多".repeat(500);
        let pieces = lines(&long, 100);
        assert!(pieces.iter().all(|piece| piece.len() <= 100));
        assert_eq!(pieces.concat(), long);
        let words = "some words of a sentence ".repeat(20);
        let pieces = lines(&words, 64);
        assert!(pieces.iter().all(|piece| piece.len() <= 64));
        assert_eq!(pieces.join(" "), words.trim_end());
        assert_eq!(lines("a\r\n\n  \nb\u{1}\u{0}c", 64), ["a", "bc"]);
        let many: String = (0..200).map(|n| format!("{n}\n")).collect();
        let joined = lines(&many, 300);
        assert!(joined.len() <= LINES, "{}", joined.len());
        assert!((0..200).all(|n| {
            joined
                .iter()
                .any(|l| l.split(" | ").any(|w| w == n.to_string()))
        }));
    }

    #[test]
    fn our_own_name_takes_its_share_of_a_line() {
        let us = Source {
            nick: "bot".into(),
            user: "~t".into(),
            host: "h".into(),
        };
        let line = format!(
            ":bot!~t@h PRIVMSG #shop :{}",
            "x".repeat(room(&us, "#shop"))
        );
        assert_eq!(line.len(), LINE);
        assert!(room(&Source::default(), &"c".repeat(600)) >= 64);
    }

    #[test]
    fn a_target_is_one_nick_or_channel() {
        for good in ["ann", "#shop", "&local", "[x]\\`^{}|", "名"] {
            assert!(is_target(good), "{good}");
        }
        for bad in [
            "",
            ":a",
            "a b",
            "a,b",
            "a\r\nQUIT",
            "$*",
            "@#shop",
            "*",
            "a!b",
        ] {
            assert!(!is_target(bad), "{bad:?}");
        }
        assert_eq!(Mapping::Rfc1459.fold("A[B]\\~"), "a{b}|^");
        assert_eq!(Mapping::Ascii.fold("A[~"), "a[~");
    }
}
