//! A program of one's own knows the channels it adds, in every command.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tandem_channel_kit::{
    Channel, Kind, Opening,
    kind::{Complaint, OpenError},
};
use tandem_domain::capabilities::Capabilities;
use tandem_server::{
    channels,
    config::{Config, Environment},
};

struct Pigeon;

#[async_trait]
impl Kind for Pigeon {
    fn name(&self) -> &str {
        "pigeon"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        if settings.get("loft").is_some() {
            return Vec::new();
        }
        vec![Complaint {
            path: Vec::new(),
            en: "missing field `loft`".into(),
            zh: "缺少 `loft`".into(),
        }]
    }

    async fn open(&self, _: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        Err(OpenError::Failed("nothing is opened here".into()))
    }
}

#[test]
fn an_added_kind_is_configured_like_any_other() {
    channels::add(vec![Arc::new(Pigeon)]);
    let parse = |settings: &str| {
        let text = format!(
            "workspaces: {{default: {{pack: .}}}}\nchannels: {{pigeon: {{accounts: {{main: {settings}}}}}}}\n"
        );
        Config::parse(&text, "tandem.yaml", &Environment::default())
    };
    assert!(parse("{loft: north}").is_ok());
    let problems = parse("{}").unwrap_err();
    assert!(format!("{problems:?}").contains("loft"), "{problems:?}");
    let names = channels::Kinds::shipped().names();
    assert!(names.contains(&"pigeon".to_owned()) && names.contains(&"line".to_owned()));
}
