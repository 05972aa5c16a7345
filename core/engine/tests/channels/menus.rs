//! Choices where the platform has no buttons, and keys too short for their values.

use super::*;

fn menu() -> Content {
    let choice = |label: &str| Choice {
        label: label.into(),
        value: format!("value of {label}"),
        url: None,
    };
    Content {
        choices: vec![choice("Red"), choice("Blue")],
        ..Content::text("Which colour?")
    }
}

/// What the stepper was told in the newest turns: presses by their token.
async fn presses(house: &House) -> Vec<String> {
    let id = house.conversation().await.id;
    let rows = house.store.journal(&house.account.workspace, id);
    let rows = rows.await.unwrap();
    let texts = rows
        .iter()
        .map(|row| String::from_utf8_lossy(&row.body).into_owned());
    texts
        .filter_map(|text| {
            let (_, token) = text.split_once("\"token\":\"")?;
            Some(token.split_once('"')?.0.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn a_number_names_a_choice_of_the_menu_once() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    let sent = house.sent(2).await;
    let shown = sent.last().unwrap().content.plain();
    assert_eq!(shown, "Which colour?\n\n1. Red\n2. Blue");
    house.accept("2", "green, please").await;
    assert!(presses(&house).await.is_empty(), "other words stay words");
    house.accept("3", "２").await;
    assert_eq!(presses(&house).await, ["value of Blue"]);
    // The customer's own words stand in the transcript.
    let lines = house.all().await;
    let theirs = lines.iter().rfind(|line| line.author == Author::Contact);
    assert_eq!(theirs.unwrap().content.plain(), "２");
    house.accept("4", "1").await;
    assert_eq!(presses(&house).await.len(), 1, "a menu is used once");
}

#[tokio::test]
async fn a_menu_outlives_a_restart_and_not_its_time() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    house.sent(2).await;
    // Another engine over the same store has nothing in memory.
    let folder = tempfile::tempdir().unwrap();
    let again = House::on(
        house.store.clone(),
        folder,
        Platform::default(),
        Service::default(),
    )
    .await;
    again.accept("2", "①").await;
    assert_eq!(presses(&again).await, ["value of Red"]);
    again.write(menu()).await;
    again.pass(25 * 3600);
    again.accept("3", "1").await;
    assert_eq!(presses(&again).await.len(), 1);
}

#[tokio::test]
async fn a_short_key_stands_for_its_value_after_its_menu_is_gone() {
    let limit = |max| tandem_domain::capabilities::Limit {
        max,
        unit: Default::default(),
    };
    let buttons = tandem_domain::capabilities::Choices {
        max: 3,
        text: None,
        label: limit(20),
        value: limit(10),
        url: false,
    };
    let caps = Capabilities {
        buttons: Some(buttons),
        ..Capabilities::plain(400)
    };
    let house = House::build(with(caps), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    let sent = house.sent(2).await;
    let old = sent.last().unwrap().content.choices[0].value.clone();
    assert!(old.len() <= 10);
    let mut other = menu();
    other.choices[0].value = "something else that is long".into();
    house.write(other).await;
    let mut press = house.event("2", "");
    press.parts.clear();
    press.kind = InboundKind::Action {
        value: old,
        label: None,
    };
    house.take(press).await;
    assert_eq!(presses(&house).await, ["value of Red"]);
}
