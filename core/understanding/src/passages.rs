//! Markdown articles cut into passages that can stand alone as an answer.

/// A passage is not longer than this; a longer paragraph is cut at ends of sentences.
const MAX_CHARS: usize = 700;
/// Paragraphs under one heading are joined up to this.
const FULL: usize = 350;
/// Passages taken of one article.
const MAX_PASSAGES: usize = 500;

/// A piece of an article in plain text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// The headings it stands under, outermost first, parted by spaces.
    pub heading: String,
    pub text: String,
}

/// Cuts a Markdown text at headings and paragraphs. A list stays with the line that leads to it.
#[must_use]
pub fn cut(markdown: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut joined = Piece::default();
    for block in blocks(markdown) {
        if pieces.len() >= MAX_PASSAGES {
            break;
        }
        match block {
            Block::Heading(level, title) => {
                flush(&mut joined, &mut pieces);
                headings.retain(|(l, _)| *l < level);
                headings.push((level, title));
                joined.heading = headings
                    .iter()
                    .map(|(_, title)| title.as_str())
                    .collect::<Vec<_>>()
                    .join(" ");
            }
            Block::Text { text, list } => {
                let length = chars(&joined.text) + chars(&text);
                let leads = list && !joined.text.is_empty() && length <= MAX_CHARS;
                if !leads && !joined.text.is_empty() && length > FULL {
                    flush(&mut joined, &mut pieces);
                }
                if !joined.text.is_empty() {
                    joined.text.push('\n');
                }
                joined.text.push_str(&text);
            }
        }
    }
    flush(&mut joined, &mut pieces);
    pieces.truncate(MAX_PASSAGES);
    pieces
}

enum Block {
    Heading(usize, String),
    Text { text: String, list: bool },
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut list = false;
    let mut fenced = false;
    let end = |lines: &mut Vec<String>, list: &mut bool, blocks: &mut Vec<Block>| {
        if !lines.is_empty() {
            let text = std::mem::take(lines).join(if *list { "\n" } else { " " });
            blocks.push(Block::Text { text, list: *list });
        }
        *list = false;
    };
    for raw in markdown.lines() {
        let line = raw.trim();
        if line.starts_with("```") || line.starts_with("~~~") {
            end(&mut lines, &mut list, &mut blocks);
            fenced = !fenced;
            continue;
        }
        if fenced {
            lines.push(line.to_owned());
            continue;
        }
        let hashes = line.chars().take_while(|c| *c == '#').count();
        let rule = line.len() >= 3 && line.chars().all(|c| matches!(c, '-' | '*' | '_' | '='));
        if line.is_empty() || rule {
            end(&mut lines, &mut list, &mut blocks);
        } else if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
            end(&mut lines, &mut list, &mut blocks);
            let title = plain(line[hashes..].trim().trim_end_matches('#'));
            blocks.push(Block::Heading(hashes, title));
        } else if let Some(item) = item(line) {
            if !list {
                end(&mut lines, &mut list, &mut blocks);
            }
            list = true;
            lines.push(format!("- {}", plain(item)));
        } else {
            let text = plain(line.trim_start_matches('>'));
            match lines.last_mut() {
                // A line after an item goes on with it.
                Some(last) if list => {
                    last.push(' ');
                    last.push_str(&text);
                }
                _ => lines.push(text),
            }
        }
    }
    end(&mut lines, &mut list, &mut blocks);
    blocks
}

/// The words of a list item.
fn item(line: &str) -> Option<&str> {
    let bullet = ["- ", "* ", "+ "].iter().find_map(|b| line.strip_prefix(b));
    bullet.or_else(|| {
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let rest = line.get(digits..)?;
        let rest = rest
            .strip_prefix(". ")
            .or_else(|| rest.strip_prefix(") "))?;
        (1..=3).contains(&digits).then_some(rest)
    })
}

/// A line without marks: links give their words, pictures and tags nothing.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '!' if rest[1..].starts_with('[') => match link(&rest[1..]) {
                Some((_, length)) => taken = 1 + length,
                None => out.push(c),
            },
            '[' => match link(rest) {
                Some((words, length)) => {
                    out.push_str(&words.replace(['*', '`'], ""));
                    taken = length;
                }
                None => out.push(c),
            },
            '<' => match rest.find('>') {
                Some(end)
                    if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') =>
                {
                    taken = end + 1;
                }
                _ => out.push(c),
            },
            '\\' => {
                if let Some(next) = rest[1..].chars().next() {
                    out.push(next);
                    taken += next.len_utf8();
                }
            }
            '`' | '*' => {}
            // `_` marks only at the edge of a word, not within a name.
            '_' if out.chars().last().is_none_or(|l| !l.is_alphanumeric())
                || !rest[1..].starts_with(char::is_alphanumeric) => {}
            _ => out.push(c),
        }
        rest = &rest[taken..];
    }
    out.trim().to_owned()
}

/// The words of `[words](target)` and its length in bytes.
fn link(text: &str) -> Option<(&str, usize)> {
    let close = text.find(']')?;
    let target = text[close + 1..].strip_prefix('(')?;
    let end = target.find(')')?;
    Some((&text[1..close], close + 2 + end + 1))
}

/// Ends a passage; a long one becomes several, cut at ends of sentences.
fn flush(joined: &mut Piece, pieces: &mut Vec<Piece>) {
    let text = std::mem::take(&mut joined.text);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(cut_at(rest));
        pieces.push(Piece {
            heading: joined.heading.clone(),
            text: head.trim().to_owned(),
        });
        rest = tail.trim();
    }
}

/// Where to cut a text: after the last sentence that fits, else after the last character.
fn cut_at(text: &str) -> usize {
    let Some((limit, _)) = text.char_indices().nth(MAX_CHARS) else {
        return text.len();
    };
    let head = &text[..limit];
    let sentence = head
        .char_indices()
        .filter(|(at, c)| {
            matches!(c, '\n' | '。' | '！' | '？' | '；')
                || (matches!(c, '.' | '!' | '?' | ';') && head[at + 1..].starts_with(' '))
        })
        .map(|(at, c)| at + c.len_utf8())
        .next_back();
    let word = || head.rfind(' ').filter(|at| *at > 0);
    sentence.or_else(word).unwrap_or(limit)
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_cut_at_headings_and_lists_stay_with_their_lead() {
        let pieces = cut(
            "# Shipping\n\nWe ship **worldwide**.\n\n## Costs\nBy country:\n\n- EU: [4.95](https://x.test)\n- US: 9.95\n  and more\n\n### Gold\nFree.\n## Time\n1. Pack\n2. Send",
        );
        let shown: Vec<_> = pieces
            .iter()
            .map(|p| (p.heading.as_str(), p.text.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("Shipping", "We ship worldwide."),
                (
                    "Shipping Costs",
                    "By country:\n- EU: 4.95\n- US: 9.95 and more"
                ),
                ("Shipping Costs Gold", "Free."),
                ("Shipping Time", "- Pack\n- Send"),
            ]
        );
    }

    #[test]
    fn long_paragraphs_are_cut_at_sentences() {
        let text = "这是一句很长的话，说的是配送。".repeat(100);
        let pieces = cut(&text);
        assert!(pieces.len() > 1);
        for piece in pieces {
            assert!(chars(&piece.text) <= MAX_CHARS);
            assert!(piece.text.ends_with('。'));
        }
    }

    #[test]
    fn marks_do_not_show() {
        assert_eq!(
            plain("![pic](a.png) `code` <b>bold</b> snake_case _it_ \\* a < b"),
            "code bold snake_case it * a < b"
        );
        for odd in ["[", "![", "[a](", "\\", "<", "[a]", "!", "_"] {
            let _ = plain(odd);
        }
    }
}
