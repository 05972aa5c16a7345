//! Measuring and splitting text by a platform's limits.

use std::ops::Range;

use tandem_domain::capabilities::{Limit, Unit};
use unicode_segmentation::UnicodeSegmentation;

/// How long the text is in this unit.
#[must_use]
pub fn measure(text: &str, unit: Unit) -> usize {
    match unit {
        Unit::Char => text.chars().count(),
        Unit::Byte => text.len(),
        Unit::Utf16 => text.encode_utf16().count(),
        Unit::Grapheme => text.graphemes(true).count(),
    }
}

#[must_use]
pub fn fits(text: &str, limit: Limit) -> bool {
    // No unit counts more than bytes do.
    text.len() <= limit.max || measure(text, limit.unit) <= limit.max
}

/// The text cut to the limit at a whole grapheme, with an ellipsis where there is room for one.
#[must_use]
pub fn clip(text: &str, limit: Limit) -> String {
    if fits(text, limit) {
        return text.to_owned();
    }
    let mark = measure("…", limit.unit);
    if limit.max <= mark {
        return text[..prefix(text, limit)].to_owned();
    }
    let room = Limit {
        max: limit.max - mark,
        unit: limit.unit,
    };
    format!("{}…", text[..prefix(text, room)].trim_end())
}

/// Pieces within the limit that together say everything the text says: broken between paragraphs,
/// else lines, sentences, words, graphemes; a code block that has to be broken is closed and
/// opened again. White space at a break is dropped. Empty for a text of nothing but white space.
///
/// A limit smaller than a single character still gives pieces of one character.
#[must_use]
pub fn split(text: &str, limit: Limit) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end().trim_start_matches('\n').to_owned();
    while !rest.trim().is_empty() {
        if fits(&rest, limit) {
            pieces.push(rest);
            break;
        }
        let (piece, left) = cut(&rest, limit);
        let piece = piece.trim_end();
        if !piece.trim().is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = left;
    }
    pieces
}

/// Below this, repeating the fences of a broken code block would take most of the room.
const FENCE_FLOOR: usize = 40;

/// The first piece of a text that does not fit, and what is left.
fn cut(text: &str, limit: Limit) -> (String, String) {
    let most = prefix(text, limit);
    let most = if most == 0 { first_char(text) } else { most };
    if limit.max >= FENCE_FLOOR
        && let Some(fence) = fence_open_at(text, most)
    {
        // The block moves to the next piece as a whole where it may.
        if !text[..fence.start].trim().is_empty() {
            let at = best_break(&text[..fence.start], fence.start);
            return (text[..at].to_owned(), after_break(&text[at..]));
        }
        return cut_block(text, &fence, limit);
    }
    let at = best_break(text, most);
    (text[..at].to_owned(), after_break(&text[at..]))
}

/// A code block that begins the text and is too long for one piece.
fn cut_block(text: &str, fence: &Fence, limit: Limit) -> (String, String) {
    let opening = text[fence.start..fence.body].trim_end();
    let mark: String = opening.chars().take_while(|c| *c == fence.mark).collect();
    // A long info string would eat the room that the code needs.
    let short = measure(opening, limit.unit) <= limit.max / 4;
    let again = if short { opening } else { "```" };
    let mark = if short { mark.as_str() } else { "```" };
    let closing = format!("\n{mark}");
    let room = Limit {
        max: limit.max - measure(&closing, limit.unit),
        unit: limit.unit,
    };
    let most = prefix(text, room);
    let at = match text[..most].rfind('\n') {
        Some(at) if at >= fence.body => at,
        _ => most,
    };
    if at <= fence.body {
        // Not even the opening line fits: it is text like any other.
        let at = prefix(text, limit).max(first_char(text));
        return (text[..at].to_owned(), text[at..].to_owned());
    }
    let left = text[at..].strip_prefix('\n').unwrap_or(&text[at..]);
    (
        format!("{}{closing}", &text[..at]),
        format!("{again}\n{left}"),
    )
}

struct Fence {
    /// Where its opening line begins.
    start: usize,
    /// Where its first line of code begins.
    body: usize,
    mark: char,
}

/// The code block that is open at this byte.
fn fence_open_at(text: &str, at: usize) -> Option<Fence> {
    let mut open: Option<Fence> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if start >= at {
            break;
        }
        let end = start + line.len();
        let trimmed = line.trim_start();
        let mark = ['`', '~']
            .into_iter()
            .find(|m| trimmed.starts_with(&m.to_string().repeat(3)));
        match (&open, mark) {
            (None, Some(mark)) => {
                open = Some(Fence {
                    start,
                    body: end,
                    mark,
                });
            }
            // The closing line may itself be cut off: the block is over only past it.
            (Some(fence), Some(mark)) if fence.mark == mark && end <= at => open = None,
            _ => {}
        }
        start = end;
    }
    open
}

/// The best place to break within the first `most` bytes, never within a code block.
fn best_break(text: &str, most: usize) -> usize {
    let head = &text[..most];
    let blocks = blocks(head);
    // A break that leaves the piece nearly empty helps nobody.
    let least = most / 4;
    let good = |at: &usize| *at > least && !blocks.iter().any(|b| b.contains(at) && b.start != *at);
    let last = |mark: &str| head.rmatch_indices(mark).map(|(at, _)| at).find(good);
    let last_space = || {
        head.char_indices()
            .rev()
            .filter(|(_, c)| c.is_whitespace())
            .map(|(at, _)| at)
            .find(good)
    };
    last("\n\n")
        .or_else(|| last("\n"))
        .or_else(|| sentence_ends(head).rfind(good))
        .or_else(last_space)
        .unwrap_or(most)
}

/// Where the code blocks of the text stand, the last one perhaps open to the end.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(['`', '~']) {
        let at = from + at;
        let Some(fence) = fence_open_at(text, next_line(text, at)) else {
            from = next_line(text, at);
            continue;
        };
        let end = block_end(text, &fence);
        blocks.push(fence.start..end);
        from = end;
    }
    blocks
}

fn block_end(text: &str, fence: &Fence) -> usize {
    let mut start = fence.body;
    for line in text[fence.body.min(text.len())..].split_inclusive('\n') {
        start += line.len();
        if line
            .trim_start()
            .starts_with(&fence.mark.to_string().repeat(3))
        {
            return start;
        }
    }
    text.len()
}

fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |n| at + n + 1)
}

/// Just after each sentence that ends in the text.
fn sentence_ends(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    let mut ends = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, n)| *n);
        let over = match c {
            '。' | '！' | '？' | '；' | '…' => {
                !matches!(next, Some('”' | '」' | '』' | '）'))
            }
            '.' | '!' | '?' => next.is_some_and(char::is_whitespace),
            '”' | '」' | '』' => text[..at].ends_with(['。', '！', '？']),
            _ => false,
        };
        if over {
            ends.push(at + c.len_utf8());
        }
    }
    ends.into_iter()
}

fn after_break(rest: &str) -> String {
    // Blank lines and the one space between words go; indentation of a new line stays.
    match rest.strip_prefix(' ') {
        Some(rest) => rest.trim_start_matches(' ').to_owned(),
        None => rest.trim_start_matches(['\n', '\r']).to_owned(),
    }
}

/// Bytes of the longest prefix of whole graphemes within the limit; of whole characters when the
/// first grapheme alone is too long.
fn prefix(text: &str, limit: Limit) -> usize {
    let mut used = 0;
    let mut end = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += match limit.unit {
            Unit::Grapheme => 1,
            unit => measure(grapheme, unit),
        };
        if used > limit.max {
            break;
        }
        end = at + grapheme.len();
    }
    if end > 0 || limit.unit == Unit::Grapheme {
        return end;
    }
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += match limit.unit {
            Unit::Byte => c.len_utf8(),
            Unit::Utf16 => c.len_utf16(),
            Unit::Char | Unit::Grapheme => 1,
        };
        if used > limit.max {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn first_char(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chars(max: usize) -> Limit {
        Limit {
            max,
            unit: Unit::Char,
        }
    }

    #[test]
    fn breaks_between_paragraphs_then_lines_then_sentences_then_words() {
        assert_eq!(
            split("First part.\n\nSecond part.", chars(20)),
            ["First part.", "Second part."]
        );
        assert_eq!(
            split("one line\nanother line", chars(15)),
            ["one line", "another line"]
        );
        assert_eq!(
            split("It works. It is fine too.", chars(18)),
            ["It works.", "It is fine too."]
        );
        assert_eq!(
            split("你好。今天天气很好。", chars(7)),
            ["你好。", "今天天气很好。"]
        );
        assert_eq!(
            split("several words here", chars(10)),
            ["several", "words here"]
        );
    }

    #[test]
    fn a_grapheme_is_never_broken() {
        let families = "👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧";
        assert_eq!(split(families, chars(7)), ["👩‍👩‍👧"; 3]);
        assert_eq!(clip("👩‍👩‍👧👩‍👩‍👧", chars(7)), "👩‍👩‍👧…");
    }

    #[test]
    fn a_code_block_moves_whole_or_is_closed_and_opened_again() {
        let text = "Run this on it:\n```sh\ncargo run --release\n```\nDone.";
        assert_eq!(
            split(text, chars(40)),
            ["Run this on it:", "```sh\ncargo run --release\n```\nDone."]
        );
        let long = format!("```lua\n{}```", "local answer = 42\n".repeat(6));
        let pieces = split(&long, chars(60));
        assert!(pieces.len() > 1);
        for piece in &pieces {
            assert!(
                piece.starts_with("```lua\n") && piece.ends_with("\n```"),
                "{piece}"
            );
        }
    }

    #[test]
    fn a_break_never_falls_into_a_block_that_is_over() {
        let text = format!("Before.\n```\na\n\nb\n```\n{}", "word ".repeat(30));
        for max in 40..80 {
            for piece in split(&text, chars(max)) {
                assert_eq!(piece.matches("```").count() % 2, 0, "{max}: {piece}");
            }
        }
    }

    #[test]
    fn units_are_counted_as_the_platform_does() {
        assert_eq!(measure("é你😀", Unit::Byte), 9);
        assert_eq!(measure("é你😀", Unit::Utf16), 4);
        assert_eq!(measure("e\u{301}", Unit::Grapheme), 1);
        assert!(
            split(
                &"你".repeat(50),
                Limit {
                    max: 32,
                    unit: Unit::Byte
                }
            )
            .iter()
            .all(|p| p.len() <= 32)
        );
    }

    fn letters(text: &str) -> String {
        text.chars()
            .filter(|c| !c.is_whitespace() && *c != '`' && *c != '~')
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn pieces_keep_the_limit_and_lose_no_text(
            text in prop_oneof![
                "\\PC{0,300}",
                "([a-z]{1,9}[ .。\n!?]{0,2}){0,60}",
                "(你|好|。|👩‍👩‍👧|e\u{301}|\n|```x?\n|~~~\n| |a){0,120}",
            ],
            max in 8usize..90,
            unit in prop_oneof![Just(Unit::Char), Just(Unit::Byte), Just(Unit::Utf16), Just(Unit::Grapheme)],
        ) {
            let limit = Limit { max, unit };
            let pieces = split(&text, limit);
            for piece in &pieces {
                prop_assert!(fits(piece, limit), "{piece:?}");
                prop_assert!(!piece.trim().is_empty());
            }
            let said: String = pieces.iter().map(|p| letters(p)).collect();
            // Code blocks repeat their opening line, with its info string.
            if text.contains("```") || text.contains("~~~") {
                prop_assert!(said.len() >= letters(&text).len());
            } else {
                prop_assert_eq!(said, letters(&text));
            }
        }
    }
}
