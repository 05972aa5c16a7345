//! The webhook: `/hooks/{channel}/{account}`. A request is verified, understood and committed, in
//! this order, and only then answered.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::Response as HttpResponse,
    routing::any,
};
use tandem_channel_kit::{
    Inbox,
    hook::{self, Refused},
};

use crate::{
    account::Shared,
    event::Event,
    machine::Received,
    request::{Request, Response},
};

#[derive(Clone)]
struct Hook {
    shared: Arc<Shared>,
    inbox: Inbox,
}

/// The endpoints of one account.
pub(crate) fn routes(shared: Arc<Shared>, inbox: Inbox) -> Router {
    let base = format!("/hooks/{}/{}", shared.account.channel, shared.account.id);
    Router::new()
        .route(&base, any(hear))
        .with_state(Hook { shared, inbox })
}

async fn hear(
    State(hook): State<Hook>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    match judged(&hook, &method, &uri, &headers, body).await {
        Ok(response) => answer(response),
        Err(refused) => refused.answer(&hook.shared.account),
    }
}

async fn judged(
    hook: &Hook,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let shared = &hook.shared;
    if shared.stop.is_stopped() {
        return Err(Refused::Later("the server is stopping".to_owned()));
    }
    let Ok(_turn) = shared.requests.try_acquire() else {
        return Err(Refused::Later("too many requests at once".to_owned()));
    };
    let body = hook::read(body, shared.settings.body_limit).await?;
    let mut url = shared.webhook.as_str().to_owned();
    if let Some(query) = uri.query() {
        url.push('?');
        url.push_str(query);
    }
    let fields = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = Arc::new(Request::new(
        method.as_str(),
        &url,
        fields,
        body,
        shared.now(),
    ));
    take(hook, &request).await
}

/// Judges a request and commits what it says.
async fn take(hook: &Hook, request: &Arc<Request>) -> Result<Response, Refused> {
    let shared = &hook.shared;
    match receive(shared, request).await? {
        Received::Handshake(response) => Ok(response),
        Received::Refused(why) => Err(Refused::Forged(why.into())),
        Received::NotUnderstood(why) => {
            unread(hook, request, &why).await?;
            Ok(Response::default())
        }
        Received::Understood { events, response } => {
            let events = match Event::read_all(events) {
                Ok(events) => events,
                Err(words) => {
                    unread(hook, request, &words.en).await?;
                    return Ok(Response::default());
                }
            };
            commit(hook, request, events).await?;
            Ok(response)
        }
    }
}

async fn receive(shared: &Arc<Shared>, request: &Arc<Request>) -> Result<Received, Refused> {
    let ready = shared.ready();
    let keys = ready.version.machine.keys();
    if ready
        .version
        .caps
        .edge
        .keys
        .iter()
        .any(|url| keys.get(url).is_none())
    {
        return Err(Refused::Later(
            "the platform's public keys are not here yet".to_owned(),
        ));
    }
    if let Some(received) = ready.version.receive_at_once(request, &ready.values) {
        return Ok(received);
    }
    let request = request.clone();
    let received = shared
        .script
        .runner()
        .blocking(move || ready.version.receive(&request, &ready.values))
        .await;
    Ok(received)
}

/// Hands the events to the accounts they are for, those of our own first.
async fn commit(hook: &Hook, request: &Arc<Request>, events: Vec<Event>) -> Result<(), Refused> {
    let mut batches: Vec<(Hook, Vec<Event>)> = vec![(hook.clone(), Vec::new())];
    for event in events {
        let Some(target) = account(hook, request, event.account.as_deref()).await? else {
            let address = event.account.unwrap_or_default();
            let why = format!("no account has the address {address:?}");
            unread(hook, request, &why).await?;
            continue;
        };
        let known = batches
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(&known.shared, &target.shared));
        match known {
            Some((_, batch)) => batch.push(event),
            None => batches.push((target, vec![event])),
        }
    }
    for (target, events) in batches {
        if !events.is_empty() {
            accept(&target, request, events).await?;
        }
    }
    Ok(())
}

async fn accept(target: &Hook, request: &Request, events: Vec<Event>) -> Result<(), Refused> {
    let shared = &target.shared;
    let mut inbound = Vec::with_capacity(events.len());
    for event in events {
        let said = event.conversation.kind;
        let kind = shared.kind(&event.conversation.id, said).await?;
        inbound.push(event.inbound(&shared.account, kind, request.now));
    }
    hook::take(&target.inbox, inbound, &request.body).await?;
    Ok(())
}

/// The account an address selects. Another account's must accept the request by itself: whoever
/// holds the secret of one may not speak for another.
async fn account(
    own: &Hook,
    request: &Arc<Request>,
    address: Option<&str>,
) -> Result<Option<Hook>, Refused> {
    let Some(address) = address else {
        return Ok(Some(own.clone()));
    };
    if own.shared.settings.address.as_deref() == Some(address) {
        return Ok(Some(own.clone()));
    }
    let Some(inbox) = own.inbox.of(address) else {
        // Who was given no address takes what comes by their own.
        let open = own.shared.settings.address.is_none();
        return Ok(open.then(|| own.clone()));
    };
    let accounts = own.shared.script.accounts();
    let other = accounts
        .into_iter()
        .find(|other| other.account == *inbox.account());
    let Some(shared) = other else {
        return Ok(None);
    };
    if Arc::ptr_eq(&shared, &own.shared) {
        return Ok(Some(own.clone()));
    }
    let accepted = matches!(
        receive(&shared, request).await?,
        Received::Understood { .. }
    );
    Ok(accepted.then_some(Hook { shared, inbox }))
}

/// Keeps a body that is signed but not understood, for a person. Only then it is acknowledged.
async fn unread(hook: &Hook, request: &Request, why: &str) -> Result<(), Refused> {
    Ok(hook.inbox.accept_unknown(why, &request.body).await?)
}

fn answer(response: Response) -> HttpResponse {
    let mut answer = HttpResponse::new(Body::from(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::OK);
    for (name, value) in response.headers {
        let name = header::HeaderName::try_from(name);
        let value = HeaderValue::try_from(value);
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}
