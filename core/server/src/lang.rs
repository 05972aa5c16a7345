//! The language of what the program says to people: English and Chinese.

/// What a person reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

impl Lang {
    /// `--lang`, else `LC_ALL`, `LC_MESSAGES`, `LANG`, else what the system says.
    #[must_use]
    pub fn choose(asked: Option<Self>) -> Self {
        asked.unwrap_or_else(|| {
            ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
                .or_else(sys_locale::get_locale)
                .map_or(Self::En, |tag| Self::of(&tag))
        })
    }

    fn of(tag: &str) -> Self {
        if tag.to_ascii_lowercase().starts_with("zh") {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// The words in this language.
    #[must_use]
    pub fn pick<T>(self, en: T, zh: T) -> T {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    #[must_use]
    pub fn tag(self) -> &'static str {
        self.pick("en", "zh")
    }
}

impl std::str::FromStr for Lang {
    type Err = String;
    fn from_str(tag: &str) -> Result<Self, String> {
        match tag.to_ascii_lowercase().split(['-', '_']).next() {
            Some("en") => Ok(Self::En),
            Some("zh") => Ok(Self::Zh),
            _ => Err("en or zh / 可选 en 或 zh".into()),
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
        assert_eq!("zh-Hant".parse(), Ok(Lang::Zh));
        assert!("fr".parse::<Lang>().is_err());
    }
}
