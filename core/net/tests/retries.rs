//! A call's own number of retries. In a file, and so a process, of its own: another test captures
//! what retries log, and which call sites log is remembered for the whole process.
#![allow(clippy::unwrap_used)]

use tandem_domain::Map;
use tandem_net::{ConnectionSpec, Connections, OperationSpec, Transport};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

#[tokio::test]
async fn one_call_may_ask_for_more_retries_than_its_connection_makes() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503).insert_header("retry-after", "0"))
        .mount(&server)
        .await;
    let find = OperationSpec {
        method: "GET".into(),
        path: "/orders".into(),
        ..OperationSpec::default()
    };
    let spec = ConnectionSpec {
        name: "shop".into(),
        base_url: server.uri(),
        hosts: vec!["127.0.0.1".into()],
        allow_private: true,
        retries: 0,
        operations: [("find_order".to_owned(), find)].into(),
        ..ConnectionSpec::default()
    };
    let shop = Connections::new(&[spec], &|_| None, &Transport::system().unwrap()).unwrap();
    let asked = async |retries| {
        let before = server.received_requests().await.unwrap().len();
        let answer = shop
            .call_with_retries("shop", "find_order", &Map::new(), None, None, retries)
            .await
            .unwrap();
        assert_eq!(answer.status, 503);
        server.received_requests().await.unwrap().len() - before
    };
    assert_eq!(asked(None).await, 1);
    assert_eq!(asked(Some(2)).await, 3);
}
