//! Languages of packs, customers and texts.

use std::{borrow::Borrow, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A language tag as a pack names it: `en`, `zh`, `pt-BR`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Locale(Arc<str>);

impl Locale {
    #[must_use]
    pub fn new(tag: &str) -> Self {
        Self(Arc::from(tag))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language without region or script: `zh` of `zh-Hans-CN`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.0.split(['-', '_']).next().unwrap_or(&self.0)
    }

    /// The best of `offered` for this locale: the same tag, else the same language, else none.
    #[must_use]
    pub fn best<'a>(&self, offered: &'a [Locale]) -> Option<&'a Locale> {
        offered
            .iter()
            .find(|o| o.0.eq_ignore_ascii_case(&self.0))
            .or_else(|| {
                offered
                    .iter()
                    .find(|o| o.language().eq_ignore_ascii_case(self.language()))
            })
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl From<&str> for Locale {
    fn from(tag: &str) -> Self {
        Self::new(tag)
    }
}

impl Borrow<str> for Locale {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The same words in several languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text<T = String>(pub BTreeMap<Locale, T>);

impl<T> Text<T> {
    /// The words for `locale`: its own, its language's, the fallback's, or any.
    #[must_use]
    pub fn get(&self, locale: &Locale, fallback: &Locale) -> Option<&T> {
        self.own(locale)
            .or_else(|| self.own(fallback))
            .or_else(|| self.0.values().next())
    }

    fn own(&self, locale: &Locale) -> Option<&T> {
        self.0.get(locale).or_else(|| {
            self.0
                .iter()
                .find(|(l, _)| l.language() == locale.language())
                .map(|(_, words)| words)
        })
    }
}
