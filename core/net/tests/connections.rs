//! Declared services: how arguments become requests, and what never shows.
#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tandem_domain::{Map, Value};
use tandem_net::{Auth, ConnectionSpec, Connections, NetErrorKind, OperationSpec, Transport};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

const TOKEN: &str = "sesame-4711";

fn operation(method: &str, path: &str) -> OperationSpec {
    OperationSpec {
        method: method.into(),
        path: path.into(),
        ..OperationSpec::default()
    }
}

fn spec(server: &MockServer) -> ConnectionSpec {
    let key = OperationSpec {
        idempotency_header: Some("Idempotency-Key".into()),
        ..operation("POST", "/returns")
    };
    ConnectionSpec {
        name: "shop".into(),
        base_url: format!("{}/api/", server.uri()),
        hosts: vec!["127.0.0.1".into()],
        allow_private: true,
        headers: [("x-shop".to_owned(), "1".to_owned())].into(),
        retries: 0,
        operations: [
            ("find_order".to_owned(), operation("GET", "/orders")),
            (
                "order".to_owned(),
                operation("GET", "/orders/{id}/lines/{line}"),
            ),
            ("cancel".to_owned(), operation("delete", "/orders/{id}")),
            ("create_return".to_owned(), operation("POST", "/returns")),
            ("safe_return".to_owned(), key),
        ]
        .into(),
        ..ConnectionSpec::default()
    }
}

fn secrets(name: &str) -> Option<String> {
    (name == "SHOP_TOKEN").then(|| TOKEN.to_owned())
}

fn build(spec: ConnectionSpec) -> Connections {
    Connections::new(&[spec], &secrets, &Transport::system().unwrap()).unwrap()
}

async fn server() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true})))
        .mount(&server)
        .await;
    server
}

fn args(value: Value) -> Map {
    value.as_object().unwrap().clone()
}

async fn last(server: &MockServer) -> Request {
    server.received_requests().await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn arguments_fill_the_path_then_the_query_or_the_body() {
    let server = server().await;
    let shop = build(spec(&server));
    let response = shop
        .call(
            "shop",
            "find_order",
            &args(json!({"number": 7, "email": "a+b@x.test", "none": null, "tag": ["a", "b"]})),
            None,
            None,
        )
        .await
        .unwrap();
    assert_eq!(response.value().unwrap(), json!({"ok": true}));
    let request = last(&server).await;
    assert_eq!(request.url.path(), "/api/orders");
    assert_eq!(
        request.url.query(),
        Some("email=a%2Bb%40x.test&number=7&tag=a&tag=b")
    );
    assert_eq!(request.headers["x-shop"], "1");

    shop.call(
        "shop",
        "order",
        &args(json!({"id": "A/1 ?#%2e", "line": 3, "full": true})),
        None,
        None,
    )
    .await
    .unwrap();
    let request = last(&server).await;
    assert_eq!(
        request.url.path(),
        "/api/orders/A%2F1%20%3F%23%252e/lines/3"
    );
    assert_eq!(request.url.query(), Some("full=true"));

    shop.call(
        "shop",
        "create_return",
        &args(json!({"order": {"id": "A1"}, "qty": 2})),
        Some("k1"),
        None,
    )
    .await
    .unwrap();
    let request = last(&server).await;
    assert_eq!(
        request.body_json::<Value>().unwrap(),
        json!({"order": {"id": "A1"}, "qty": 2})
    );
    assert!(
        !request.headers.contains_key("idempotency-key"),
        "the operation takes none"
    );

    shop.call("shop", "safe_return", &args(json!({})), Some("k1"), None)
        .await
        .unwrap();
    assert_eq!(last(&server).await.headers["idempotency-key"], "k1");

    shop.call("shop", "cancel", &args(json!({"id": "A1"})), None, None)
        .await
        .unwrap();
    assert_eq!(last(&server).await.method.as_str(), "DELETE");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_before_anything_leaves() {
    let server = server().await;
    let shop = build(spec(&server));
    for (name, value) in [
        ("order", json!({"line": 1})),
        ("order", json!({"id": "..", "line": 1})),
        ("order", json!({"id": ".", "line": 1})),
        ("order", json!({"id": "", "line": 1})),
        ("order", json!({"id": null, "line": 1})),
        ("order", json!({"id": ["a"], "line": 1})),
        ("find_order", json!({"filter": {"a": 1}})),
        ("nosuch", json!({})),
    ] {
        let error = shop
            .call("shop", name, &args(value.clone()), None, None)
            .await
            .unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Invalid, "{name} {value}");
    }
    let error = shop
        .call("nosuch", "x", &Map::new(), None, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Invalid);
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn services_know_us_by_the_declared_secret() {
    for (auth, header, value) in [
        (
            Auth::Bearer {
                token_env: "SHOP_TOKEN".into(),
            },
            "authorization",
            format!("Bearer {TOKEN}"),
        ),
        (
            Auth::Basic {
                user: "bot".into(),
                password_env: "SHOP_TOKEN".into(),
            },
            "authorization",
            "Basic Ym90OnNlc2FtZS00NzEx".into(),
        ),
        (
            Auth::Header {
                name: "X-Api-Key".into(),
                value_env: "SHOP_TOKEN".into(),
            },
            "x-api-key",
            TOKEN.into(),
        ),
    ] {
        let server = server().await;
        let shop = build(ConnectionSpec {
            auth,
            ..spec(&server)
        });
        shop.call("shop", "find_order", &Map::new(), None, None)
            .await
            .unwrap();
        assert_eq!(last(&server).await.headers[header], value);
        assert!(
            shop.client()
                .send(
                    &tandem_net::Request::new(tandem_net::Method::GET, server.uri()),
                    None
                )
                .await
                .is_ok()
        );
        assert!(
            !last(&server).await.headers.contains_key(header),
            "Lua's client carries no secret"
        );
    }
}

#[tokio::test]
async fn a_secret_that_is_not_set_fails_the_call_by_its_name() {
    let server = server().await;
    let auth = Auth::Bearer {
        token_env: "OTHER".into(),
    };
    let shop = build(ConnectionSpec {
        auth,
        ..spec(&server)
    });
    let error = shop
        .call("shop", "find_order", &Map::new(), None, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Misconfigured);
    assert_eq!(error.message, "shop needs OTHER, which is not set");
    assert_eq!(
        shop.missing_secrets().collect::<Vec<_>>(),
        [("shop", "OTHER")]
    );
}

#[tokio::test]
async fn declarations_that_make_no_sense_are_all_reported() {
    let server = server().await;
    let broken = |change: &dyn Fn(&mut ConnectionSpec)| {
        let mut spec = spec(&server);
        change(&mut spec);
        spec
    };
    let specs = [
        broken(&|s| s.base_url = "shop".into()),
        broken(&|s| s.base_url = "ftp://127.0.0.1/".into()),
        broken(&|s| s.base_url = "http://u:p@127.0.0.1/".into()),
        broken(&|s| s.base_url = "http://127.0.0.1/?x=1".into()),
        broken(&|s| s.hosts = vec!["other.test".into()]),
        broken(&|s| s.hosts = vec!["*".into()]),
        broken(&|s| s.allow_private = false),
        broken(&|s| drop(s.headers.insert("host".into(), "x".into()))),
        broken(&|s| drop(s.headers.insert("x".into(), "a\nb".into()))),
        broken(&|s| drop(s.operations.insert("x".into(), operation("BREW", "/")))),
        broken(&|s| drop(s.operations.insert("x".into(), operation("GET", "orders")))),
        broken(&|s| {
            drop(
                s.operations
                    .insert("x".into(), operation("GET", "//evil.test/")),
            )
        }),
        broken(&|s| drop(s.operations.insert("x".into(), operation("GET", "/{id")))),
        broken(&|s| drop(s.operations.insert("x".into(), operation("GET", "/id}")))),
        broken(&|s| drop(s.operations.insert("x".into(), operation("GET", "/{a b}")))),
    ];
    let errors = Connections::new(&specs, &secrets, &Transport::system().unwrap()).unwrap_err();
    assert_eq!(errors.len(), specs.len(), "{errors:#?}");
}

/// Collects what would be logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn secrets_and_urls_show_neither_in_logs_nor_in_errors() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    let mut spec = ConnectionSpec {
        auth: Auth::Bearer {
            token_env: "SHOP_TOKEN".into(),
        },
        retries: 1,
        ..spec(&server)
    };
    let given = args(json!({"email": "ann@x.test"}));
    let shop = build(spec.clone());
    shop.call("shop", "find_order", &given, None, None)
        .await
        .unwrap();
    spec.base_url = "http://127.0.0.1:1/".into();
    let error = build(spec)
        .call("shop", "find_order", &given, None, None)
        .await
        .unwrap_err();
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        logged.contains("A call failed and is tried again."),
        "{logged}"
    );
    for text in [logged, format!("{error} {error:?}"), format!("{shop:?}")] {
        assert!(!text.contains(TOKEN) && !text.contains("ann"), "{text}");
    }
}
