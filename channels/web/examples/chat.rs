//! The widget against a sink in memory and a few canned answers, to look at and to try:
//! `cargo run -p tandem-channel-web --example chat`, then open `http://127.0.0.1:8787/demo/`.

use std::{net::SocketAddr, sync::Arc};

use tandem_channel_kit::{Channel, Inbox, Stop, fake, fake::MemorySink};
use tandem_channel_web::{
    Config, WebChannel, assets,
    config::{Appearance, Key, Limits},
};
use tandem_domain::{
    Locale, Text,
    message::{Card, Choice, Content, Inbound, InboundKind, Media, MediaKind, Part},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8787");
    let account = fake::account("web", "web");
    let channel = WebChannel::new(account.clone(), config())?;
    let inbox = Inbox::new(account, Arc::new(MemorySink::with_bot(answer)));
    let app = assets::routes().merge(channel.routes(inbox.clone()));
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("http://{}/demo/", listener.local_addr()?);
    let stop = Stop::new();
    tokio::spawn({
        let (channel, stop) = (channel.clone(), stop.clone());
        async move { channel.run(inbox, stop).await }
    });
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move {
        let _ = tokio::signal::ctrl_c().await;
        stop.stop();
    })
    .await?;
    Ok(())
}

fn both<T>(en: T, zh: T) -> Text<T> {
    Text([(Locale::new("en"), en), (Locale::new("zh"), zh)].into())
}

fn config() -> Config {
    let offers = |offers: [&str; 4]| offers.map(str::to_owned).to_vec();
    Config {
        keys: vec![Key {
            id: "example".to_owned(),
            secret: "this key is printed in the source: for looking only".to_owned(),
        }],
        appearance: Appearance {
            title: Some(both("Larkwood".to_owned(), "云木家居".to_owned())),
            subtitle: Some(both(
                "Here to help, day and night".to_owned(),
                "全天为您服务".to_owned(),
            )),
            greeting: Some(both(
                "Hello! Ask me about an order, a return, or anything in the shop.".to_owned(),
                "您好！订单、退换货或商品问题，都可以问我。".to_owned(),
            )),
            suggestions: Some(both(
                offers([
                    "Where is my order?",
                    "Return something",
                    "Gift ideas",
                    "Talk to a person",
                ]),
                offers(["我的订单到哪了？", "我要退货", "送礼推荐", "转人工"]),
            )),
            ..Appearance::default()
        },
        // To be tried with many sockets from one machine.
        limits: Limits {
            connections_per_ip: 0,
            ..Limits::default()
        },
        ..Config::default()
    }
}

fn answer(event: &Inbound) -> Vec<Content> {
    let zh = event
        .sender
        .locale
        .as_ref()
        .is_some_and(|l| l.language() == "zh");
    let say = |en: &'static str, cn: &'static str| if zh { cn } else { en };
    let choice = |en, cn, value: &str| Choice {
        label: say(en, cn).to_owned(),
        value: value.to_owned(),
        url: None,
    };
    let text = match &event.kind {
        InboundKind::Message => event.text().to_lowercase(),
        InboundKind::Action { value, .. } => value.clone(),
        _ => return Vec::new(),
    };
    let about = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if event.parts.iter().any(|p| matches!(p, Part::Media(_))) {
        return vec![Content::text(say(
            "Thank you, the photo is clear. I have added it to your return.",
            "谢谢，照片很清楚，已添加到您的退货申请。",
        ))];
    }
    if about(&["order", "订单"]) {
        return vec![
            Content::text(say(
                "Order 12345678 left our workshop yesterday and should arrive on Tuesday.",
                "订单 12345678 昨天已发出，预计周二送达。",
            )),
            Content {
                choices: vec![
                    Choice {
                        url: Some("https://example.com/track/12345678".to_owned()),
                        ..choice("Track it", "查看物流", "")
                    },
                    choice("Change the address", "修改地址", "address"),
                    choice("Return something", "我要退货", "return"),
                ],
                ..Content::text(say("What would you like to do?", "您想要做什么？"))
            },
        ];
    }
    if about(&["return", "退货"]) {
        return vec![Content {
            choices: vec![
                choice("Arrived damaged", "收到时已损坏", "damaged"),
                choice("No longer wanted", "不想要了", "unwanted"),
                choice("Wrong item", "发错货了", "wrong"),
            ],
            ..Content::text(say(
                "You have 30 days from delivery. What is wrong with it?\nThe rules are at https://example.com/returns.",
                "签收后 30 天内可退。请问是什么原因？\n退货规则：https://example.com/returns",
            ))
        }];
    }
    if about(&["damaged"]) {
        return vec![Content::text(say(
            "I am sorry about that. Please send a photo of the damage, or say skip.",
            "非常抱歉。请发一张损坏处的照片，或回复“跳过”。",
        ))];
    }
    if about(&["gift", "送礼"]) {
        let card = |en, cn, den, dcn, image: &str| {
            Part::Card(Card {
                title: say(en, cn).to_owned(),
                text: Some(say(den, dcn).to_owned()),
                image: Some(format!("/demo/{image}")),
                url: Some("https://example.com/shop".to_owned()),
                choices: vec![choice("Add to basket", "加入购物车", "basket")],
            })
        };
        return vec![Content {
            parts: vec![
                Part::text(say(
                    "Three that people like to unwrap:",
                    "三件大家喜欢的礼物：",
                )),
                card(
                    "Moon table lamp",
                    "月亮台灯",
                    "Warm, dimmable light · €59",
                    "暖光可调 · €59",
                    "lamp.svg",
                ),
                card(
                    "Sky wool throw",
                    "天空羊毛毯",
                    "Lambswool · €59",
                    "羔羊毛 · €59",
                    "throw.svg",
                ),
                card(
                    "Dew vase",
                    "露珠花瓶",
                    "Blown by mouth · €39",
                    "人工吹制 · €39",
                    "vase.svg",
                ),
            ],
            ..Content::default()
        }];
    }
    if about(&["invoice", "发票"]) {
        return vec![Content {
            parts: vec![
                Part::text(say("Here is your invoice.", "这是您的发票。")),
                Part::Media(Media {
                    media: MediaKind::File,
                    reference: "https://example.com/invoice.pdf".to_owned(),
                    mime: "application/pdf".to_owned(),
                    name: Some("invoice-12345678.pdf".to_owned()),
                    size: Some(48_213),
                    alt: None,
                }),
            ],
            ..Content::default()
        }];
    }
    vec![Content::text(say(
        "I can look up an order, start a return, or find a gift. Which is it?",
        "我可以查订单、办退货、挑礼物，您需要哪一项？",
    ))]
}
