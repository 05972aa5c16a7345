//! What the engine, the API and the channels are built with: secrets looked up, generated ones
//! kept in the data folder.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use tandem_api::{ApiConfig, Token};
use tandem_channel_web::config::{Config as WebConfig, Key};
use tandem_domain::WorkspaceId;
use tandem_engine::seal::SealKey;

use super::{Config, Environment, Limits, Secret, SecretError, WebAccount};

/// Shortest API token, in characters.
const TOKEN: usize = 32;

/// Why a server cannot be built from a configuration that is otherwise right.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{setting}: {source}")]
    Secret {
        /// `api.tokens.crm`.
        setting: String,
        source: SecretError,
    },
    #[error("the generated key {path} cannot be used")]
    Generated {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl From<&Limits> for tandem_engine::Config {
    fn from(limits: &Limits) -> Self {
        Self {
            reopen_window: limits.reopen_window.0,
            lanes_in_memory: limits.lanes_in_memory,
            actions_at_once: limits.actions_at_once,
            sends_at_once: limits.sends_at_once,
            send_lease: limits.send_lease.0,
            send_attempts: limits.send_attempts,
            send_ttl: limits.send_ttl.0,
            turn_attempts: limits.turn_attempts,
            drain: limits.drain.0,
            ..Self::default()
        }
    }
}

impl Config {
    /// # Errors
    /// When a token's secret is not there or too short.
    pub fn api(&self, env: &Environment) -> Result<ApiConfig, WireError> {
        let mut tokens = Vec::with_capacity(self.api.tokens.len());
        for token in &self.api.tokens {
            let workspace = WorkspaceId::new(&token.workspace);
            let hash = match (&token.secret, &token.sha256) {
                (Some(secret), _) => {
                    let setting = || format!("api.tokens.{}", token.name);
                    let text = found(secret, env, setting)?;
                    if text.chars().count() < TOKEN {
                        return Err(WireError::Secret {
                            setting: setting(),
                            source: SecretError::Unusable(
                                secret.clone(),
                                "a token has at least 32 characters",
                            ),
                        });
                    }
                    Token::hash(&text)
                }
                (None, hash) => hex(hash.as_deref().unwrap_or_default())
                    .expect("a token without a secret has a hash of 64 digits: it was checked"),
            };
            tokens.push(Token {
                name: token.name.clone(),
                workspace,
                scopes: token.scopes.clone(),
                hash,
            });
        }
        Ok(ApiConfig {
            tokens,
            open_metrics: self.api.open_metrics,
            streams: self.api.streams,
            body_limit: usize::try_from(self.server.body_limit.0).unwrap_or(usize::MAX),
            request_timeout: self.server.request_timeout.0,
        })
    }

    /// The key for sensitive answers at rest; the first start makes one where none is named.
    ///
    /// # Errors
    /// When it cannot be read, or is no key.
    pub fn seal_key(&self, env: &Environment) -> Result<SealKey, WireError> {
        let Some(secret) = &self.secrets.seal_key else {
            let path = self.data_dir.join("keys").join("seal.key");
            let text = generated(&path)?;
            let bytes = hex(&text).ok_or_else(|| no_key(&path))?;
            return Ok(SealKey::new(&bytes).expect("32 bytes are a key"));
        };
        let setting = || "secrets.seal_key".to_owned();
        let text = found(secret, env, setting)?;
        let bytes = hex(text.trim()).ok_or_else(|| WireError::Secret {
            setting: setting(),
            source: SecretError::Unusable(secret.clone(), "a key is written as 64 hex digits"),
        })?;
        Ok(SealKey::new(&bytes).expect("32 bytes are a key"))
    }

    /// The key of the embedding service, if there is one and it wants a key.
    ///
    /// # Errors
    /// When it is not where the configuration says.
    pub fn embedder_key(&self, env: &Environment) -> Result<Option<String>, WireError> {
        let embedder = self.understanding.embedder.as_ref();
        let secret = embedder.and_then(|e| e.endpoint.as_ref()?.api_key.as_ref());
        let setting = || "understanding.embedder.endpoint.api_key".to_owned();
        secret.map(|secret| found(secret, env, setting)).transpose()
    }

    /// The web channel's settings for an account, by name.
    ///
    /// # Errors
    /// When a key cannot be read, or is too short.
    pub fn web_account(
        &self,
        name: &str,
        account: &WebAccount,
        env: &Environment,
    ) -> Result<WebConfig, WireError> {
        let setting = |key: &str| format!("channels.web.accounts.{name}.{key}");
        let mut keys = Vec::with_capacity(account.keys.len().max(1));
        for key in &account.keys {
            let secret = found(&key.secret, env, || setting("keys"))?;
            if secret.len() < 32 {
                return Err(WireError::Secret {
                    setting: setting("keys"),
                    source: SecretError::Unusable(
                        key.secret.clone(),
                        "a signing key has at least 32 bytes",
                    ),
                });
            }
            keys.push(Key {
                id: key.id.clone(),
                secret,
            });
        }
        if keys.is_empty() {
            let path = self.data_dir.join("keys").join(format!("web-{name}.key"));
            keys.push(Key {
                id: "data".to_owned(),
                secret: generated(&path)?,
            });
        }
        let identity = match &account.identity_secret {
            None => None,
            Some(secret) => {
                let text = found(secret, env, || setting("identity_secret"))?;
                if text.len() < 16 {
                    return Err(WireError::Secret {
                        setting: setting("identity_secret"),
                        source: SecretError::Unusable(
                            secret.clone(),
                            "an identity secret has at least 16 bytes",
                        ),
                    });
                }
                Some(text)
            }
        };
        Ok(account.channel(keys, identity))
    }
}

fn found(
    secret: &Secret,
    env: &Environment,
    setting: impl Fn() -> String,
) -> Result<String, WireError> {
    match secret.resolve(env) {
        Ok(text) => Ok(text.expose().to_owned()),
        Err(source) => Err(WireError::Secret {
            setting: setting(),
            source,
        }),
    }
}

/// The key in this file, 64 hex digits, made when there is none. Only the owner can read it.
fn generated(path: &Path) -> Result<String, WireError> {
    let failed = |source| WireError::Generated {
        path: path.to_owned(),
        source,
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim_end().to_owned();
            return hex(&text).map(|_| text).ok_or_else(|| no_key(path));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let key: String = SealKey::generate()
        .bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Under another name first: a half-written key would lock everyone out.
    let part = path.with_extension("part");
    let mut file = options.open(&part).map_err(failed)?;
    file.write_all(key.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)?;
    tracing::info!(path = %path.display(), "A key was made and kept; keep it with the database.");
    Ok(key)
}

fn no_key(path: &Path) -> WireError {
    WireError::Generated {
        path: path.to_owned(),
        source: std::io::Error::other("it does not hold 64 hex digits"),
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}
