//! Everything that is no order: goods, stores, appointments, coupons, accounts, tickets.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    db::{Now, Result, ShopError, invalid, local, mail, masked, money, next_id, not_found},
    orders::{email, zh},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    pub q: String,
    #[serde(default)]
    pub locale: String,
}

/// How many finds are shown.
const FOUND_MAX: usize = 5;

/// Articles whose name, category or description holds the words, the most words first.
pub(super) fn search(db: &Connection, ask: &Search) -> Result<Value> {
    let wanted = ask.q.trim().to_lowercase();
    if wanted.is_empty() || wanted.chars().count() > 200 {
        return Err(invalid("Say in a few words what you are looking for."));
    }
    let zh = zh(&ask.locale);
    let mut statement = db.prepare(&format!("{PRODUCT} ORDER BY p.sku"))?;
    let mut found = statement
        .query_map([], |row| {
            let text = [
                "sku", "category", "name_en", "name_zh", "text_en", "text_zh",
            ]
            .iter()
            .map(|column| row.get::<_, String>(*column))
            .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((
                score(&wanted, &text.join(" ").to_lowercase(), &text[2..4]),
                product_view(row, zh)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found.retain(|(score, _)| *score > 0);
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let count = found.len();
    let items: Vec<Value> = found
        .into_iter()
        .take(FOUND_MAX)
        .map(|(_, item)| item)
        .collect();
    Ok(json!({ "count": count, "products": items }))
}

/// Words that say nothing about what is wanted.
const SMALL_WORDS: [&str; 10] = [
    "the", "and", "for", "with", "you", "have", "any", "are", "can", "your",
];

/// How well an article fits: a whole name counts most, then words, then pairs of Chinese signs.
fn score(wanted: &str, text: &str, names: &[String]) -> usize {
    let mut score = 0;
    for name in names {
        let name = name.to_lowercase();
        if name.contains(wanted) || wanted.contains(&name) {
            score += 10;
        }
    }
    for word in wanted.split(|c: char| !c.is_alphanumeric()) {
        if word.is_ascii() {
            let stem = word.trim_end_matches('s');
            if stem.len() >= 3 && !SMALL_WORDS.contains(&word) && text.contains(stem) {
                score += 2;
            }
        } else {
            let signs: Vec<char> = word.chars().collect();
            let pairs = signs.windows(2).map(|pair| pair.iter().collect::<String>());
            score += pairs.filter(|pair| text.contains(pair.as_str())).count();
        }
    }
    score
}

const PRODUCT: &str = "SELECT p.*, coalesce((SELECT qty FROM stock s
    WHERE s.sku = p.sku AND s.place = 'online'), 0) AS online FROM products p";

fn product_view(row: &Row<'_>, zh: bool) -> rusqlite::Result<Value> {
    let sku: String = row.get("sku")?;
    let online: i64 = row.get("online")?;
    Ok(json!({
        "url": format!("https://larkwood.example/p/{sku}"),
        "image": format!("https://larkwood.example/img/{sku}.jpg"),
        "sku": sku,
        "name": local(row, "name", zh)?,
        "text": local(row, "text", zh)?,
        "material": local(row, "material", zh)?,
        "size": row.get::<_, String>("size")?,
        "category": row.get::<_, String>("category")?,
        "price": money(row.get("price")?),
        "was": row.get::<_, Option<i64>>("was")?.map(money),
        "currency": "EUR",
        "online": online,
        "in_stock": online > 0,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneProduct {
    pub sku: String,
    #[serde(default)]
    pub locale: String,
}

pub(super) fn product(db: &Connection, ask: &OneProduct) -> Result<Value> {
    db.query_row(
        &format!("{PRODUCT} WHERE p.sku = ?"),
        [ask.sku.trim()],
        |row| product_view(row, zh(&ask.locale)),
    )
    .optional()?
    .ok_or_else(|| not_found("product_not_found", "There is no such article."))
}

/// How many there are online and in each store.
pub(super) fn stock(db: &Connection, ask: &OneProduct) -> Result<Value> {
    let item = product(db, ask)?;
    let mut statement = db.prepare(
        "SELECT t.id, t.name_en, t.name_zh, coalesce(s.qty, 0) AS qty FROM stores t
         LEFT JOIN stock s ON s.place = t.id AND s.sku = ? ORDER BY t.rowid",
    )?;
    let stores = statement
        .query_map([ask.sku.trim()], |row| {
            Ok(json!({
                "id": row.get::<_, String>("id")?,
                "name": local(row, "name", zh(&ask.locale))?,
                "qty": row.get::<_, i64>("qty")?,
            }))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(json!({
        "sku": item["sku"],
        "name": item["name"],
        "online": item["online"],
        "stores": stores,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stores {
    #[serde(default)]
    pub city: String,
    #[serde(default)]
    pub locale: String,
}

/// The stores, or those of a city, with today's hours.
pub(super) fn stores(db: &Connection, now: &Now, ask: &Stores) -> Result<Value> {
    let city = ask.city.trim().to_lowercase();
    let mut statement = db.prepare("SELECT * FROM stores ORDER BY rowid")?;
    let all = statement
        .query_map([], |row| {
            let names = format!(
                "{} {} {}",
                row.get::<_, String>("id")?,
                row.get::<_, String>("city_en")?,
                row.get::<_, String>("city_zh")?
            );
            Ok((names.to_lowercase(), store_view(row, now, zh(&ask.locale))?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let stores: Vec<Value> = all
        .into_iter()
        .filter(|(names, _)| city.is_empty() || names.contains(&city))
        .map(|(_, store)| store)
        .collect();
    Ok(json!({ "count": stores.len(), "stores": stores }))
}

fn store_view(row: &Row<'_>, now: &Now, zh: bool) -> rusqlite::Result<Value> {
    let (weekday, saturday): (String, String) = (row.get("weekday")?, row.get("saturday")?);
    let today = hours_on(now.today(), &weekday, &saturday);
    let time = now.zoned.time().strftime("%H:%M").to_string();
    let open_now = today
        .split_once('-')
        .is_some_and(|(from, to)| *from <= *time && *time < *to);
    Ok(json!({
        "id": row.get::<_, String>("id")?,
        "name": local(row, "name", zh)?,
        "city": local(row, "city", zh)?,
        "address": row.get::<_, String>("address")?,
        "phone": row.get::<_, String>("phone")?,
        "today": today,
        "open_now": open_now,
        "weekdays": weekday,
        "saturday": saturday,
    }))
}

/// Empty when closed.
fn hours_on<'a>(day: jiff::civil::Date, weekday: &'a str, saturday: &'a str) -> &'a str {
    match day.weekday() {
        jiff::civil::Weekday::Sunday => "",
        jiff::civil::Weekday::Saturday => saturday,
        _ => weekday,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Slots {
    pub store: String,
    pub service: String,
    #[serde(default)]
    pub locale: String,
}

const SERVICES: [&str; 3] = ["interior", "kitchen", "mattress"];
/// When consultations begin.
const BEGIN: [i8; 3] = [10, 13, 16];
/// How many slots are offered.
const SLOTS_MAX: usize = 6;

/// The next free appointments of a store, from tomorrow on.
pub(super) fn slots(db: &Connection, now: &Now, ask: &Slots) -> Result<Value> {
    known_service(&ask.service)?;
    store_name(db, &ask.store, false)?;
    let mut free = Vec::new();
    for days in 1..=14 {
        let day = now.today().saturating_add(jiff::Span::new().days(days));
        for hour in BEGIN {
            let at = slot_at(day, hour);
            if day.weekday() != jiff::civil::Weekday::Sunday
                && !booked(db, &ask.store, &ask.service, &at)?
            {
                free.push(json!({ "at": at, "label": slot_label(day, hour, zh(&ask.locale)) }));
            }
            if free.len() == SLOTS_MAX {
                return Ok(json!({ "count": SLOTS_MAX, "slots": free }));
            }
        }
    }
    Ok(json!({ "count": free.len(), "slots": free }))
}

fn known_service(service: &str) -> Result<()> {
    if SERVICES.contains(&service) {
        return Ok(());
    }
    Err(invalid(
        "The service is one of interior, kitchen, mattress.",
    ))
}

fn store_name(db: &Connection, id: &str, zh: bool) -> Result<String> {
    db.query_row(
        "SELECT name_en, name_zh FROM stores WHERE id = ?",
        [id],
        |row| local(row, "name", zh),
    )
    .optional()?
    .ok_or_else(|| not_found("store_not_found", "There is no such store."))
}

fn booked(db: &Connection, store: &str, service: &str, at: &str) -> Result<bool> {
    Ok(db.query_row(
        "SELECT EXISTS (SELECT 1 FROM appointments
           WHERE store = ? AND service = ? AND at = ? AND status = 'booked')",
        [store, service, at],
        |row| row.get(0),
    )?)
}

/// A local time of the store: `2026-03-03T10:00`.
fn slot_at(day: jiff::civil::Date, hour: i8) -> String {
    format!("{day}T{hour:02}:00")
}

fn slot_label(day: jiff::civil::Date, hour: i8, zh: bool) -> String {
    if zh {
        const DAYS: [&str; 7] = ["一", "二", "三", "四", "五", "六", "日"];
        let weekday = day.weekday().to_monday_zero_offset();
        let name = DAYS[usize::try_from(weekday).unwrap_or(0)];
        format!("{}月{}日（周{name}）{hour:02}:00", day.month(), day.day())
    } else {
        format!("{}, {hour:02}:00", day.strftime("%a %-d %b"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Booking {
    pub store: String,
    pub service: String,
    pub at: String,
    pub email: String,
    #[serde(default)]
    pub locale: String,
}

pub(super) fn book(db: &Connection, now: &Now, ask: &Booking) -> Result<Value> {
    known_service(&ask.service)?;
    store_name(db, &ask.store, false)?;
    let email = email(&ask.email)?;
    let at: jiff::civil::DateTime = ask
        .at
        .parse()
        .map_err(|_| invalid("The time is no time of day."))?;
    let offered = BEGIN.contains(&at.hour())
        && at.minute() == 0
        && at.weekday() != jiff::civil::Weekday::Sunday;
    if !offered || at.date() <= now.today() {
        return Err(invalid("There is no appointment at that time."));
    }
    let when = slot_at(at.date(), at.hour());
    if booked(db, &ask.store, &ask.service, &when)? {
        return Err(ShopError::Conflict(
            "slot_taken",
            "Somebody was faster: that time is taken.".into(),
        ));
    }
    let id = next_id(db, "A")?;
    db.execute(
        "INSERT INTO appointments (id, store, service, at, email, status)
         VALUES (?, ?, ?, ?, ?, 'booked')",
        params![id, ask.store, ask.service, when, email],
    )?;
    mail(db, now, &email, "appointment", &id)?;
    booking(
        db,
        &OneBooking {
            id,
            email,
            locale: ask.locale.clone(),
        },
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneBooking {
    pub id: String,
    pub email: String,
    #[serde(default)]
    pub locale: String,
}

pub(super) fn booking(db: &Connection, ask: &OneBooking) -> Result<Value> {
    let row: Option<(String, String, String, String)> = db
        .query_row(
            "SELECT store, service, at, status FROM appointments WHERE id = ? AND email = ?",
            [ask.id.trim().to_uppercase(), email(&ask.email)?],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((store, service, at, status)) = row else {
        return Err(not_found(
            "appointment_not_found",
            "There is no such appointment with this e-mail.",
        ));
    };
    let when: jiff::civil::DateTime = at
        .parse()
        .map_err(|_| invalid("The time is no time of day."))?;
    let eve = when.date().saturating_sub(jiff::Span::new().days(1));
    let chinese = zh(&ask.locale);
    Ok(json!({
        "id": ask.id.trim().to_uppercase(),
        "at": at,
        "label": slot_label(when.date(), when.hour(), chinese),
        // The evening before, when people look at tomorrow.
        "remind_at": format!("{eve}T18:00"),
        "store": store,
        "store_name": store_name(db, &store, chinese)?,
        "service": service,
        "status": status,
    }))
}

pub(super) fn cancel_booking(db: &Connection, now: &Now, ask: &OneBooking) -> Result<Value> {
    let email = email(&ask.email)?;
    let id = ask.id.trim().to_uppercase();
    let status: Option<String> = db
        .query_row(
            "SELECT status FROM appointments WHERE id = ? AND email = ?",
            [&id, &email],
            |row| row.get(0),
        )
        .optional()?;
    match status.as_deref() {
        None => Err(not_found(
            "appointment_not_found",
            "There is no such appointment with this e-mail.",
        )),
        Some("cancelled") => Err(ShopError::Conflict(
            "already_cancelled",
            "The appointment was cancelled before.".into(),
        )),
        Some(_) => {
            db.execute(
                "UPDATE appointments SET status = 'cancelled' WHERE id = ?",
                [&id],
            )?;
            mail(db, now, &email, "appointment_cancelled", &id)?;
            Ok(json!({ "id": id, "status": "cancelled" }))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneCoupon {
    pub code: String,
    #[serde(default)]
    pub locale: String,
}

pub(super) fn coupon(db: &Connection, now: &Now, ask: &OneCoupon) -> Result<Value> {
    let code = ask.code.trim().to_uppercase();
    let found: Option<(Value, String, String)> = db
        .query_row("SELECT * FROM coupons WHERE code = ?", [&code], |row| {
            let (starts, ends): (String, String) = (row.get("starts")?, row.get("ends")?);
            let minimum: i64 = row.get("minimum")?;
            let view = json!({
                "code": code,
                "kind": row.get::<_, String>("kind")?,
                "text": local(row, "text", zh(&ask.locale))?,
                "minimum": (minimum > 0).then(|| money(minimum)),
                "starts": starts,
                "ends": ends,
            });
            Ok((view, starts, ends))
        })
        .optional()?;
    let Some((view, starts, ends)) = found else {
        return Err(not_found("coupon_not_found", "There is no such code."));
    };
    let today = now.day(0);
    if ends < today {
        return Err(ShopError::Gone(
            "coupon_expired",
            format!("The code ended on {ends}."),
        ));
    }
    if starts > today {
        return Err(ShopError::Conflict(
            "coupon_not_yet",
            format!("The code is valid from {starts}."),
        ));
    }
    Ok(view)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfAccount {
    pub email: String,
}

/// Sends a mail if there is such an account. The answer is the same if there is none, so that
/// nobody learns who is a customer.
pub(super) fn account_mail(
    db: &Connection,
    now: &Now,
    ask: &OfAccount,
    kind: &'static str,
) -> Result<Value> {
    let email = email(&ask.email)?;
    let known: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM customers WHERE email = ?)",
        [&email],
        |row| row.get(0),
    )?;
    if known {
        mail(db, now, &email, kind, "")?;
    }
    Ok(json!({ "sent_to": masked(&email) }))
}

/// Points to the next tier.
const TIERS: [(&str, i64); 3] = [("basic", 0), ("silver", 500), ("gold", 1500)];

pub(super) fn membership(db: &Connection, ask: &OfAccount) -> Result<Value> {
    let row: Option<(String, i64, String, String)> = db
        .query_row(
            "SELECT tier, points, member_no, member_since FROM customers
             WHERE email = ? AND member_no IS NOT NULL",
            [email(&ask.email)?],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((tier, points, number, since)) = row else {
        return Err(not_found(
            "not_a_member",
            "There is no membership for this e-mail.",
        ));
    };
    let next = TIERS.iter().find(|(_, from)| *from > points);
    Ok(json!({
        "number": number,
        "tier": tier,
        "points": points,
        "since": since,
        "next_tier": next.map(|(name, _)| *name),
        "points_missing": next.map(|(_, from)| from - points),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTicket {
    pub title: String,
    pub text: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub skill: Option<String>,
}

pub(super) fn ticket(db: &Connection, now: &Now, ask: &NewTicket) -> Result<Value> {
    let (title, text) = (ask.title.trim(), ask.text.trim());
    if title.is_empty() || title.chars().count() > 200 {
        return Err(invalid("The title has 1 to 200 characters."));
    }
    if text.is_empty() || text.chars().count() > 5000 {
        return Err(invalid("The text has 1 to 5000 characters."));
    }
    let email = ask.email.as_deref().map(email).transpose()?;
    let id = next_id(db, "T")?;
    db.execute(
        "INSERT INTO tickets (id, title, text, email, skill, status, created_at)
         VALUES (?, ?, ?, ?, ?, 'open', ?)",
        params![id, title, text, email, ask.skill, now.stamp()],
    )?;
    Ok(json!({ "id": id, "status": "open" }))
}
