//! The language of what the program says to people: English and Chinese.

pub use tandem_flow::diagnostic::Lang;

/// `--lang`, else `LC_ALL`, `LC_MESSAGES`, `LANG`, else what the system says.
#[must_use]
pub fn choose(asked: Option<Lang>) -> Lang {
    asked.unwrap_or_else(|| {
        ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
            .or_else(sys_locale::get_locale)
            .map_or(Lang::En, |tag| Lang::of(&tag))
    })
}

/// Reads `--lang`.
///
/// # Errors
/// For every language but the two.
pub fn parse(tag: &str) -> Result<Lang, String> {
    match tag.to_ascii_lowercase().split(['-', '_']).next() {
        Some("en") => Ok(Lang::En),
        Some("zh") => Ok(Lang::Zh),
        _ => Err("en or zh / 可选 en 或 zh".into()),
    }
}

/// The words in one of the two languages.
pub trait Pick {
    fn pick<T>(self, en: T, zh: T) -> T;
}

impl Pick for Lang {
    fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        assert_eq!(Lang::of("zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(Lang::of("C.UTF-8"), Lang::En);
        assert_eq!(parse("zh-Hant"), Ok(Lang::Zh));
        assert!(parse("fr").is_err());
    }
}
