//! Markdown articles cut into passages that can stand alone as an answer.
//!
//! A passage keeps the headings it stands under. Paragraphs under one heading are joined while
//! they are short; a list stays with the line that leads to it; a row of a table names its
//! columns, so that it can be read without the table's head. Only what is longer than a passage
//! may be is cut: a list between its items, the lead repeated; a paragraph between sentences.

/// No passage is longer than this.
pub const MAX_CHARS: usize = 700;
/// Paragraphs under one heading are joined up to this.
const FULL: usize = 350;
/// Passages taken of one article.
const MAX_PASSAGES: usize = 500;
/// A line that leads to a list and is longer than this is not repeated over the list's parts.
const MAX_LEAD: usize = 120;
/// Columns of a table that are read.
const MAX_COLUMNS: usize = 50;

/// A piece of an article in plain text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// The headings it stands under, outermost first.
    pub headings: Vec<String>,
    pub text: String,
}

enum Block {
    Heading(usize, String),
    Paragraph(String),
    /// Items of a list or rows of a table, each a line.
    Lines(Vec<String>),
}

/// Cuts a Markdown text. Nothing of it is lost but its marks, up to 500 passages.
#[must_use]
pub fn cut(markdown: &str) -> Vec<Piece> {
    let mut cutter = Cutter::default();
    for block in Blocks::of(markdown) {
        if cutter.pieces.len() >= MAX_PASSAGES {
            break;
        }
        match block {
            Block::Heading(level, title) => cutter.heading(level, title),
            Block::Paragraph(text) => cutter.paragraph(&text),
            Block::Lines(lines) => cutter.lines(&lines),
        }
    }
    cutter.close(0);
    cutter.pieces.truncate(MAX_PASSAGES);
    cutter.pieces
}

#[derive(Default)]
struct Cutter {
    pieces: Vec<Piece>,
    headings: Vec<Heading>,
    text: String,
    /// The last line of `text`, where it may lead to a list.
    lead: Option<String>,
}

struct Heading {
    level: usize,
    title: String,
    /// Whether a passage stands under it.
    used: bool,
}

impl Cutter {
    fn heading(&mut self, level: usize, title: String) {
        self.close(level);
        self.headings.push(Heading {
            level,
            title,
            used: false,
        });
    }

    /// Ends the sections of this level and below. A heading over nothing is still something the
    /// article says.
    fn close(&mut self, level: usize) {
        self.flush();
        while let Some(last) = self.headings.pop_if(|h| h.level >= level) {
            if !last.used {
                self.text = last.title;
                self.flush();
            }
        }
    }

    fn paragraph(&mut self, text: &str) {
        if !self.text.is_empty() && chars(&self.text) + chars(text) > FULL {
            self.flush();
        }
        self.push(text);
        self.lead = Some(text.to_owned()).filter(|t| chars(t) <= MAX_LEAD);
    }

    fn lines(&mut self, lines: &[String]) {
        let whole: usize = lines.iter().map(|l| chars(l) + 1).sum();
        let lead = self.lead.take();
        if !self.text.is_empty() && chars(&self.text) + whole > MAX_CHARS {
            // The lead goes with the list, not with what stood before it.
            let before = lead
                .as_deref()
                .and_then(|lead| self.text.strip_suffix(lead))
                .map(|before| before.trim_end().to_owned());
            if let Some(before) = before {
                self.text = before;
                self.flush();
                self.text = lead.clone().unwrap_or_default();
            } else {
                self.flush();
            }
        }
        for line in lines {
            if chars(&self.text) + chars(line) + 1 > MAX_CHARS && !self.text.is_empty() {
                if Some(&self.text) != lead.as_ref() {
                    self.flush();
                    self.text = lead.clone().unwrap_or_default();
                }
                if chars(&self.text) + chars(line) + 1 > MAX_CHARS {
                    self.flush();
                }
            }
            self.push(line);
        }
    }

    fn push(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }

    /// Ends a passage; a long one becomes several.
    fn flush(&mut self) {
        self.lead = None;
        let text = std::mem::take(&mut self.text);
        let mut rest = text.trim();
        if !rest.is_empty() {
            self.headings.iter_mut().for_each(|h| h.used = true);
        }
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(cut_at(rest));
            self.pieces.push(Piece {
                headings: self.headings.iter().map(|h| h.title.clone()).collect(),
                text: head.trim().to_owned(),
            });
            rest = tail.trim();
        }
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

/// The blocks of a Markdown text.
#[derive(Default)]
struct Blocks {
    done: Vec<Block>,
    lines: Vec<String>,
    kind: Kind,
    /// The head of the table that is being read.
    columns: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Paragraph,
    List,
    Table,
}

impl Blocks {
    fn of(markdown: &str) -> Vec<Block> {
        let mut blocks = Self::default();
        let mut fenced = false;
        for raw in markdown.lines() {
            let line = raw.trim();
            if line.starts_with("```") || line.starts_with("~~~") {
                blocks.end();
                fenced = !fenced;
            } else if fenced {
                blocks.lines.push(line.to_owned());
            } else {
                blocks.line(line);
            }
        }
        blocks.end();
        blocks.done
    }

    fn line(&mut self, line: &str) {
        let hashes = line.bytes().take_while(|b| *b == b'#').count();
        let rule = line.len() >= 3 && line.chars().all(|c| matches!(c, '-' | '*' | '_' | '='));
        if line.is_empty() || rule {
            self.end();
        } else if (1..=6).contains(&hashes) && line[hashes..].starts_with(' ') {
            self.end();
            let title = plain(line[hashes..].trim().trim_end_matches('#'));
            if !title.is_empty() {
                self.done.push(Block::Heading(hashes, title));
            }
        } else if line.starts_with('|') && line.len() > 1 {
            self.become_kind(Kind::Table);
            self.row(line);
        } else if let Some(item) = item(line) {
            self.become_kind(Kind::List);
            self.lines.push(format!("- {}", plain(item)));
        } else {
            if self.kind == Kind::Table {
                self.end();
            }
            let text = plain(line.trim_start_matches('>'));
            match self.lines.last_mut() {
                // A line after an item goes on with it.
                Some(last) if self.kind == Kind::List => {
                    last.push(' ');
                    last.push_str(&text);
                }
                _ => self.lines.push(text),
            }
        }
    }

    fn become_kind(&mut self, kind: Kind) {
        if self.kind != kind {
            self.end();
            self.kind = kind;
        }
    }

    fn row(&mut self, line: &str) {
        let inner = line.trim_matches('|');
        let divides = inner
            .chars()
            .all(|c| matches!(c, '-' | ':' | '|' | ' '))
            .then_some(())
            .filter(|()| inner.contains('-'));
        if divides.is_some() {
            return;
        }
        let cells: Vec<String> = inner
            .splitn(MAX_COLUMNS, '|')
            .map(|cell| plain(cell.trim()))
            .collect();
        if self.columns.is_empty() {
            self.columns = cells;
            return;
        }
        let named = cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| !cell.is_empty());
        let row: Vec<String> = named
            .map(|(at, cell)| match self.columns.get(at) {
                Some(column) if !column.is_empty() => format!("{column}: {cell}"),
                _ => cell.clone(),
            })
            .collect();
        if !row.is_empty() {
            self.lines.push(format!("- {}", row.join("; ")));
        }
    }

    fn end(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        let columns = std::mem::take(&mut self.columns);
        let kind = std::mem::take(&mut self.kind);
        if lines.is_empty() && !columns.is_empty() {
            lines.push(columns.join("; "));
        }
        lines.retain(|l| !l.trim().is_empty());
        if lines.is_empty() {
            return;
        }
        self.done.push(if kind == Kind::Paragraph {
            Block::Paragraph(lines.join(" "))
        } else {
            Block::Lines(lines)
        });
    }
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

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(markdown: &str) -> Vec<(String, String)> {
        let pieces = cut(markdown).into_iter();
        pieces.map(|p| (p.headings.join(" / "), p.text)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = expected.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn articles_are_cut_at_headings_and_lists_stay_with_their_lead() {
        let found = shown(
            "# Shipping\n\nWe ship **worldwide**.\n\n## Costs\nBy country:\n\n- EU: [4.95](https://x.test)\n- US: 9.95\n  and more\n\n### Gold\nFree.\n## Time\n1. Pack\n2. Send",
        );
        assert_eq!(
            found,
            pairs(&[
                ("Shipping", "We ship worldwide."),
                (
                    "Shipping / Costs",
                    "By country:\n- EU: 4.95\n- US: 9.95 and more"
                ),
                ("Shipping / Costs / Gold", "Free."),
                ("Shipping / Time", "- Pack\n- Send"),
            ])
        );
    }

    #[test]
    fn rows_of_a_table_name_their_columns() {
        let found = shown(
            "Prices:\n\n| Size | Price | |\n|:--|--:|-|\n| S | 5 | new |\n| M | | |\nThat is all.",
        );
        assert_eq!(
            found,
            pairs(&[(
                "",
                "Prices:\n- Size: S; Price: 5; new\n- Size: M\nThat is all."
            )])
        );
    }

    #[test]
    fn a_long_list_is_cut_between_items_under_its_lead() {
        let items: String = (0..40)
            .map(|i| format!("- item number {i} of a list that goes on\n"))
            .collect();
        let found = cut(&format!(
            "# Rules\nAn introduction. {}\n\nYou may bring:\n{items}",
            "It is long. ".repeat(20)
        ));
        assert!(found.len() > 2);
        for piece in &found[1..] {
            assert!(
                piece.text.starts_with("You may bring:\n- item"),
                "{piece:?}"
            );
            assert!(piece.text.ends_with("goes on"), "{piece:?}");
        }
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
        for odd in [
            "[", "![", "[a](", "\\", "<", "[a]", "!", "_", "|", "||", "|-|", "#", "# ",
        ] {
            let _ = cut(odd);
        }
    }

    /// A Markdown text and the words in it.
    fn markdown() -> impl Strategy<Value = String> {
        let word = prop_oneof!["[a-z]{1,12}", "[退货运费多少钱]{1,30}", "[a-z]{900}"];
        let line = proptest::collection::vec(word, 1..40).prop_map(|words| words.join(" "));
        let block = (line, 0..6_u8, 1..30_usize).prop_map(|(line, kind, times)| match kind {
            0 => format!("## {line}\n"),
            1 => format!("- {line}\n").repeat(times),
            2 => format!("| head | next |\n|---|---|\n| {line} | 5 |\n"),
            3 => format!("{line}. ").repeat(times) + "\n\n",
            4 => format!("{line}:\n"),
            _ => format!("{line}\n\n"),
        });
        proptest::collection::vec(block, 0..12).prop_map(|blocks| blocks.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_text_is_lost_and_passages_keep_their_bounds(markdown in markdown()) {
            let pieces = cut(&markdown);
            let mut said: String = String::new();
            for piece in &pieces {
                prop_assert!(!piece.text.trim().is_empty());
                prop_assert!(chars(&piece.text) <= MAX_CHARS);
                said.push_str(&piece.headings.concat());
                said.push_str(&piece.text);
            }
            if pieces.len() < MAX_PASSAGES {
                let said: std::collections::HashSet<char> = said.chars().collect();
                for c in markdown.chars().filter(|c| c.is_alphanumeric()) {
                    prop_assert!(said.contains(&c));
                }
            }
        }

        /// Without headings and leads that are repeated, the words come out in their order.
        #[test]
        fn paragraphs_keep_their_words_in_order(words in proptest::collection::vec("[a-z]{1,30}", 0..600), every in 1..50_usize) {
            let markdown: String = words
                .chunks(every)
                .map(|chunk| format!("{}.\n\n", chunk.join(" ")))
                .collect();
            let said: Vec<String> = cut(&markdown)
                .iter()
                .flat_map(|p| p.text.split_whitespace().map(|w| w.trim_end_matches('.').to_owned()).collect::<Vec<_>>())
                .collect();
            prop_assert_eq!(said, words);
        }

        #[test]
        fn anything_can_be_cut(text in any::<String>(), marks in "[#|\\-*_`\\[\\]()!<>\\\\ \n0-9.a]{0,400}") {
            for text in [text, marks] {
                for piece in cut(&text) {
                    prop_assert!(chars(&piece.text) <= MAX_CHARS);
                }
            }
        }
    }
}
