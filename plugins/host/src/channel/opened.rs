//! What `channel.open` says.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tandem_domain::capabilities::{Capabilities, Choices};

use crate::{
    Said,
    plugin::{Backend, Generation},
};

/// Beyond these no platform goes, and a host that adapts messages to them would waste itself.
const TEXT_MAX: usize = 1 << 20;
const PARTS_MAX: usize = 100;
const CHOICES_MAX: usize = 1000;
const PACES_MAX: usize = 16;
/// Longest a webhook's request is held open for an answer.
const IN_BAND_MAX_MS: u64 = 60_000;
const ADDRESSES_MAX: usize = 16;
const ADDRESS_MAX: usize = 2048;

/// An account as its plugin opened it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    pub capabilities: Capabilities,
    pub in_band: Option<Duration>,
    pub addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Edge {
    #[serde(default)]
    in_band_ms: Option<u64>,
    #[serde(default)]
    addresses: Vec<String>,
}

impl Opened {
    /// Asks an instance that nobody else calls yet.
    pub(crate) async fn of(generation: &Generation, limit: Duration) -> Result<Self, Said> {
        let request = br#"{"params": {}}"#.to_vec();
        let said = match &generation.backend {
            Backend::Native(native) => native.call("channel.open", request, Some(limit)).await,
            Backend::Process(process) => process.call("channel.open", request, Some(limit)).await,
        };
        match said {
            Ok(said) => Self::read(said),
            Err(error) => Err(error.said()),
        }
    }

    fn read(mut said: Value) -> Result<Self, Said> {
        // A list of nothing would read as capabilities that are all left out.
        if !said.is_object() {
            return Err(Said::new("it is not an object", "它不是对象"));
        }
        let edge: Edge = serde_path_to_error::deserialize(&said).map_err(misread)?;
        if let Some(fields) = said.as_object_mut() {
            fields.remove("in_band_ms");
            fields.remove("addresses");
        }
        let capabilities: Capabilities =
            serde_path_to_error::deserialize(&said).map_err(misread)?;
        sane(&capabilities)?;
        let in_band = match edge.in_band_ms {
            Some(ms) if !(1..=IN_BAND_MAX_MS).contains(&ms) => {
                return Err(between("in_band_ms", 1, IN_BAND_MAX_MS));
            }
            ms => ms.map(Duration::from_millis),
        };
        let fits = |address: &String| (1..=ADDRESS_MAX).contains(&address.len());
        if edge.addresses.len() > ADDRESSES_MAX || !edge.addresses.iter().all(fits) {
            return Err(Said::new(
                format!("addresses: at most {ADDRESSES_MAX}, none of them empty"),
                format!("addresses：最多 {ADDRESSES_MAX} 个，均不得为空"),
            ));
        }
        Ok(Self {
            capabilities,
            in_band,
            addresses: edge.addresses,
        })
    }
}

/// A field that is of another kind.
fn misread(why: serde_path_to_error::Error<serde_json::Error>) -> Said {
    let (path, inner) = (why.path(), why.inner());
    Said::new(why.to_string(), format!("{path}：内容不符：{inner}"))
}

fn between(field: &str, least: impl fmt::Display, most: impl fmt::Display) -> Said {
    Said::new(
        format!("{field}: {least} to {most} are possible"),
        format!("{field}：可为 {least} 至 {most}"),
    )
}

/// Whether a message can be fitted to them at all.
fn sane(caps: &Capabilities) -> Result<(), Said> {
    if !(16..=TEXT_MAX).contains(&caps.text.max) {
        return Err(between("text.max", 16, TEXT_MAX));
    }
    if !(1..=PARTS_MAX).contains(&caps.batch_max) {
        return Err(between("batch_max", 1, PARTS_MAX));
    }
    let choices: [(&str, Option<Choices>); 3] = [
        ("buttons", caps.buttons),
        ("list", caps.list),
        ("quick_replies", caps.quick_replies),
    ];
    for (name, choices) in choices {
        let Some(choices) = choices else { continue };
        let room = (1..=CHOICES_MAX).contains(&choices.max) && choices.label.max > 0;
        if !room {
            return Err(Said::new(
                format!("{name}: it has no room; leave it out instead"),
                format!("{name}：没有容量；请不要填写"),
            ));
        }
        if choices.value.max < 8 {
            return Err(Said::new(
                format!("{name}.value.max: a value needs room for 8 at least"),
                format!("{name}.value.max：至少应为 8"),
            ));
        }
    }
    let rate = &caps.rate;
    for paces in [&rate.account, &rate.chat, &rate.group] {
        let wrong = paces.iter().any(|pace| pace.count == 0 || pace.secs == 0);
        if wrong || paces.len() > PACES_MAX {
            return Err(Said::new(
                "rate: a number of sends a second, or {count, secs}, above 0",
                "rate：应为大于 0 的每秒发送次数，或 {count, secs}",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_a_channel_cannot_do() {
        let opened = Opened::read(json!({})).unwrap();
        assert_eq!(opened.capabilities, Capabilities::default());
        assert_eq!((opened.in_band, opened.addresses), (None, Vec::new()));
        let opened = Opened::read(json!({
            "text": {"max": 400, "unit": "byte"}, "in_band_ms": 4500, "addresses": ["bot"],
        }))
        .unwrap();
        assert_eq!(opened.capabilities.text.max, 400);
        assert_eq!(opened.in_band, Some(Duration::from_millis(4500)));
        assert_eq!(opened.addresses, ["bot"]);
    }

    #[test]
    fn what_no_channel_can_be_is_refused() {
        for wrong in [
            json!([]),
            json!(null),
            json!("text"),
            json!({"txt": {}}),
            json!({"text": {"max": 3}}),
            json!({"text": {"max": u64::MAX}}),
            json!({"text": {"max": -1}}),
            json!({"batch_max": 0}),
            json!({"buttons": {"max": 0, "label": {"max": 1}, "value": {"max": 9}}}),
            json!({"list": {"max": 1, "label": {"max": 1}, "value": {"max": 7}}}),
            json!({"rate": {"account": 0}}),
            json!({"in_band_ms": 0}),
            json!({"in_band_ms": 3_600_000}),
            json!({"addresses": [""]}),
            json!({"addresses": vec!["a"; 17]}),
        ] {
            let said = Opened::read(wrong.clone()).unwrap_err();
            assert_ne!(said.en, said.zh, "{wrong}");
        }
    }
}
