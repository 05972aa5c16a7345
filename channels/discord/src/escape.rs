//! Plain text in Discord's Markdown: what means something there is escaped, so that customers see
//! what was said. Addresses stay whole, because an escaped one leads elsewhere.

/// Means something wherever it stands. Behind an escaped `<` and `[` nothing is a mention or a link.
const ANYWHERE: [char; 8] = ['\\', '*', '_', '~', '`', '|', '<', '['];

/// The text as Markdown that shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    let mut at_start = true;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = address(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            at_start = false;
            continue;
        }
        if ANYWHERE.contains(&c) || (at_start && begins_block(rest)) {
            out.push('\\');
        } else if at_start && let Some(digits) = numbered(rest) {
            // A numbered list would count anew.
            out.push_str(&rest[..digits]);
            out.push('\\');
            rest = &rest[digits..];
            at_start = false;
            continue;
        }
        out.push(c);
        at_start = c == '\n' || (at_start && c == ' ');
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Whether a heading, a quote or a list begins here.
fn begins_block(line: &str) -> bool {
    let heads = ["#", "-#", ">", "- ", "+ "];
    heads.iter().any(|head| line.starts_with(head))
}

/// How many digits stand before the point of a numbered entry.
fn numbered(line: &str) -> Option<usize> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && line[digits..].starts_with(". ")).then_some(digits)
}

/// How long the address is that begins here.
fn address(text: &str) -> Option<usize> {
    if !text.starts_with("https://") && !text.starts_with("http://") {
        return None;
    }
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|' | '`'));
    Some(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_discord_would_read_is_escaped() {
        for (plain, shown) in [
            (
                "*a* _b_ ~~c~~ `d` ||e||",
                "\\*a\\* \\_b\\_ \\~\\~c\\~\\~ \\`d\\` \\|\\|e\\|\\|",
            ),
            ("<@1> <#2> <t:3>", "\\<@1> \\<#2> \\<t:3>"),
            ("[x](https://evil.test)", "\\[x](https://evil.test)"),
            ("# a\n> b\n  - c\n#d", "\\# a\n\\> b\n  \\- c\n\\#d"),
            ("3. c\n10. d 4. e", "3\\. c\n10\\. d 4. e"),
            (
                "see https://x.test/a_b_c*d and a_b",
                "see https://x.test/a_b_c*d and a\\_b",
            ),
            ("A-1 #5 2.50 你好", "A-1 #5 2.50 你好"),
            ("\\", "\\\\"),
        ] {
            assert_eq!(escape(plain), shown, "{plain}");
        }
    }

    proptest! {
        /// Taking the escapes away gives the text again, and no text more than doubles.
        #[test]
        fn nothing_is_lost(text in "[a1 .\\\\*_~`|<>#+\n-]{0,40}") {
            let escaped = escape(&text);
            let mut plain = String::new();
            let mut chars = escaped.chars();
            while let Some(c) = chars.next() {
                plain.extend(if c == '\\' { chars.next() } else { Some(c) });
            }
            prop_assert_eq!(&plain, &text);
            prop_assert!(escaped.chars().count() <= 2 * text.chars().count());
        }
    }
}
