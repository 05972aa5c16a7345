//! Events as a plugin hands them in.

use serde_json::Value;
use tandem_channel_kit::Account;
use tandem_domain::message::{Inbound, InboundKind, Part};

/// The year 10000, in milliseconds: no clock of a platform shows it.
const END_OF_TIME: i64 = 253_402_300_800_000;

/// Reads one event and stamps it: whatever it says of channel and account, it is this account's.
///
/// # Errors
/// Where and why it is none.
pub(super) fn read(mut event: Value, account: &Account) -> Result<Inbound, String> {
    let Some(fields) = event.as_object_mut() else {
        return Err("an event is an object".to_owned());
    };
    fields.insert("channel".to_owned(), account.channel.as_str().into());
    fields.insert("account".to_owned(), account.id.as_str().into());
    let event: Inbound = serde_path_to_error::deserialize(event).map_err(|why| why.to_string())?;
    let possible = 0..END_OF_TIME;
    if !possible.contains(&event.ts.0) {
        return Err("ts: milliseconds since 1970".to_owned());
    }
    if let InboundKind::Receipt {
        until: Some(until), ..
    } = &event.kind
        && !possible.contains(&until.0)
    {
        return Err("kind.until: milliseconds since 1970".to_owned());
    }
    for part in &event.parts {
        // Names what this server keeps, for whoever can name it.
        if let Part::Media(media) = part
            && media.reference.starts_with("file:")
        {
            return Err("parts: a `ref` is the platform's, never a stored file".to_owned());
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_channel_kit::fake;

    use super::*;

    fn good() -> Value {
        json!({"id": "e1", "conversation": {"id": "ada"}, "sender": {"id": "ada"}, "ts": 1,
            "kind": {"type": "message"}, "parts": [{"type": "text", "text": "hi"}]})
    }

    #[test]
    fn an_event_is_the_accounts_whatever_it_says() {
        let mut lying = good();
        lying["account"] = "another".into();
        lying["channel"] = 7.into();
        lying["from_a_newer_plugin"] = true.into();
        let event = read(lying, &fake::account("irc", "libera")).unwrap();
        assert_eq!(
            (event.channel.as_str(), event.account.as_str()),
            ("irc", "libera")
        );
        assert_eq!(event.text(), "hi");
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_place() {
        let with = |path: &str, value: Value| {
            let mut event = good();
            *event.pointer_mut(path).unwrap() = value;
            read(event, &fake::account("irc", "libera")).unwrap_err()
        };
        assert!(with("/sender/id", json!(7)).starts_with("sender.id"));
        assert!(with("/ts", json!(-1)).starts_with("ts"));
        assert!(with("/ts", json!(END_OF_TIME)).starts_with("ts"));
        assert!(with("/ts", json!(1.5)).starts_with("ts"));
        assert!(with("/kind/type", json!("toast")).contains("toast"));
        assert!(with("/parts/0/type", json!("toast")).contains("parts[0]"));
        let stolen = json!({"type": "media", "media": "file", "ref": "file:1", "mime": "a/b"});
        assert!(with("/parts/0", stolen).contains("stored file"));
        for none in [json!(null), json!([]), json!("e")] {
            assert!(read(none, &fake::account("irc", "libera")).is_err());
        }
    }
}
