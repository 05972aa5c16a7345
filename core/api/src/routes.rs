//! Every route, the scope it asks for and its description, each said once.

use axum::{Json, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, PathItem, Ref, RefOr, ResponseBuilder,
        content::ContentBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt},
    routes,
};

use crate::{
    ApiState, accounts,
    auth::{self, Access},
    contacts, conversations, dead_letters,
    error::{ApiError, ErrorBody},
    events, files, frame, health, messages, packs, plugins,
    scope::Scope,
    stream, tickets, understanding,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Bot and people answering customers as one team. Instants are milliseconds since 1970 in UTC. Lists answer `{items, next}`; hand `next` back for the next page."
    ),
    components(schemas(ErrorBody, Scope)),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of the configuration; each route names its scope.",
            ))
            .build();
        description
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// All routes of the API, with an answer for every address that is none: merge channels' own
/// routes into it.
pub fn router(state: ApiState) -> Router {
    let guarded = |route: Route, access| {
        let check = middleware::from_fn_with_state((state.clone(), access), auth::check);
        route.map(|methods| methods.route_layer(check))
    };
    let (router, _) = all(guarded).split_for_parts();
    router
        .fallback(async || ApiError::NotFound("address"))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(frame::panicked))
        .layer(middleware::from_fn_with_state(state.clone(), frame::frame))
        .with_state(state)
}

/// The description of every route, as `/api/v1/openapi.json` serves it.
#[must_use]
pub fn openapi() -> openapi::OpenApi {
    all(|route, _| route).into_openapi()
}

type Route = UtoipaMethodRouter<ApiState>;

/// The table of routes. `guard` puts the check of the token before a route.
fn all(guard: impl Fn(Route, Access) -> Route) -> OpenApiRouter<ApiState> {
    let guarded = |route, access| guard(describe(route, access), access);
    let scoped = |route, scope| guarded(route, Access::Scope(scope));
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(files::open))
        .routes(guarded(routes!(health::figures), Access::Metrics))
        .routes(guarded(routes!(description), Access::Token))
        .routes(scoped(
            routes!(conversations::list),
            Scope::ConversationsRead,
        ))
        .routes(scoped(
            routes!(conversations::show),
            Scope::ConversationsRead,
        ))
        .routes(scoped(routes!(messages::list), Scope::ConversationsRead))
        .routes(scoped(routes!(files::download), Scope::ConversationsRead))
        .routes(scoped(routes!(messages::reply), Scope::ConversationsWrite))
        .routes(scoped(routes!(messages::edit), Scope::ConversationsWrite))
        .routes(scoped(routes!(messages::delete), Scope::ConversationsWrite))
        .routes(scoped(
            routes!(conversations::typing),
            Scope::ConversationsWrite,
        ))
        .routes(scoped(
            routes!(conversations::resolve),
            Scope::ConversationsWrite,
        ))
        .routes(scoped(
            routes!(conversations::give_back),
            Scope::ConversationsWrite,
        ))
        .routes(scoped(
            routes!(conversations::trace),
            Scope::ConversationsRead,
        ))
        .routes(scoped(
            routes!(conversations::timers),
            Scope::ConversationsRead,
        ))
        .routes(scoped(routes!(contacts::show), Scope::ConversationsRead))
        .routes(scoped(routes!(tickets::list), Scope::ConversationsRead))
        .routes(scoped(
            routes!(dead_letters::list),
            Scope::ConversationsRead,
        ))
        .routes(scoped(
            routes!(dead_letters::resend),
            Scope::ConversationsWrite,
        ))
        .routes(scoped(routes!(accounts::list), Scope::ConversationsRead))
        .routes(scoped(routes!(accounts::resume), Scope::ConversationsWrite))
        .routes(scoped(routes!(accounts::reload), Scope::ConversationsWrite))
        .routes(scoped(routes!(accounts::unknown), Scope::ConversationsRead))
        .routes(scoped(routes!(events::accept), Scope::EventsWrite))
        .routes(scoped(routes!(events::list), Scope::EventsRead))
        .routes(scoped(routes!(stream::open), Scope::EventsRead))
        .routes(scoped(routes!(packs::list), Scope::PacksRead))
        .routes(scoped(routes!(packs::reload), Scope::PacksWrite))
        .routes(scoped(routes!(plugins::list), Scope::PluginsRead))
        .routes(scoped(routes!(plugins::reload), Scope::PluginsWrite))
        .routes(scoped(routes!(plugins::disable), Scope::PluginsWrite))
        .routes(scoped(routes!(plugins::enable), Scope::PluginsWrite))
        .routes(scoped(routes!(understanding::explain), Scope::PacksRead))
}

/// This description, in OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "getOpenApi", tag = "health",
    responses((status = 200, description = "An OpenAPI document")))]
async fn description() -> Json<openapi::OpenApi> {
    Json(openapi())
}

/// Adds what every guarded route has in common: its scope, and how it refuses.
fn describe((schemas, mut paths, methods): Route, access: Access) -> Route {
    let scopes: &[&str] = match access {
        Access::Token => &[],
        Access::Scope(scope) => &[scope.as_str()],
        Access::Metrics => &[Scope::Metrics.as_str()],
    };
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            operation.security = Some(vec![SecurityRequirement::new("token", scopes.to_vec())]);
            for (status, words) in [
                ("401", "No valid token"),
                ("403", "The token lacks the scope"),
                ("default", "Any other failure"),
            ] {
                let refusal = ResponseBuilder::new()
                    .description(words)
                    .content(
                        "application/json",
                        ContentBuilder::new()
                            .schema(Some(Ref::from_schema_name("ErrorBody")))
                            .build(),
                    )
                    .build();
                operation
                    .responses
                    .responses
                    .entry(status.to_owned())
                    .or_insert(RefOr::T(refusal));
            }
        }
    }
    (schemas, paths, methods)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    item.get
        .iter_mut()
        .chain(&mut item.post)
        .chain(&mut item.patch)
        .chain(&mut item.delete)
}
