//! Who is asking: bearer tokens, known by their hash only.

use std::{fmt, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tandem_domain::WorkspaceId;

use crate::{ApiState, error::ApiError, scope::Scope};

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 1024;

/// A token as the server knows it.
#[derive(Clone)]
pub struct Token {
    /// Stands as the author of what it writes.
    pub name: String,
    /// The one workspace it can see.
    pub workspace: WorkspaceId,
    pub scopes: Vec<Scope>,
    /// See [`Token::hash`].
    pub hash: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("name", &self.name)
            .field("workspace", &self.workspace)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// SHA-256 of the token. Tokens are long and random, so a plain hash keeps them.
    #[must_use]
    pub fn hash(token: &str) -> [u8; 32] {
        Sha256::digest(token.as_bytes()).into()
    }
}

/// What a route asks of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Any token.
    Token,
    Scope(Scope),
    /// The scope, unless the configuration opens it to everyone.
    Metrics,
}

/// Whose request this is. Only the check puts it there, so a handler that asks for it cannot be
/// reached without one.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    token: Arc<Token>,
}

impl Caller {
    pub fn name(&self) -> &str {
        &self.token.name
    }

    pub fn workspace(&self) -> &WorkspaceId {
        &self.token.workspace
    }

    /// # Errors
    /// When the token has not got it.
    pub fn needs(&self, scope: Scope) -> Result<(), ApiError> {
        let scopes = &self.token.scopes;
        if scopes.contains(&scope) || scopes.contains(&Scope::Admin) {
            return Ok(());
        }
        Err(ApiError::Forbidden(scope))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            ApiError::Internal("a route that asks for its caller does not check tokens".to_owned())
        })
    }
}

/// Lets a request through to the route it stands before.
pub(crate) async fn check(
    State((state, access)): State<(ApiState, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    if access == Access::Metrics && state.config().open_metrics {
        return next.run(request).await;
    }
    let Some(token) = presented(request.headers()).and_then(|text| find(state.tokens(), text))
    else {
        return ApiError::Unauthorized.into_response();
    };
    let caller = Caller { token };
    let allowed = match access {
        Access::Token => Ok(()),
        Access::Scope(scope) => caller.needs(scope),
        Access::Metrics => caller.needs(Scope::Metrics),
    };
    if let Err(error) = allowed {
        return error.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST)
        .then_some(token)
}

/// Takes as long whether and wherever it is found.
fn find(tokens: &[Arc<Token>], presented: &str) -> Option<Arc<Token>> {
    let hash = Token::hash(presented);
    let mut found = Choice::from(0);
    let mut place = 0_u64;
    for (i, token) in tokens.iter().enumerate() {
        let equal = token.hash.ct_eq(&hash);
        place.conditional_assign(&(i as u64), equal);
        found |= equal;
    }
    bool::from(found)
        .then(|| tokens.get(usize::try_from(place).ok()?).cloned())
        .flatten()
}
