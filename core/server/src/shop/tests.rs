#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Seed, ShopDb, http::router};

/// Tuesday, 10:00 in Berlin.
const NOW: &str = "2026-03-03T09:00:00Z";

fn shop() -> ShopDb {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    ShopDb::open_at(None, Seed::Demo, Arc::new(move || now)).unwrap()
}

async fn send(db: &ShopDb, request: Request<Body>) -> (StatusCode, Value) {
    let response = router(db.clone(), None).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

async fn get(db: &ShopDb, path: &str) -> (StatusCode, Value) {
    send(db, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(db: &ShopDb, path: &str, key: Option<&str>, body: Value) -> (StatusCode, Value) {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    send(db, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn order_id(db: &ShopDb, number: &str, email: &str) -> String {
    let (status, order) = get(db, &format!("/api/orders?number={number}&email={email}")).await;
    assert_eq!(status, StatusCode::OK, "{order}");
    order["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_order_is_found_by_number_and_mail_only_together() {
    let db = shop();
    let (status, order) = get(&db, "/api/orders?number=12345678&email=Ann@Example.com").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(order["status"], "shipped");
    assert_eq!(order["eta"], "2026-03-05");
    assert_eq!(order["lines"][0]["name"], "Reed floor lamp");
    assert_eq!(order["total"], "237.00");
    let (status, refused) = get(&db, "/api/orders?number=12345678&email=ben@example.com").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(refused["error"]["code"], "order_not_found");
}

#[tokio::test]
async fn the_carrier_knows_a_parcel_by_its_number() {
    let db = shop();
    let (status, told) = get(&db, "/api/carrier/parcels/PF12345678DE").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        told,
        json!({"status": "in_transit", "place": "Leipzig", "expected": "2026-03-05"})
    );
    let (_, there) = get(&db, "/api/carrier/parcels/PF23456789DE").await;
    assert_eq!(there, json!({"status": "delivered", "place": "Berlin"}));
    for unknown in ["PF00000000DE", "%27%20OR%201=1", "11112222"] {
        let (status, body) = get(&db, &format!("/api/carrier/parcels/{unknown}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(body["error"]["code"], "parcel_not_found");
    }
}

#[tokio::test]
async fn names_come_in_the_callers_language() {
    let db = shop();
    let path = "/api/orders?number=88888888&email=wangfang@example.com&locale=zh";
    assert_eq!(get(&db, path).await.1["lines"][0]["name"], "榆木三人沙发");
}

#[tokio::test]
async fn unusable_questions_are_refused_with_a_reason() {
    let db = shop();
    for path in [
        "/api/orders?number=123&email=ann@example.com",
        "/api/orders?number=12345678&email=ann",
        "/api/orders?number=12345678",
        "/api/orders?number=12345678&email=ann@example.com&admin=1",
        "/api/products?q=",
        "/api/appointments/slots?store=berlin&service=surgery",
    ] {
        let (status, body) = get(&db, path).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {body}");
        assert_eq!(body["error"]["code"], "invalid");
    }
    assert_eq!(get(&db, "/api/nothing").await.0, StatusCode::NOT_FOUND);
    let (status, _) = get(&db, "/api/orders/cancel").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_broken_or_huge_body_is_refused() {
    let db = shop();
    for body in [
        "{",
        "[]",
        "{\"order\": 1}",
        "{\"order\": \"O-10005\", \"x\": 1}",
    ] {
        let request = Request::post("/api/orders/cancel")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        assert_eq!(send(&db, request).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let huge = json!({ "title": "x", "text": "x".repeat(100_000) });
    let (status, _) = post(&db, "/api/tickets", None, huge).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(get(&db, "/api/writes").await.1["writes"], json!([]));
}

#[tokio::test]
async fn the_token_guards_everything_but_health() {
    let token: Option<Arc<str>> = Some(Arc::from("secret"));
    for (path, header, expected) in [
        ("/api/stores", None, StatusCode::UNAUTHORIZED),
        (
            "/api/stores",
            Some("Bearer wrong!"),
            StatusCode::UNAUTHORIZED,
        ),
        (
            "/api/stores",
            Some("Basic secret"),
            StatusCode::UNAUTHORIZED,
        ),
        ("/api/stores", Some("Bearer secret"), StatusCode::OK),
        ("/api/writes", None, StatusCode::UNAUTHORIZED),
        ("/health", None, StatusCode::OK),
    ] {
        let mut request = Request::get(path);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let response = router(shop(), token.clone())
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), expected, "{path} {header:?}");
    }
}

#[tokio::test]
async fn an_order_is_cancelled_once_and_only_before_it_leaves() {
    let db = shop();
    let ask = json!({ "order": order_id(&db, "11112222", "ben@example.com").await });
    let (status, done) = post(&db, "/api/orders/cancel", None, ask.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(done["refund"]["amount"], "279.00");
    let (status, refused) = post(&db, "/api/orders/cancel", None, ask.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "already_cancelled");
    let order = ask["order"].as_str().unwrap();
    let (_, refund) = get(&db, &format!("/api/refunds?order={order}")).await;
    assert_eq!(refund["status"], "pending");

    let shipped = json!({ "order": order_id(&db, "12345678", "ann@example.com").await });
    let (status, refused) = post(&db, "/api/orders/cancel", None, shipped).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "already_shipped");
}

#[tokio::test]
async fn the_same_key_has_one_effect_and_one_answer() {
    let db = shop();
    let order = order_id(&db, "23456789", "ann@example.com").await;
    let ask = json!({ "order": order, "sku": "LAMP-MOON", "qty": 1, "reason": "unwanted" });
    let first = post(&db, "/api/returns", Some("k1"), ask.clone()).await;
    let again = post(&db, "/api/returns", Some("k1"), ask.clone()).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(first, again);
    let writes = get(&db, "/api/writes").await.1;
    assert_eq!(writes["writes"].as_array().unwrap().len(), 1);
    assert_eq!(writes["writes"][0]["op"], "return.create");
    assert_eq!(writes["writes"][0]["key"], "k1");

    let mut other = ask.clone();
    other["qty"] = json!(2);
    let (status, refused) = post(&db, "/api/returns", Some("k1"), other).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused["error"]["code"], "key_reused");

    let (status, second) = post(&db, "/api/returns", Some("k2"), ask.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_ne!(second["id"], first.1["id"]);
    let (status, refused) = post(&db, "/api/returns", Some("k3"), ask).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "already_returned");
}

#[tokio::test]
async fn a_return_has_thirty_days_unless_the_goods_are_damaged() {
    let db = shop();
    let order = order_id(&db, "34567890", "ann@example.com").await;
    let ask =
        |reason: &str| json!({ "order": order, "sku": "CHAIR-WREN", "qty": 1, "reason": reason });
    let (status, refused) = post(&db, "/api/returns", None, ask("unwanted")).await;
    assert_eq!(status, StatusCode::GONE);
    assert_eq!(refused["error"]["code"], "too_late");
    let (status, made) = post(&db, "/api/returns", None, ask("damaged")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["due"], "2026-03-17");
    assert_eq!(made["received"], false);
    let (_, read) = get(
        &db,
        &format!("/api/returns?id={}", made["id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(read, made);
}

#[tokio::test]
async fn an_exchange_takes_from_stock_and_refuses_what_is_not_there() {
    let db = shop();
    let order = order_id(&db, "22223333", "ben@example.com").await;
    let ask = |wanted: &str| json!({ "order": order, "sku": "CHAIR-TERN", "qty": 1, "reason": "exchange", "wanted": wanted });
    let (status, refused) = post(&db, "/api/returns", None, ask("MIRR-ROUND")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "out_of_stock");
    let (status, made) = post(&db, "/api/returns", None, ask("CHAIR-WREN")).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["kind"], "exchange");
    let (_, stock) = get(&db, "/api/stock?sku=CHAIR-WREN").await;
    assert_eq!(stock["online"], 19);
}

#[tokio::test]
async fn an_address_changes_until_the_parcel_leaves() {
    let db = shop();
    let ask = |order: &str, street: &str| json!({ "order": order, "street": street, "postcode": "20457", "city": "Hamburg" });
    let order = order_id(&db, "16881688", "liming@example.com").await;
    let (status, done) = post(&db, "/api/orders/address", None, ask(&order, "Am Kai 3")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(done["address"], "Am Kai 3, 20457 Hamburg, DE");
    let (status, _) = post(&db, "/api/orders/address", None, ask(&order, "\u{1}")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = order_id(&db, "88888888", "wangfang@example.com").await;
    let (status, _) = post(&db, "/api/orders/address", None, ask(&gone, "Am Kai 3")).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn invoices_exist_once_an_order_has_shipped() {
    let db = shop();
    let order = json!({ "order": order_id(&db, "23456789", "ann@example.com").await });
    let (status, sent) = post(&db, "/api/invoices/send", None, order).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(sent["sent_to"], "ann@example.com");
    let early = json!({ "order": order_id(&db, "45678901", "ann@example.com").await });
    let (status, refused) = post(&db, "/api/invoices/send", None, early).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["error"]["code"], "no_invoice_yet");
}

#[tokio::test]
async fn a_late_parcel_shows_and_can_be_reported() {
    let db = shop();
    let (_, order) = get(&db, "/api/orders?number=10203040&email=emma@example.com").await;
    assert_eq!(order["late"], true);
    let ask = json!({ "order": order["id"], "kind": "missing", "note": null });
    let (status, made) = post(&db, "/api/parcels/reports", None, ask).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["answer_by"], "2026-03-05");
    let ask = json!({ "order": order["id"], "kind": "sad" });
    let (status, _) = post(&db, "/api/parcels/reports", None, ask).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn coupons_are_valid_expired_early_or_unknown() {
    let db = shop();
    for (code, expected) in [
        ("welcome10", StatusCode::OK),
        ("SUMMER25", StatusCode::GONE),
        ("SPRING15", StatusCode::CONFLICT),
        ("NOPE", StatusCode::NOT_FOUND),
    ] {
        let (status, body) = get(&db, &format!("/api/coupons?code={code}")).await;
        assert_eq!(status, expected, "{body}");
    }
}

#[tokio::test]
async fn products_are_found_in_both_languages() {
    let db = shop();
    let (_, found) = get(&db, "/api/products?q=a%20lamp%20for%20the%20table").await;
    assert_eq!(found["products"][0]["sku"], "LAMP-MOON");
    let (_, found) = get(&db, "/api/products?q=%E6%B2%99%E5%8F%91&locale=zh").await;
    assert_eq!(found["products"][0]["category"], "sofa");
    let (_, found) = get(&db, "/api/products?q=helicopter").await;
    assert_eq!(found["count"], 0);
    let (_, one) = get(&db, "/api/products/detail?sku=SOFA-ELM&locale=zh").await;
    assert_eq!(one["price"], "899.00");
    assert_eq!(one["was"], "999.00");
    let (_, stock) = get(&db, "/api/stock?sku=SOFA-ELM").await;
    assert_eq!(stock["stores"][0]["qty"], 1);
}

#[tokio::test]
async fn stores_know_whether_they_are_open() {
    let db = shop();
    let (_, all) = get(&db, "/api/stores").await;
    assert_eq!(all["count"], 4);
    assert_eq!(all["stores"][0]["today"], "10:00-19:00");
    assert_eq!(all["stores"][0]["open_now"], true);
    let (_, one) = get(&db, "/api/stores?city=%E6%B1%89%E5%A0%A1&locale=zh").await;
    assert_eq!(one["count"], 1);
    assert_eq!(one["stores"][0]["city"], "汉堡");
}

#[tokio::test]
async fn an_appointment_is_booked_once_and_can_be_cancelled() {
    let db = shop();
    let slots = "/api/appointments/slots?store=berlin&service=kitchen&locale=zh";
    let (_, free) = get(&db, slots).await;
    assert_eq!(free["slots"][0]["at"], "2026-03-04T10:00");
    assert_eq!(free["slots"][0]["label"], "3月4日（周三）10:00");
    let ask = json!({ "store": "berlin", "service": "kitchen", "at": "2026-03-04T10:00", "email": "ann@example.com" });
    let (status, booked) = post(&db, "/api/appointments", None, ask.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(booked["label"], "Wed 4 Mar, 10:00");
    assert_eq!(booked["remind_at"], "2026-03-03T18:00");
    let one = format!(
        "/api/appointments?id={}&email=ann@example.com",
        booked["id"].as_str().unwrap()
    );
    assert_eq!(get(&db, &one).await.1, booked);
    let (status, _) = post(&db, "/api/appointments", None, ask).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(
        get(&db, slots).await.1["slots"][0]["at"],
        "2026-03-04T13:00"
    );

    let cancel = json!({ "id": booked["id"], "email": "ann@example.com" });
    let (status, _) = post(&db, "/api/appointments/cancel", None, cancel).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        get(&db, slots).await.1["slots"][0]["at"],
        "2026-03-04T10:00"
    );

    let sunday = json!({ "store": "berlin", "service": "kitchen", "at": "2026-03-08T10:00", "email": "ann@example.com" });
    let (status, _) = post(&db, "/api/appointments", None, sunday).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn nobody_learns_from_the_account_mails_who_is_a_customer() {
    let db = shop();
    let known = post(
        &db,
        "/api/account/password-reset",
        None,
        json!({ "email": "ann@example.com" }),
    )
    .await;
    let unknown = post(
        &db,
        "/api/account/password-reset",
        None,
        json!({ "email": "aaa@example.com" }),
    )
    .await;
    assert_eq!(known, unknown);
    assert_eq!(known.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn membership_counts_the_points_to_the_next_tier() {
    let db = shop();
    let (_, ben) = get(&db, "/api/membership?email=ben@example.com").await;
    assert_eq!(ben["next_tier"], "gold");
    assert_eq!(ben["points_missing"], 860);
    let (_, ann) = get(&db, "/api/membership?email=ann@example.com").await;
    assert_eq!(ann["next_tier"], Value::Null);
    let (status, _) = get(&db, "/api/membership?email=david@example.com").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_order_of_the_seed_can_be_looked_up() {
    let db = shop();
    let mut states = std::collections::BTreeSet::new();
    let mut count = 0;
    for name in [
        "ann", "ben", "carla", "david", "emma", "felix", "wangfang", "liming", "chenjing",
        "zhaolei",
    ] {
        let (_, list) = get(
            &db,
            &format!("/api/customers/orders?email={name}@example.com"),
        )
        .await;
        for order in list["orders"].as_array().unwrap() {
            count += 1;
            states.insert(order["status"].as_str().unwrap().to_owned());
            order_id(
                &db,
                order["number"].as_str().unwrap(),
                order["email"].as_str().unwrap(),
            )
            .await;
        }
    }
    assert_eq!(count, 30);
    let all: Vec<&str> = states.iter().map(String::as_str).collect();
    assert_eq!(
        all,
        [
            "awaiting_payment",
            "cancelled",
            "delivered",
            "partly_delivered",
            "payment_failed",
            "processing",
            "refunded",
            "returned",
            "shipped"
        ]
    );
}

#[tokio::test]
async fn a_file_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    let db = ShopDb::open(Some(&path), Seed::Demo).unwrap();
    let (status, _) = post(
        &db,
        "/api/tickets",
        None,
        json!({ "title": "Broken", "text": "It broke." }),
    )
    .await;
    assert_eq!(status, StatusCode::CREATED);
    drop(db);
    let db = ShopDb::open(Some(&path), Seed::Demo).unwrap();
    assert_eq!(
        get(&db, "/api/writes").await.1["writes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_shop_stops_when_asked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    super::serve(listener, shop(), None, async {})
        .await
        .unwrap();
}
