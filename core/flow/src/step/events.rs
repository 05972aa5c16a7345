//! What else comes in: presses, events of the business, pages of its site.

use tandem_domain::{
    Map, Value,
    reading::{Emotion, Reading, Target},
};

use super::{Event, run::Run, thresholds as at};

impl Run<'_> {
    pub fn press_event(
        &mut self,
        event: &Event,
        token: &str,
        label: Option<&str>,
        reading: &Reading,
    ) {
        self.state.last_at = self.now;
        let known = self
            .state
            .buttons
            .iter()
            .find(|b| b.token == token)
            .map(|b| b.label.clone());
        let words = known.as_deref().or(label).unwrap_or("").to_owned();
        let mut message = Map::new();
        message.insert("text".into(), Value::from(words.as_str()));
        message.insert("sentiment".into(), Value::from(0));
        for (name, _) in Emotion::default().levels() {
            message.insert(name.into(), Value::from(0));
        }
        self.message = Value::Object(message);
        if self.silent {
            self.tell_agent(&words);
            return;
        }
        if self.is_acting() {
            self.defer(event);
            return;
        }
        self.opening = None;
        if known.is_none()
            && let Some(candidate) = self.meant(reading, at::HIGH)
            && label.is_some()
            && !matches!(candidate.target, Target::Trigger(_))
        {
            // From an earlier conversation: what it starts can start anew.
            self.matched(&candidate);
            match &candidate.target {
                Target::Flow(name) => {
                    self.start_flow(name, "a button of an earlier conversation");
                }
                Target::Faq(path) => {
                    if self.answer_faq(path, path) {
                        self.ask_again();
                    }
                }
                Target::Trigger(_) => {}
            }
            return;
        }
        self.press(token);
    }

    pub fn signal(&mut self, event: &Event, name: &str, data: &Value) {
        if self.is_acting() && !self.silent {
            self.defer(event);
            return;
        }
        if self.wake_by_event(name) {
            return;
        }
        let flow = self
            .current
            .flows
            .values()
            .find(|f| f.start_when.event.as_deref() == Some(name))
            .map(|f| f.name.clone());
        let Some(flow) = flow else {
            self.note(
                "event",
                &format!("nothing waits for `{name}` or starts on it"),
            );
            return;
        };
        if self.silent {
            self.note(
                "event",
                &format!("{name}: people have the conversation, so {flow} does not start"),
            );
            return;
        }
        if let Some(scope) = self.start_flow(&flow, &format!("the event {name}"))
            && let Value::Object(fields) = data
        {
            let pack = self.current.clone();
            for (field, value) in fields {
                if pack.slots.contains_key(field) {
                    self.set_coerced(&pack, scope, field, value);
                }
            }
        }
    }

    pub fn page(&mut self, url: &str, seconds: u64) {
        if self.silent || !self.state.frames.is_empty() {
            self.note("page", "something is open: a page starts nothing");
            return;
        }
        let path = path_of(url);
        let flow = self
            .current
            .flows
            .values()
            .find(|f| {
                f.start_when.page.as_ref().is_some_and(|p| {
                    let long = p.after.is_none_or(|after| {
                        super::cal::millis(after) <= seconds.saturating_mul(1_000)
                    });
                    long && (glob(&p.url, path) || glob(&p.url, url))
                }) && !self.state.pages.contains(&f.name)
            })
            .map(|f| f.name.clone());
        if let Some(flow) = flow {
            self.state.pages.insert(flow.clone());
            self.start_flow(&flow, "the page the visitor is on");
        }
    }
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if url.contains("://") {
        rest.find('/').map_or("/", |at| &rest[at..])
    } else {
        rest
    }
}

/// `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else {
        return false;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(previous) = last.replace(part) {
            match rest.find(previous) {
                Some(at) => rest = &rest[at + previous.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(tail) => rest.ends_with(tail),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_matched_by_glob() {
        assert!(glob("/cart*", "/cart/1?x=2"));
        assert!(glob("*/product/*", "/en/product/7"));
        assert!(glob("/cart", "/cart"));
        assert!(!glob("/cart", "/cart/1"));
        assert!(!glob("/a*b*c", "/acb"));
        assert_eq!(path_of("https://x.test/cart?a=1"), "/cart?a=1");
        assert_eq!(path_of("https://x.test"), "/");
    }
}
