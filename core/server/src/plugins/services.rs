//! What plugins may ask of the server: values of their own. What accounts of channels ask of the
//! inbox the host answers before.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tandem_domain::{
    Timestamp, WorkspaceId,
    store::{Commit, Store, StoreError, Write},
};
use tandem_plugin_host::{Error, ServiceError, Services};

/// What a plugin keeps is its own, whatever workspace it works for; no workspace is called so.
const WORKSPACE: &str = ".plugins";
/// Bytes of a kept value.
const VALUE_MAX: usize = 64 << 10;
/// Bytes of a key.
const KEY_MAX: usize = 256;
/// What only a channel may ask.
const OF_CHANNELS: [&str; 5] = [
    "inbox.accept",
    "inbox.accept_unknown",
    "inbox.reply_within",
    "media.get",
    "receipt.update",
];

/// The services of all plugins.
pub struct PluginServices {
    store: Arc<dyn Store>,
}

impl PluginServices {
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn get(&self, plugin: &str, params: Value) -> Result<Value, ServiceError> {
        #[derive(Deserialize)]
        struct Get {
            key: String,
        }
        let Get { key } = read(params)?;
        bounded(&key)?;
        let kept = self
            .store
            .kv(&workspace(), &scope(plugin), &key, Timestamp::now())
            .await
            .map_err(failed)?;
        Ok(json!({"value": kept}))
    }

    async fn put(&self, plugin: &str, params: Value) -> Result<Value, ServiceError> {
        #[derive(Deserialize)]
        struct Put {
            key: String,
            #[serde(default)]
            value: Value,
            /// How long it is kept; for ever where absent.
            #[serde(default)]
            ttl_ms: Option<u64>,
        }
        let Put { key, value, ttl_ms } = read(params)?;
        bounded(&key)?;
        let scope = scope(plugin);
        let write = if value.is_null() {
            Write::KvDelete { scope, key }
        } else {
            if value.to_string().len() > VALUE_MAX {
                let why = format!("a kept value has at most {VALUE_MAX} bytes");
                return Err(ServiceError::TooLarge(why));
            }
            let expires_at = ttl_ms.map(|ttl| Timestamp::now() + Duration::from_millis(ttl));
            Write::KvPut {
                scope,
                key,
                value,
                expires_at,
            }
        };
        let mut commit = Commit::new(workspace());
        commit.writes.push(write);
        self.store.commit(commit).await.map_err(failed)?;
        Ok(json!({}))
    }
}

#[async_trait]
impl Services for PluginServices {
    async fn call(&self, plugin: &str, method: &str, params: Value) -> Result<Value, ServiceError> {
        match method {
            "kv.get" => self.get(plugin, params).await,
            "kv.put" => self.put(plugin, params).await,
            // The host answers those who are accounts of a channel.
            _ if OF_CHANNELS.contains(&method) => Err(ServiceError::Failed(Error::new(
                "no_channel",
                format!(
                    "this is no account of a channel: name the plugin `{plugin}` under `channels` in the configuration"
                ),
            ))),
            _ => Err(ServiceError::UnknownMethod),
        }
    }
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new(WORKSPACE)
}

fn scope(plugin: &str) -> String {
    format!("plugin:{plugin}")
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, ServiceError> {
    serde_json::from_value(params).map_err(|why| ServiceError::BadInput(why.to_string()))
}

fn bounded(key: &str) -> Result<(), ServiceError> {
    match key.len() {
        1..=KEY_MAX => Ok(()),
        _ => Err(ServiceError::BadInput(format!(
            "a key has 1 to {KEY_MAX} bytes"
        ))),
    }
}

/// The store's own words stay in the log.
fn failed(error: StoreError) -> ServiceError {
    tracing::warn!(%error, "A plugin's value could not be read or kept.");
    ServiceError::Busy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> (PluginServices, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let options = tandem_store::SqliteOptions::default();
        let store = tandem_store::open_sqlite(path.as_path(), options).unwrap();
        (PluginServices::new(store), folder)
    }

    #[tokio::test]
    async fn values_are_kept_by_plugin_replaced_forgotten_and_run_out() {
        let (services, _folder) = services();
        let get = async |plugin: &str, key: &str| {
            let answer = services.call(plugin, "kv.get", json!({"key": key})).await;
            answer.unwrap()["value"].clone()
        };
        let put = async |params: Value| services.call("parcel", "kv.put", params).await;
        assert_eq!(get("parcel", "a").await, Value::Null);
        put(json!({"key": "a", "value": {"n": 1}})).await.unwrap();
        put(json!({"key": "a", "value": {"n": 2}})).await.unwrap();
        assert_eq!(get("parcel", "a").await, json!({"n": 2}));
        assert_eq!(get("other", "a").await, Value::Null);
        put(json!({"key": "b", "value": 1, "ttl_ms": 0}))
            .await
            .unwrap();
        assert_eq!(get("parcel", "b").await, Value::Null);
        put(json!({"key": "a", "value": null})).await.unwrap();
        assert_eq!(get("parcel", "a").await, Value::Null);
        let large = put(json!({"key": "a", "value": "x".repeat(VALUE_MAX)})).await;
        assert!(matches!(large, Err(ServiceError::TooLarge(_))));
        for key in [String::new(), "k".repeat(KEY_MAX + 1)] {
            let refused = put(json!({"key": key, "value": 1})).await;
            assert!(matches!(refused, Err(ServiceError::BadInput(_))));
        }
    }

    #[tokio::test]
    async fn what_only_a_channel_may_ask_is_refused_to_others() {
        let (services, _folder) = services();
        let ask = async |method: &str| services.call("irc", method, json!({})).await;
        let refused = ask("inbox.accept").await.unwrap_err();
        assert!(matches!(refused, ServiceError::Failed(error) if error.code == "no_channel"));
        assert_eq!(ask("files.read").await, Err(ServiceError::UnknownMethod));
    }
}
