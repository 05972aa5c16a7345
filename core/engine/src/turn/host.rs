//! What the stepper may call and know besides the event.

use serde_json::json;
use tandem_domain::{Map, Timestamp, Value};
use tandem_flow::{
    model::Pack,
    step::{Around, Host, LuaAnswer},
};
use tandem_lua::{Limits, Session};

use crate::{draft::Draft, journal::LuaCall, lanes::Lane};

/// Lua's pure functions for one turn, journalled.
pub(super) struct Stepping {
    now: Timestamp,
    /// The state of the pack last called, made when Lua is first reached.
    session: Option<(String, Session)>,
    pub(super) calls: Vec<LuaCall>,
}

impl Stepping {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            session: None,
            calls: Vec::new(),
        }
    }
}

impl Host for Stepping {
    fn lua(&mut self, pack: &Pack, module: &str, function: &str, args: &[Value]) -> LuaAnswer {
        if self
            .session
            .as_ref()
            .is_none_or(|(hash, _)| *hash != pack.hash)
        {
            let session = Session::new(&pack.lua, Limits::pure(), self.now, 0);
            self.session = Some((pack.hash.clone(), session));
        }
        let answer = match &mut self.session {
            Some((_, session)) => {
                off_the_workers(|| crate::actions::lua::pure(session, module, function, args))
            }
            None => LuaAnswer::Failed("no Lua state could be made".into()),
        };
        self.calls.push(LuaCall {
            module: module.to_owned(),
            function: function.to_owned(),
            value: args.first().cloned().unwrap_or_default(),
            answer: answer.clone(),
        });
        answer
    }
}

/// A script may take its whole time budget; other tasks of this worker go on meanwhile.
fn off_the_workers<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

pub(super) fn around(draft: &Draft, lane: &Lane) -> Around {
    let mut contact: Map = draft.contact.attributes.clone();
    contact.extend(lane.private.clone());
    contact.extend(draft.private.clone());
    contact.insert("id".into(), json!(draft.contact.id));
    contact.insert("name".into(), json!(draft.contact.name));
    contact.insert("locale".into(), json!(draft.contact.locale));
    let c = &draft.conversation;
    let conversation = json!({
        "id": c.id, "channel": c.channel, "account": c.account, "tags": c.tags,
        "session": c.session, "started_at": c.created_at, "status": c.status,
        "routing_state": c.routing_state,
        "first": lane.version.is_none(),
    });
    Around {
        contact,
        conversation: match conversation {
            Value::Object(map) => map,
            _ => Map::new(),
        },
        channel: c.channel.clone(),
        control: c.control,
        locale: Some(c.locale.clone()),
    }
}
