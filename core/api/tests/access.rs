//! Who gets in where: held against every route that the description names, so none is forgotten.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Ask, ask, bench, bench_with, get, post};
use tandem_api::{ApiConfig, Scope, openapi};
use uuid::Uuid;

/// (method, path, scopes); no list of scopes: open to everyone.
fn operations() -> Vec<(Method, String, Option<Vec<String>>)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let scopes = operation
                .get("security")
                .map(|security| serde_json::from_value(security[0]["token"].clone()).unwrap());
            operations.push((method, path.clone(), scopes));
        }
    }
    operations
}

fn request(method: &Method, path: &str) -> Ask {
    let path = path
        .replace("{id}", &Uuid::nil().to_string())
        .replace("{workspace}", "default")
        .replace("{seq}", "1");
    ask(method.clone(), path).header("content-type", "application/json")
}

#[test]
fn the_description_names_every_route() {
    let mut named: Vec<String> = operations()
        .iter()
        .map(|(method, path, scopes)| {
            let scopes = match scopes {
                None => "open".to_owned(),
                Some(scopes) if scopes.is_empty() => "any token".to_owned(),
                Some(scopes) => scopes.join(" "),
            };
            format!("{method} {path}: {scopes}")
        })
        .collect();
    named.sort();
    // Written out so that a change of who may do what is seen when it is made.
    let wanted = [
        "DELETE /api/v1/conversations/{id}/messages/{seq}: conversations:write",
        "GET /api/v1/accounts/unknown: conversations:read",
        "GET /api/v1/accounts: conversations:read",
        "GET /api/v1/contacts/{id}: conversations:read",
        "GET /api/v1/conversations/{id}/messages: conversations:read",
        "GET /api/v1/conversations/{id}/timers: conversations:read",
        "GET /api/v1/conversations/{id}/trace: conversations:read",
        "GET /api/v1/conversations/{id}: conversations:read",
        "GET /api/v1/conversations: conversations:read",
        "GET /api/v1/dead-letters: conversations:read",
        "GET /api/v1/events/stream: events:read",
        "GET /api/v1/events: events:read",
        "GET /api/v1/files/{id}: conversations:read",
        "GET /api/v1/openapi.json: any token",
        "GET /api/v1/packs: packs:read",
        "GET /api/v1/plugins: plugins:read",
        "GET /api/v1/tickets: conversations:read",
        "GET /files/{workspace}/{id}: open",
        "GET /healthz: open",
        "GET /metrics: metrics",
        "GET /readyz: open",
        "PATCH /api/v1/conversations/{id}/messages/{seq}: conversations:write",
        "POST /api/v1/accounts/{id}/reload: conversations:write",
        "POST /api/v1/accounts/{id}/resume: conversations:write",
        "POST /api/v1/conversations/{id}/messages: conversations:write",
        "POST /api/v1/conversations/{id}/resolve: conversations:write",
        "POST /api/v1/conversations/{id}/return: conversations:write",
        "POST /api/v1/conversations/{id}/typing: conversations:write",
        "POST /api/v1/dead-letters/{id}/resend: conversations:write",
        "POST /api/v1/events: events:write",
        "POST /api/v1/packs/reload: packs:write",
        "POST /api/v1/plugins/{name}/disable: plugins:write",
        "POST /api/v1/plugins/{name}/enable: plugins:write",
        "POST /api/v1/plugins/{name}/reload: plugins:write",
        "POST /api/v1/understanding/explain: packs:read",
    ];
    assert_eq!(named, wanted);
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut names: Vec<String> = operations()
        .iter()
        .map(|(method, path, _)| {
            let method = method.as_str().to_lowercase();
            document["paths"][path][method]["operationId"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[tokio::test]
async fn every_route_takes_its_own_scope_and_no_other() {
    let bench = bench().await;
    for (method, path, scopes) in operations() {
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let here = format!("{method} {path}");
        let without = request(&method, &path).without_token().to(&bench).await;
        let Some(scopes) = scopes else {
            assert!(!refused.contains(&without.status), "{here}");
            continue;
        };
        assert_eq!(without.status, StatusCode::UNAUTHORIZED, "{here}");
        assert_eq!(without.code(), "unauthorized");
        assert_eq!(without.headers["www-authenticate"], "Bearer");
        let wrong = request(&method, &path).by("nobody").to(&bench).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{here}");
        let bare = request(&method, &path).by("none").to(&bench).await;
        assert_eq!(
            bare.status == StatusCode::FORBIDDEN,
            !scopes.is_empty(),
            "{here}"
        );
        for scope in Scope::ALL {
            let answer = request(&method, &path).by(scope.as_str()).to(&bench).await;
            let may = scopes.is_empty()
                || scope == Scope::Admin
                || scopes.iter().any(|wanted| wanted == scope.as_str());
            assert_eq!(
                !refused.contains(&answer.status),
                may,
                "{here} with {scope:?}"
            );
            if !may {
                assert_eq!(
                    answer.status,
                    StatusCode::FORBIDDEN,
                    "{here} with {scope:?}"
                );
                assert_eq!(answer.body["error"]["details"]["scope"], scopes[0].as_str());
            }
        }
    }
}

#[tokio::test]
async fn only_one_whole_bearer_token_counts() {
    let bench = bench().await;
    let good = format!("Bearer {}", support::token("admin"));
    let long = format!("Bearer {}", "x".repeat(5000));
    let cut = &good[..good.len() - 1];
    let more = format!("{good}x");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        cut,
        &more,
        &long,
        "Basic YTpi",
        &good[7..],
    ] {
        let answer = get("/api/v1/packs")
            .without_token()
            .header("authorization", value)
            .to(&bench)
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        assert!(value.len() < 9 || !answer.text.contains(value));
    }
    let twice = get("/api/v1/packs")
        .header("authorization", &good)
        .to(&bench)
        .await;
    assert_eq!(twice.status, StatusCode::UNAUTHORIZED);
    let lower = get("/api/v1/packs")
        .without_token()
        .header("authorization", &good.replace("Bearer", "bearer"))
        .to(&bench)
        .await;
    assert_eq!(lower.status, StatusCode::OK);
    // Not in the address, where logs would keep it.
    let address = get(format!("/api/v1/packs?token={}", support::token("admin")))
        .without_token()
        .to(&bench)
        .await;
    assert_eq!(address.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn metrics_are_open_where_the_configuration_says_so() {
    let config = ApiConfig {
        open_metrics: true,
        ..ApiConfig::default()
    };
    let bench = bench_with(config).await;
    let answer = get("/metrics").without_token().to(&bench).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text, "# figures\n");
}

#[tokio::test]
async fn another_workspace_sees_and_changes_nothing() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    bench.says(&bench.shop, "ann2", "t1", "leave word").await;
    let conversation = get(format!("/api/v1/conversations/{id}")).to(&bench).await;
    let contact = conversation.body["contact"].as_str().unwrap().to_owned();
    for list in ["conversations", "tickets", "dead-letters", "events"] {
        let answer = get(format!("/api/v1/{list}")).by("rival").to(&bench).await;
        assert_eq!(answer.items().len(), 0, "{list}");
    }
    let single = [
        format!("contacts/{contact}"),
        format!("conversations/{id}"),
        format!("conversations/{id}/messages"),
        format!("conversations/{id}/timers"),
        format!("conversations/{id}/trace"),
    ];
    for path in single {
        let answer = get(format!("/api/v1/{path}")).by("rival").to(&bench).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let writes: [(String, Value); 6] = [
        (
            format!("conversations/{id}/messages"),
            json!({"text": "Hi"}),
        ),
        (format!("conversations/{id}/resolve"), json!({})),
        (format!("conversations/{id}/return"), json!({})),
        (
            "events".to_owned(),
            json!({"name": "order.shipped", "conversation": id}),
        ),
        (
            "events".to_owned(),
            json!({"name": "order.shipped", "contact": contact}),
        ),
        (
            "events".to_owned(),
            json!({"name": "order.shipped", "account": "shop", "native_id": "ann"}),
        ),
    ];
    for (path, body) in writes {
        let answer = post(format!("/api/v1/{path}"), body)
            .by("rival")
            .to(&bench)
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let after = get(format!("/api/v1/conversations/{id}")).to(&bench).await;
    assert_eq!(after.body, conversation.body);
}
