//! Answers in place of services: a body, an error, or one after another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tandem_domain::{
    Value,
    action::{ActionError, Request},
};
use tandem_lua::{HostError, HttpRequest, HttpResponse, PluginRequest};

use super::sim::{Actions, Moment};
use crate::model::Pack;

/// What each operation answers: `shop.find_order: {…}`. `{error: 404}` fails; a list answers in
/// turn, its last item for ever. A `lua:` step runs for real unless it is stubbed; the `http` of
/// its script is stubbed by `GET https://…`, by the address, or by its path, its `plugin.call` as a
/// step is: `parcel.track: {…}`.
#[derive(Clone, Default)]
pub struct Stubs {
    answers: BTreeMap<String, Value>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    used: BTreeMap<String, usize>,
    missing: Vec<String>,
}

impl Stubs {
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            shared: Arc::default(),
        }
    }

    /// Operations that were called and have no answer here.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .missing
            .clone()
    }

    fn next(&self, name: &str) -> Option<Result<Value, ActionError>> {
        let answer = self.answers.get(name)?;
        let answer = match answer {
            Value::Array(items) => {
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                let used = shared.used.entry(name.to_owned()).or_default();
                let item = items
                    .get(*used)
                    .or_else(|| items.last())
                    .cloned()
                    .unwrap_or(Value::Null);
                *used += 1;
                item
            }
            one => one.clone(),
        };
        if let Value::Object(map) = &answer
            && map.len() == 1
            && let Some(error) = map.get("error")
        {
            let code = error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned);
            return Some(Err(ActionError::new(&code, "stubbed to fail")));
        }
        Some(Ok(answer))
    }

    fn missed(&self, name: &str) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if !shared.missing.iter().any(|m| m == name) {
            shared.missing.push(name.to_owned());
        }
    }
}

impl super::lua::Outside for Stubs {
    fn plugin(&self, request: &PluginRequest) -> Result<Value, HostError> {
        let name = format!("{}.{}", request.plugin, request.method);
        match self.next(&name) {
            Some(answer) => answer.map_err(|error| HostError::new(&error.code, error.message)),
            None => {
                self.missed(&name);
                Err(HostError::new("unavailable", format!("no stub for {name}")))
            }
        }
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HostError> {
        let path = request
            .url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
            .unwrap_or(&request.url);
        let method = request.method.to_ascii_uppercase();
        let names = [
            format!("{method} {}", request.url),
            format!("{method} {path}"),
            request.url.clone(),
            path.to_owned(),
        ];
        for name in &names {
            let (status, body) = match self.next(name) {
                None => continue,
                Some(Ok(Value::String(text))) => (200, text),
                Some(Ok(value)) => (200, value.to_string()),
                Some(Err(error)) => match error.code.parse::<u16>() {
                    Ok(status) => (status, String::new()),
                    Err(_) => return Err(HostError::new(&error.code, error.message)),
                },
            };
            return Ok(HttpResponse {
                status,
                headers: BTreeMap::new(),
                body,
            });
        }
        self.missed(&names[0]);
        Err(HostError::new(
            "unavailable",
            format!("no stub for {}", names[0]),
        ))
    }
}

/// [`Stubs`] with real Lua behind them.
#[derive(Default)]
pub struct Stubbed {
    pub stubs: Stubs,
    store: Mutex<BTreeMap<String, Value>>,
}

impl Stubbed {
    #[must_use]
    pub fn new(stubs: Stubs) -> Self {
        Self {
            stubs,
            store: Mutex::default(),
        }
    }
}

impl Actions for Stubbed {
    fn call(&mut self, pack: &Pack, request: &Request, at: Moment) -> Result<Value, ActionError> {
        let name = match request {
            Request::Http {
                connection,
                operation,
                ..
            } => format!("{connection}.{operation}"),
            Request::Lua {
                module, function, ..
            } => format!("{module}.{function}"),
            Request::Plugin { plugin, method, .. } => format!("{plugin}.{method}"),
            Request::Answer { .. } => return Ok(Value::Array(Vec::new())),
        };
        if let Some(answer) = self.stubs.next(&name) {
            return answer;
        }
        if let Request::Lua {
            module,
            function,
            args,
        } = request
        {
            return super::lua::run(pack, module, function, args, at, &self.stubs, &self.store);
        }
        self.stubs.missed(&name);
        Err(ActionError::new(
            "unavailable",
            format!("no stub for {name}"),
        ))
    }
}
