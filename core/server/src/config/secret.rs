//! Secrets: the configuration says where one is kept, never what it is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use super::env::Environment;

/// Longest secret file that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// How [`Secret`] tells its caller, through serde, that a secret stood there in plain sight.
pub(super) const LITERAL: &str = "\u{0}literal secret";

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, whole; the line break at its end does not count.
    File(PathBuf),
}

/// What a secret is. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    #[error("{0} is empty")]
    Empty(Secret),
    #[error("the secret file {path} cannot be read")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret file {0} is larger than 64 KB")]
    TooLarge(PathBuf),
    /// What it is used for asks for something else.
    #[error("{0} holds no usable secret: {1}")]
    Unusable(Secret, &'static str),
}

impl SecretError {
    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::NotSet(name) => format!("未设置环境变量 {name}"),
            Self::Empty(Secret::Env(name)) => format!("环境变量 {name} 为空"),
            Self::Empty(Secret::File(path)) => format!("密钥文件 {} 为空", path.display()),
            Self::Unreadable { path, .. } => format!("无法读取密钥文件 {}", path.display()),
            Self::TooLarge(path) => format!("密钥文件 {} 超过 64 KB", path.display()),
            Self::Unusable(..) => "该密钥无法使用".to_owned(),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the secret file {}", path.display()),
        }
    }
}

impl SecretText {
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl Secret {
    /// # Errors
    /// When nothing is kept there, or it cannot be read.
    pub fn resolve(&self, env: &Environment) -> Result<SecretText, SecretError> {
        let text = match self {
            Self::Env(name) => env
                .get(name)
                .ok_or_else(|| SecretError::NotSet(name.clone()))?
                .to_owned(),
            Self::File(path) => read(path)?,
        };
        if text.is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        Ok(SecretText(text))
    }

    /// Reads a relative path from `folder`.
    pub(super) fn rebase(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }
}

fn read(path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LONGEST {
        return Err(SecretError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{env: NAME} or {file: PATH}")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(LITERAL))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "snake_case")]
        enum Where {
            Env,
            File,
        }
        let mut found = None;
        while let Some(key) = map.next_key::<Where>()? {
            let secret = match key {
                Where::Env => Secret::Env(map.next_value()?),
                Where::File => Secret::File(map.next_value()?),
            };
            if found.replace(secret).is_some() {
                return Err(A::Error::custom(super::problem::said(
                    "a secret is kept in one place: `env` or `file`, not both",
                    "密钥只能存放在一处：`env` 或 `file`，不能同时使用",
                )));
            }
        }
        let name_is_usable = |secret: &Secret| match secret {
            Secret::Env(name) => !name.is_empty() && !name.contains(['=', '\0']),
            Secret::File(path) => !path.as_os_str().is_empty(),
        };
        found.filter(name_is_usable).ok_or_else(|| {
            A::Error::custom(super::problem::said(
                "this names no place: write {env: NAME} or {file: PATH}",
                "此处没有写明存放位置：请写 {env: 变量名} 或 {file: 路径}",
            ))
        })
    }
}
