//! Choices that were shown, and what the customer may answer to them.

use serde::{Deserialize, Serialize};

/// The options of one message as the customer saw them. Kept by the engine until it is used, a
/// newer one replaces it, or it expires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Menu {
    /// Numbered from 1 in this order.
    pub options: Vec<MenuOption>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuOption {
    pub label: String,
    /// What the choice means to the flow.
    pub value: String,
    /// What the platform carries instead, where the value is too long for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Menu {
    /// The option behind a native press.
    #[must_use]
    pub fn pressed(&self, native: &str) -> Option<&MenuOption> {
        self.options
            .iter()
            .find(|o| o.key.as_deref().unwrap_or(&o.value) == native)
    }

    /// The option a typed answer means: its exact label (letter case and spacing aside), else its
    /// number as `2`, `２`, `②`, `二`, `2.` or `(2)`. Anything else stays text.
    #[must_use]
    pub fn answer(&self, text: &str) -> Option<&MenuOption> {
        let typed = fold(text);
        if typed.is_empty() {
            return None;
        }
        if let Some(option) = self.options.iter().find(|o| fold(&o.label) == typed) {
            return Some(option);
        }
        let number = number(&typed)?;
        self.options.get(number.checked_sub(1)?)
    }
}

/// See [`Menu::answer`]: the value of the option that is meant.
#[must_use]
pub fn menu_answer<'a>(text: &str, menu: &'a Menu) -> Option<&'a str> {
    menu.answer(text).map(|o| o.value.as_str())
}

/// Lower case, full-width forms as plain ones, single spaces.
fn fold(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
            '\u{3000}' => ' ',
            c => c,
        })
        .flat_map(char::to_lowercase)
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn number(typed: &str) -> Option<usize> {
    let bare = typed
        .trim_start_matches(['(', '[', '#'])
        .trim_end_matches([')', ']', '.', '。', '、', ',', ':', ' ']);
    let mut chars = bare.chars();
    if let (Some(c), None) = (chars.next(), chars.next())
        && let Some(n) = symbol(c)
    {
        return Some(n);
    }
    if !bare.is_empty() && bare.len() <= 3 && bare.bytes().all(|b| b.is_ascii_digit()) {
        return bare.parse().ok();
    }
    chinese(bare)
}

/// Enclosed digits.
fn symbol(c: char) -> Option<usize> {
    let from = |first: char| Some((c as usize) - (first as usize) + 1);
    match c {
        '①'..='⑳' => from('①'),
        '⑴'..='⒇' => from('⑴'),
        '⒈'..='⒛' => from('⒈'),
        '❶'..='❿' => from('❶'),
        '➀'..='➉' => from('➀'),
        '➊'..='➓' => from('➊'),
        '㈠'..='㈩' => from('㈠'),
        '㊀'..='㊉' => from('㊀'),
        _ => None,
    }
}

/// 一 to 九十九.
fn chinese(text: &str) -> Option<usize> {
    let digit = |c: char| match c {
        '一' => Some(1),
        '二' | '两' | '兩' => Some(2),
        '三' => Some(3),
        '四' => Some(4),
        '五' => Some(5),
        '六' => Some(6),
        '七' => Some(7),
        '八' => Some(8),
        '九' => Some(9),
        _ => None,
    };
    let chars: Vec<char> = text.chars().collect();
    match chars[..] {
        ['十'] => Some(10),
        [c] => digit(c),
        ['十', ones] => Some(10 + digit(ones)?),
        [tens, '十'] => Some(10 * digit(tens)?),
        [tens, '十', ones] => Some(10 * digit(tens)? + digit(ones)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(labels: &[&str]) -> Menu {
        Menu {
            options: labels
                .iter()
                .map(|l| MenuOption {
                    label: (*l).to_owned(),
                    value: format!("v:{l}"),
                    key: None,
                })
                .collect(),
        }
    }

    #[test]
    fn numbers_of_every_kind_choose() {
        let m = menu(&["Track it", "Return it", "退货", "Talk to us"]);
        for two in ["2", "２", "②", "二", " 2. ", "(2)", "2)", "两", "❷", "２．"] {
            assert_eq!(menu_answer(two, &m), Some("v:Return it"), "{two}");
        }
        assert_eq!(menu_answer("④", &m), Some("v:Talk to us"));
        for none in ["0", "5", "22", "2 please", "", "十", "99999999999999999999"] {
            assert_eq!(menu_answer(none, &m), None, "{none}");
        }
    }

    #[test]
    fn an_exact_label_wins_over_a_number() {
        let m = menu(&["2", "1", "ＡＢＣ  d"]);
        assert_eq!(menu_answer("1", &m), Some("v:1"));
        assert_eq!(menu_answer("3", &m), Some("v:ＡＢＣ  d"));
        assert_eq!(menu_answer("abc D", &m), Some("v:ＡＢＣ  d"));
    }

    #[test]
    fn two_digit_numbers_are_read() {
        let labels: Vec<String> = (1..=30).map(|n| format!("o{n}")).collect();
        let m = menu(&labels.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(menu_answer("二十三", &m), Some("v:o23"));
        assert_eq!(menu_answer("十二", &m), Some("v:o12"));
        assert_eq!(menu_answer("⑳", &m), Some("v:o20"));
    }
}
