//! The client against services that hang, lie, fail and flood.
#![allow(clippy::unwrap_used)]

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tandem_net::{
    Body, Client, IdempotencyKey, Method, NetError, NetErrorKind, Policy, Request, Resolver,
    Response, Transport,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

/// Answers to any name with the same addresses.
struct Fixed(Vec<IpAddr>);

#[async_trait]
impl Resolver for Fixed {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn policy() -> Policy {
    Policy {
        name: "shop".into(),
        allow_private: true,
        timeout: Duration::from_secs(20),
        backoff: Duration::from_millis(1),
        retry_after_max: Duration::from_millis(5),
        ..Policy::default()
    }
    .with_hosts(["127.0.0.1", "localhost"])
    .unwrap()
}

fn impatient() -> Policy {
    Policy {
        timeout: Duration::from_millis(150),
        retries: 0,
        ..policy()
    }
}

async fn send(policy: Policy, request: &Request) -> Result<Response, NetError> {
    Client::new(policy).unwrap().send(request, None).await
}

async fn fails(policy: Policy, request: &Request) -> NetError {
    send(policy, request).await.unwrap_err()
}

fn get(url: impl std::fmt::Display) -> Request {
    Request::new(Method::GET, url.to_string())
}

fn post(url: impl std::fmt::Display) -> Request {
    let mut request = Request::new(Method::POST, url.to_string());
    request.body = Body::Json(json!({"qty": 1}));
    request
}

/// A server that reads the head of a request and then does as told.
async fn serve<F, Fut>(answer: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    match stream.read_buf(&mut head).await {
                        Ok(0) | Err(_) => return,
                        Ok(_) => {}
                    }
                }
                answer(stream).await;
            });
        }
    });
    address
}

async fn say(mut stream: TcpStream, text: &'static str) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn an_answer_comes_whatever_its_status() {
    let server = MockServer::start().await;
    Mock::given(path("/missing"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"error": "no such order"})))
        .mount(&server)
        .await;
    let response = send(policy(), &get(format!("{}/missing", server.uri())))
        .await
        .unwrap();
    assert_eq!(response.status, 404);
    assert_eq!(response.value().unwrap(), json!({"error": "no such order"}));
}

#[tokio::test]
async fn a_service_that_hangs_ends_in_a_timeout() {
    let address = serve(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let error = fails(impatient(), &get(format!("http://{address}/"))).await;
    assert_eq!(
        (error.kind, error.uncertain, error.code()),
        (NetErrorKind::Timeout, false, "timeout")
    );
    let error = fails(impatient(), &post(format!("http://{address}/"))).await;
    assert_eq!(
        (error.kind, error.uncertain, error.code()),
        (NetErrorKind::Timeout, true, "unknown")
    );
}

#[tokio::test]
async fn a_service_that_drips_ends_in_a_timeout() {
    let address = serve(|mut stream| async move {
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        if stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.is_err() {
            return;
        }
        loop {
            tick.tick().await;
            if stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;
    let started = Instant::now();
    let error = fails(impatient(), &get(format!("http://{address}/"))).await;
    assert_eq!(error.kind, NetErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_deadline_bounds_all_attempts() {
    let address = serve(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let client = Client::new(Policy {
        retries: 1000,
        ..policy()
    })
    .unwrap();
    let deadline = Instant::now() + Duration::from_millis(150);
    let error = client
        .send(&get(format!("http://{address}/")), Some(deadline))
        .await
        .unwrap_err();
    assert_eq!(error.kind, NetErrorKind::Timeout);
    let gone = client
        .send(&post(format!("http://{address}/")), Some(deadline))
        .await
        .unwrap_err();
    assert_eq!(gone.kind, NetErrorKind::Timeout);
    assert!(!gone.uncertain, "nothing was sent after the deadline");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_at_once_where_it_says_so() {
    let address = serve(|stream| {
        say(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\nxxxx",
        )
    })
    .await;
    let error = fails(policy(), &get(format!("http://{address}/"))).await;
    assert_eq!(
        (error.kind, error.code()),
        (NetErrorKind::TooLarge, "too_large")
    );
    let error = fails(policy(), &post(format!("http://{address}/"))).await;
    assert!(error.uncertain, "the service has done its work");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let address = serve(move |mut stream| {
        let counter = counter.clone();
        async move {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let block = vec![b'x'; 64 << 10];
            while stream.write_all(&block).await.is_ok() {
                counter.fetch_add(block.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    let error = fails(policy(), &get(format!("http://{address}/"))).await;
    assert_eq!(error.kind, NetErrorKind::TooLarge);
    assert!(sent.load(Ordering::Relaxed) < 64 << 20);
}

#[tokio::test]
async fn answers_that_lie_or_are_no_http_are_errors() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nshort",
        "HTTP/1.1 999999 WHAT\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\0\0\0\0",
        "",
    ] {
        let address = serve(move |stream| say(stream, answer)).await;
        let error = fails(
            Policy {
                retries: 0,
                ..policy()
            },
            &get(format!("http://{address}/")),
        )
        .await;
        assert_eq!(
            (error.kind, error.code()),
            (NetErrorKind::Broken, "unavailable"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let address = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let line = format!("x-{}: {}\r\n", "a".repeat(50), "b".repeat(5000));
        while stream.write_all(line.as_bytes()).await.is_ok() {}
    })
    .await;
    let error = fails(
        Policy {
            retries: 0,
            ..policy()
        },
        &get(format!("http://{address}/")),
    )
    .await;
    assert!(
        matches!(error.kind, NetErrorKind::Broken | NetErrorKind::TooLarge),
        "{error:?}"
    );
    let address = serve(|mut stream| async move {
        let header = format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
            "b".repeat(100 << 10)
        );
        let _ = stream.write_all(header.as_bytes()).await;
    })
    .await;
    let error = fails(
        Policy {
            retries: 0,
            ..policy()
        },
        &get(format!("http://{address}/")),
    )
    .await;
    assert_eq!(error.kind, NetErrorKind::TooLarge);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let server = MockServer::start().await;
    let target = format!("http://localhost:{}/admin", server.address().port());
    Mock::given(path("/go"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", target))
        .mount(&server)
        .await;
    let response = send(policy(), &get(format!("{}/go", server.uri())))
        .await
        .unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_that_leads_into_the_own_network_is_refused() {
    let server = MockServer::start().await;
    let port = server.address().port();
    for address in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "64:ff9b::7f00:1",
    ] {
        let resolver = Fixed(vec![
            "93.184.216.34".parse().unwrap(),
            address.parse().unwrap(),
        ]);
        let transport = Transport::new(Arc::new(resolver)).unwrap();
        let policy = Policy {
            retries: 3,
            ..policy()
        }
        .with_hosts(["shop.example.test"])
        .unwrap();
        let client = Client::with_transport(policy, &transport);
        let error = client
            .send(&post(format!("http://shop.example.test:{port}/")), None)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.uncertain, error.code()),
            (NetErrorKind::Refused, false, "refused"),
            "{address}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn localhost_works_where_it_is_listed() {
    let server = MockServer::start().await;
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let transport = Transport::new(Arc::new(Fixed(vec!["127.0.0.1".parse().unwrap()]))).unwrap();
    let url = format!("http://localhost:{}/", server.address().port());
    let client = Client::with_transport(policy(), &transport);
    assert!(client.send(&get(&url), None).await.unwrap().is_success());
    let public = Policy {
        allow_private: false,
        ..policy()
    };
    let client = Client::with_transport(public, &transport);
    assert_eq!(
        client.send(&get(&url), None).await.unwrap_err().kind,
        NetErrorKind::Refused
    );
}

async fn flaky(failures: u64, status: u16) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(status).insert_header("retry-after", "3600"))
        .up_to_n_times(failures)
        .mount(&server)
        .await;
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    for status in [500, 502, 503, 429] {
        let server = flaky(2, status).await;
        let started = Instant::now();
        let response = send(policy(), &get(server.uri())).await.unwrap();
        assert_eq!(response.status, 200, "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 3);
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "an hour was asked, 5 ms are granted"
        );
    }
    let server = flaky(1, 404).await;
    assert_eq!(
        send(policy(), &get(server.uri())).await.unwrap().status,
        404
    );
    let server = flaky(9, 503).await;
    assert_eq!(
        send(policy(), &get(server.uri())).await.unwrap().status,
        503
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_write_is_repeated_only_with_an_idempotency_key() {
    let server = flaky(1, 503).await;
    assert_eq!(
        send(policy(), &post(server.uri())).await.unwrap().status,
        503
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);

    let server = flaky(2, 503).await;
    let mut request = post(server.uri());
    request.idempotency = Some(IdempotencyKey {
        header: "Idempotency-Key".into(),
        key: "turn-1/step-2".into(),
    });
    assert_eq!(send(policy(), &request).await.unwrap().status, 200);
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.headers["idempotency-key"], "turn-1/step-2");
        assert_eq!(
            request.body_json::<serde_json::Value>().unwrap(),
            json!({"qty": 1})
        );
    }

    let server = flaky(1, 503).await;
    let mut request = post(server.uri());
    request.idempotent = true;
    assert_eq!(send(policy(), &request).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_may_have_arrived_is_uncertain() {
    let refused = nobody().await;
    let error = fails(policy(), &post(format!("http://{refused}/"))).await;
    assert_eq!(
        (error.kind, error.uncertain, error.code()),
        (NetErrorKind::Connect, false, "unavailable")
    );

    let cut = serve(|stream| async move { drop(stream) }).await;
    for (request, uncertain) in [
        (post(format!("http://{cut}/")), true),
        (Request::new(Method::PUT, format!("http://{cut}/")), true),
        (Request::new(Method::DELETE, format!("http://{cut}/")), true),
        (get(format!("http://{cut}/")), false),
        (Request::new(Method::HEAD, format!("http://{cut}/")), false),
    ] {
        let error = fails(policy(), &request).await;
        assert_eq!(
            (error.kind, error.uncertain),
            (NetErrorKind::Broken, uncertain),
            "{}",
            request.method
        );
    }

    // The first attempt may have arrived, the second never left: still uncertain.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = gone.accept().await.unwrap();
        drop(gone);
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let mut request = post(format!("http://{address}/"));
    request.idempotent = true;
    let error = fails(policy(), &request).await;
    assert_eq!((error.kind, error.uncertain), (NetErrorKind::Connect, true));
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone() {
    let server = flaky(5, 500).await;
    let patient = Policy {
        retries: 0,
        ..policy()
    };
    let client = Client::new(patient.clone()).unwrap();
    for _ in 0..5 {
        assert_eq!(
            client.send(&get(server.uri()), None).await.unwrap().status,
            500
        );
    }
    let error = client.send(&get(server.uri()), None).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code()),
        (NetErrorKind::Open, "unavailable")
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_service_that_recovers_is_called_again() {
    let server = flaky(7, 500).await;
    let client = Client::new(Policy {
        retries: 0,
        breaker_pause: Duration::ZERO,
        ..policy()
    })
    .unwrap();
    for _ in 0..7 {
        assert_eq!(
            client.send(&get(server.uri()), None).await.unwrap().status,
            500
        );
    }
    for _ in 0..3 {
        assert_eq!(
            client.send(&get(server.uri()), None).await.unwrap().status,
            200
        );
    }
}

#[tokio::test]
async fn requests_that_are_none_are_refused_before_they_leave() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let mut request = get(server.uri());
    for (name, value) in [
        ("host", "evil"),
        ("Content-Length", "5"),
        ("transfer-encoding", "chunked"),
        ("proxy-authorization", "x"),
        ("x y", "z"),
        ("x", "a\r\nb: c"),
        ("", "x"),
    ] {
        let error = request.header(name, value).unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Invalid);
        assert!(!error.message.contains("b: c"));
    }
    request.idempotency = Some(IdempotencyKey {
        header: "x".into(),
        key: "a\nb".into(),
    });
    assert_eq!(fails(policy(), &request).await.kind, NetErrorKind::Invalid);
    for url in [
        "",
        "/orders",
        "http://",
        "not a url",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ] {
        let kind = fails(policy(), &get(url)).await.kind;
        assert!(
            matches!(kind, NetErrorKind::Invalid | NetErrorKind::Refused),
            "{url}"
        );
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}
