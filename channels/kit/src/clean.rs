//! What is done to every text from outside: control characters, tricks with direction and
//! invisible characters go; what people type and see stays.

/// Cleans a text of several lines and cuts it to at most `max` bytes, at a whole character.
///
/// Line ends become `\n`; control characters but `\n` and tab go; so do the characters that turn
/// the reading direction of what follows, and characters nobody sees. A zero-width joiner stays
/// where emoji and scripts need it, tag characters stay in flags.
#[must_use]
pub fn text(input: &str, max: usize) -> String {
    let mut out = String::with_capacity(input.len().min(max));
    let mut chars = input.chars().peekable();
    let mut last = None;
    let mut in_flag = false;
    while let Some(c) = chars.next() {
        let c = match c {
            '\r' => {
                if chars.peek() == Some(&'\n') {
                    chars.next();
                }
                '\n'
            }
            '\u{0085}' | '\u{2028}' | '\u{2029}' => '\n',
            c => c,
        };
        let keep = match c {
            '\n' | '\t' => true,
            c if c.is_control() => false,
            _ if invisible(c) => false,
            '\u{200C}' | '\u{200D}' => {
                last.is_some_and(joins) && chars.peek().copied().is_some_and(joins)
            }
            '\u{E0020}'..='\u{E007F}' => in_flag,
            _ => true,
        };
        if !keep {
            continue;
        }
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
        in_flag = c == '\u{1F3F4}' || (in_flag && ('\u{E0020}'..='\u{E007E}').contains(&c));
        last = Some(c);
    }
    out
}

/// Cleans a text of one line: like [`text`], with every run of white space one space, none at the
/// ends.
#[must_use]
pub fn line(input: &str, max: usize) -> String {
    let mut out = String::with_capacity(input.len().min(max));
    for word in text(input, usize::MAX).split_whitespace() {
        let gap = usize::from(!out.is_empty());
        if out.len() + gap + word.len() > max {
            // A single word that is too long still says something.
            if out.is_empty() {
                out.push_str(&text(word, max));
            }
            break;
        }
        if gap == 1 {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// A file name that is only that: no path, nothing hidden, at most 120 bytes with its ending kept.
#[must_use]
pub fn file_name(input: &str) -> String {
    let base = input.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = line(base, 4096)
        .chars()
        .filter(|c| !matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?' | '%' | ';'))
        .collect();
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() {
        return "file".to_owned();
    }
    if name.len() <= 120 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 10 => {
            format!("{}.{ending}", text(stem, 119 - ending.len()))
        }
        _ => text(name, 120),
    }
}

/// Characters that show nothing themselves, or turn what stands after them around.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180E}' | '\u{200B}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E001F}')
}

/// May a zero-width joiner stand beside this?
fn joins(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !matches!(c, '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_line_ends_become_one() {
        assert_eq!(text("a\0b\u{7}c\r\nd\re\tf\u{9f}", 100), "abc\nd\ne\tf");
    }

    #[test]
    fn direction_overrides_and_invisible_characters_go() {
        assert_eq!(
            text(
                "pay \u{202E}drocer\u{202C} \u{200B}can\u{2060}cel\u{FEFF}",
                100
            ),
            "pay drocer cancel"
        );
        assert_eq!(text("re\u{200D}fund\u{200D}", 100), "refund");
        assert_eq!(text("ok\u{E0041}\u{E0042}", 100), "ok");
    }

    #[test]
    fn emoji_and_scripts_keep_their_joiners() {
        for kept in ["👩‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "❤️‍🔥", "क्‍ष"]
        {
            assert_eq!(text(kept, 100), kept);
        }
    }

    #[test]
    fn a_cut_falls_between_characters() {
        assert_eq!(text("你好", 5), "你");
        assert_eq!(line("one  two\nthree", 8), "one two");
    }

    #[test]
    fn file_names_lose_their_paths() {
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("C:\\x\\发票.pdf"), "发票.pdf");
        assert_eq!(file_name(".."), "file");
        assert_eq!(file_name(".htaccess"), "htaccess");
        assert_eq!(file_name("a\r\nSet-Cookie: x.png"), "a Set-Cookie x.png");
        assert_eq!(file_name("evil\u{202E}gnp.exe"), "evilgnp.exe");
        assert!(file_name(&format!("{}.png", "长".repeat(200))).ends_with(".png"));
    }
}
