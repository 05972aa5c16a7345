//! The webhook. A request is verified, opened, understood and committed, in this order, and only
//! then answered.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Deserialize;
use tandem_channel_kit::{
    Inbox,
    hook::{self, BODY_MAX, Refused},
};
use tandem_domain::Timestamp;
use tokio::time::Instant;

use crate::{
    channel::Shared,
    family::{MARGIN, PATIENCE},
    fields,
    inbound::{self, Told},
    menu, passive,
};

/// Longest text that is echoed when the address is tried.
const ECHO_MAX: usize = 1024;
/// What the platform takes for "all is well, and there is nothing to say".
const SUCCESS: &str = "success";

#[derive(Clone)]
struct Hook {
    shared: Arc<Shared>,
    inbox: Inbox,
}

/// The endpoint of one account.
pub(crate) fn routes(shared: Arc<Shared>, inbox: Inbox) -> Router {
    let path = format!("/hooks/{}/{}", shared.account.channel, shared.account.id);
    Router::new()
        .route(&path, get(tried).post(told))
        .with_state(Hook { shared, inbox })
}

/// What stands in the address.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Signed {
    /// Of time and nonce alone.
    signature: String,
    /// Of the sealed message, too.
    msg_signature: String,
    timestamp: String,
    nonce: String,
    echostr: String,
}

/// An address that cannot be read is a stranger's like any other.
type Asked = Result<Query<Signed>, QueryRejection>;

/// All is well.
pub(crate) fn success() -> Response {
    plain(SUCCESS.to_owned())
}

fn plain(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// The platform tries the address: companies' with a sealed text, apps' in the open.
async fn tried(State(hook): State<Hook>, signed: Asked) -> Response {
    let echoed = echo(&hook.shared, signed);
    echoed.unwrap_or_else(|refused| refused.answer(&hook.shared.account))
}

fn echo(shared: &Shared, signed: Asked) -> Result<Response, Refused> {
    let forged = || Refused::Forged("the address was tried without a good signature".into());
    let Ok(Query(signed)) = signed else {
        return Err(forged());
    };
    let Signed {
        signature,
        msg_signature,
        timestamp,
        nonce,
        echostr,
    } = signed;
    let seal = &shared.seal;
    if echostr.len() > ECHO_MAX {
        return Err(forged());
    }
    if shared.settings.family.is_corporate() {
        let opened = seal
            .admits(&msg_signature, &timestamp, &nonce, &echostr)
            .then(|| seal.open(&echostr))
            .flatten()
            .and_then(|echo| String::from_utf8(echo).ok());
        return opened.map(plain).ok_or_else(forged);
    }
    match seal.admits_plain(&signature, &timestamp, &nonce) {
        true => Ok(plain(echostr)),
        false => Err(forged()),
    }
}

/// A message as it came out of its envelope.
struct Opened {
    message: Vec<u8>,
    /// It was in one; then so is the answer.
    sealed: bool,
}

fn open(shared: &Shared, signed: &Signed, body: &[u8]) -> Result<Opened, Refused> {
    let Signed {
        signature,
        msg_signature,
        timestamp,
        nonce,
        ..
    } = signed;
    let forged = |why: &'static str| Refused::Forged(why.into());
    let encrypt = fields::read(body).and_then(|outer| fields::text(&outer, "Encrypt"));
    let Some(encrypt) = encrypt else {
        let plaintext = shared.settings.plaintext;
        return match plaintext && shared.seal.admits_plain(signature, timestamp, nonce) {
            true => Ok(Opened {
                message: body.to_vec(),
                sealed: false,
            }),
            false if plaintext => Err(forged("the signature is wrong")),
            false => Err(forged("the message is not encrypted")),
        };
    };
    if !shared
        .seal
        .admits(msg_signature, timestamp, nonce, &encrypt)
    {
        return Err(forged("the signature is wrong or missing"));
    }
    match shared.seal.open(&encrypt) {
        Some(message) => Ok(Opened {
            message,
            sealed: true,
        }),
        None => Err(forged(
            "the message was sealed with another key or for another account",
        )),
    }
}

async fn told(State(hook): State<Hook>, signed: Asked, body: Body) -> Response {
    let account = hook.shared.account.clone();
    let answered = heard(hook, signed, body).await;
    answered.unwrap_or_else(|refused| refused.answer(&account))
}

async fn heard(hook: Hook, signed: Asked, body: Body) -> Result<Response, Refused> {
    let begun = Instant::now();
    let shared = &hook.shared;
    let Query(signed) =
        signed.map_err(|_| Refused::Forged("the address is none of the platform's".into()))?;
    let body = hook::read(body, BODY_MAX).await?;
    let Opened { message, sealed } = open(shared, &signed, &body)?;
    let family = shared.settings.family;
    let mut told = fields::read(&message)
        .and_then(|fields| inbound::read(family, &shared.account, &fields, Timestamp::now()));
    if let Some(Told::Event(heard)) = &mut told {
        menu::name(&shared.settings.menu, &mut heard.inbound);
    }
    match told {
        None => {
            let reason = "a message is signed and has no known form";
            hook.inbox.accept_unknown(reason, &message).await?;
            Ok(success())
        }
        Some(Told::Nothing) => Ok(success()),
        Some(Told::Event(heard)) if family.in_band().is_some() => {
            let request = passive::Request {
                heard: *heard,
                message,
                sealed,
                begun,
            };
            passive::answer(hook.shared.clone(), hook.inbox, request).await
        }
        Some(Told::Event(heard)) => {
            // On a task of its own: the platform may give up the request, and the commit must not
            // go with it.
            let taken = tokio::spawn(async move {
                hook::take(&hook.inbox, vec![heard.inbound], &message).await
            });
            taken
                .await
                .map_err(|error| Refused::Later(error.to_string()))??;
            Ok(success())
        }
        Some(Told::Fetch { desk, token }) => fetch(hook, desk, token, begun).await,
    }
}

/// Fetches what there is within the platform's patience. A fetch that takes longer goes on; the
/// cursor keeps it from being lost.
async fn fetch(
    hook: Hook,
    desk: String,
    token: Option<String>,
    begun: Instant,
) -> Result<Response, Refused> {
    let work = tokio::spawn(async move {
        let Hook { shared, inbox } = hook;
        let fetched = shared.sync.fetch(&shared, &inbox, &desk, token).await;
        if fetched.is_err() {
            shared.sync.again();
        }
        fetched
    });
    match tokio::time::timeout_at(begun + PATIENCE - MARGIN, work).await {
        Err(_) | Ok(Ok(Ok(()))) => Ok(success()),
        Ok(Ok(Err(error))) => Err(Refused::Later(error.to_string())),
        Ok(Err(error)) => Err(Refused::Later(error.to_string())),
    }
}
