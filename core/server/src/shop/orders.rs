//! Orders and what customers do with them: look up, cancel, return, exchange, mend.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Deserialize;
use serde_json::{Value, json};

use super::db::{Now, Result, ShopError, invalid, local, mail, money, next_id, not_found};

/// Days a customer has to send something back.
const RETURN_DAYS: i32 = 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindOrder {
    pub number: String,
    pub email: String,
    #[serde(default)]
    pub locale: String,
}

pub(super) fn find(db: &Connection, now: &Now, ask: &FindOrder) -> Result<Value> {
    let number = ask.number.trim();
    if number.len() != 8 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid("An order number has 8 digits."));
    }
    let id: Option<String> = db
        .query_row(
            "SELECT id FROM orders WHERE number = ? AND email = ?",
            params![number, email(&ask.email)?],
            |row| row.get(0),
        )
        .optional()?;
    match id {
        Some(id) => view(db, now, &id, zh(&ask.locale)),
        // The same answer for a wrong number and a wrong mail: neither can be guessed.
        None => Err(not_found(
            "order_not_found",
            "There is no such order with this e-mail.",
        )),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfCustomer {
    pub email: String,
    #[serde(default)]
    pub locale: String,
}

/// The customer's orders, newest first.
pub(super) fn of_customer(db: &Connection, now: &Now, ask: &OfCustomer) -> Result<Value> {
    let mut statement = db.prepare(
        "SELECT id FROM orders WHERE email = ? ORDER BY placed_at DESC, number LIMIT 20",
    )?;
    let ids = statement
        .query_map([email(&ask.email)?], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let orders = ids
        .iter()
        .map(|id| view(db, now, id, zh(&ask.locale)))
        .collect::<Result<Vec<_>>>()?;
    Ok(json!({ "count": orders.len(), "orders": orders }))
}

/// An order as customers may see it.
fn view(db: &Connection, now: &Now, id: &str, zh: bool) -> Result<Value> {
    let order = load(db, id)?;
    let mut statement = db.prepare(
        "SELECT l.sku, l.qty, l.price, l.status, p.name_en, p.name_zh,
           (SELECT coalesce(sum(r.qty), 0) FROM returns r
             WHERE r.order_id = l.order_id AND r.sku = l.sku) AS back
         FROM lines l JOIN products p ON p.sku = l.sku WHERE l.order_id = ? ORDER BY l.rowid",
    )?;
    let lines = statement
        .query_map([id], |row| {
            let (qty, back): (i64, i64) = (row.get("qty")?, row.get("back")?);
            Ok(json!({
                "sku": row.get::<_, String>("sku")?,
                "name": local(row, "name", zh)?,
                "qty": qty,
                "price": money(row.get("price")?),
                "status": row.get::<_, String>("status")?,
                "returned": back,
                "left": qty - back,
            }))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let sum: i64 = db.query_row(
        "SELECT coalesce(sum(qty * price), 0) FROM lines WHERE order_id = ?",
        [id],
        |row| row.get(0),
    )?;
    let until = order.return_until();
    Ok(json!({
        "id": order.id,
        "number": order.number,
        "email": order.email,
        "status": order.status,
        "placed_at": order.placed_at,
        "payment": order.payment,
        "payment_status": order.payment_status,
        "total": money(sum + order.shipping),
        "currency": "EUR",
        "eta": order.eta,
        "late": order.is_late(now),
        "shipped_at": order.shipped_at,
        "delivered_at": order.delivered_at,
        "cancelled_at": order.cancelled_at,
        "carrier": order.carrier,
        "tracking_number": order.tracking,
        "tracking_url": order.tracking.as_ref()
            .map(|number| format!("https://track.larkwood.example/{number}")),
        "address": order.address,
        "city": order.city,
        "cancellable": order.in_house(),
        "address_editable": order.in_house(),
        "return_until": until.map(|day| day.to_string()),
        "returnable": until.is_some_and(|day| day >= now.today()),
        "invoice": order.invoice,
        "lines": lines,
    }))
}

struct Order {
    id: String,
    number: String,
    email: String,
    status: String,
    payment: String,
    payment_status: String,
    shipping: i64,
    placed_at: String,
    eta: Option<String>,
    shipped_at: Option<String>,
    delivered_at: Option<String>,
    cancelled_at: Option<String>,
    carrier: Option<String>,
    tracking: Option<String>,
    address: String,
    city: String,
    invoice: Option<String>,
}

impl Order {
    /// Nothing has left the warehouse: it can still be changed.
    fn in_house(&self) -> bool {
        matches!(
            self.status.as_str(),
            "processing" | "awaiting_payment" | "payment_failed"
        )
    }

    fn is_late(&self, now: &Now) -> bool {
        self.status == "shipped"
            && self
                .eta
                .as_deref()
                .and_then(day)
                .is_some_and(|eta| eta < now.today())
    }

    fn return_until(&self) -> Option<jiff::civil::Date> {
        let delivered = day(self.delivered_at.as_deref()?)?;
        Some(delivered.saturating_add(jiff::Span::new().days(RETURN_DAYS)))
    }
}

fn load(db: &Connection, id: &str) -> Result<Order> {
    db.query_row("SELECT * FROM orders WHERE id = ?", [id], |row| {
        let (street, postcode): (String, String) = (row.get("street")?, row.get("postcode")?);
        let (city, country): (String, String) = (row.get("city")?, row.get("country")?);
        Ok(Order {
            id: row.get("id")?,
            number: row.get("number")?,
            email: row.get("email")?,
            status: row.get("status")?,
            payment: row.get("payment")?,
            payment_status: row.get("payment_status")?,
            shipping: row.get("shipping")?,
            placed_at: row.get("placed_at")?,
            eta: row.get("eta")?,
            shipped_at: row.get("shipped_at")?,
            delivered_at: row.get("delivered_at")?,
            cancelled_at: row.get("cancelled_at")?,
            carrier: row.get("carrier")?,
            tracking: row.get("tracking")?,
            address: format!("{street}, {postcode} {city}, {country}"),
            city,
            invoice: row.get("invoice")?,
        })
    })
    .optional()?
    .ok_or_else(|| not_found("order_not_found", "There is no such order."))
}

/// Where the carrier says a parcel is.
pub(super) fn track(db: &Connection, now: &Now, number: &str) -> Result<Value> {
    let id: String = db
        .query_row(
            "SELECT id FROM orders WHERE tracking = ?",
            [number.trim()],
            |row| row.get(0),
        )
        .optional()?
        .ok_or_else(|| not_found("parcel_not_found", "There is no such parcel."))?;
    let order = load(db, &id)?;
    let since = |at: &Option<String>| at.as_deref().and_then(day).is_some_and(|d| d < now.today());
    let due = order.eta.as_deref().and_then(day) == Some(now.today());
    let (status, place) = match order.status.as_str() {
        "shipped" if due => ("out_for_delivery", order.city.as_str()),
        "shipped" if since(&order.shipped_at) => ("in_transit", "Leipzig"),
        "shipped" => ("accepted", "Hannover"),
        _ => ("delivered", order.city.as_str()),
    };
    let mut told = json!({ "status": status, "place": place });
    if let ("shipped", Some(eta)) = (order.status.as_str(), &order.eta) {
        told["expected"] = json!(eta);
    }
    Ok(told)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfOrder {
    pub order: String,
}

pub(super) fn cancel(db: &Connection, now: &Now, ask: &OfOrder) -> Result<Value> {
    let order = load(db, &ask.order)?;
    if order.status == "cancelled" {
        return Err(ShopError::Conflict(
            "already_cancelled",
            "The order was cancelled before.".into(),
        ));
    }
    if !order.in_house() {
        return Err(ShopError::Conflict(
            "already_shipped",
            "The order has left the warehouse.".into(),
        ));
    }
    db.execute(
        "UPDATE orders SET status = 'cancelled', cancelled_at = ? WHERE id = ?",
        params![now.day(0), order.id],
    )?;
    db.execute(
        "UPDATE lines SET status = 'cancelled' WHERE order_id = ?",
        [&order.id],
    )?;
    mail(db, now, &order.email, "cancelled", &order.number)?;
    let refund = if order.payment_status == "paid" {
        Some(refund_all(db, now, &order)?)
    } else {
        None
    };
    Ok(json!({ "order": order.id, "status": "cancelled", "refund": refund }))
}

fn refund_all(db: &Connection, now: &Now, order: &Order) -> Result<Value> {
    let sum: i64 = db.query_row(
        "SELECT coalesce(sum(qty * price), 0) FROM lines WHERE order_id = ?",
        [&order.id],
        |row| row.get(0),
    )?;
    let (id, expected) = (next_id(db, "F")?, now.day(5));
    let amount = sum + order.shipping;
    db.execute(
        "INSERT INTO refunds (id, order_id, amount, method, status, created_at, expected_at)
         VALUES (?, ?, ?, ?, 'pending', ?, ?)",
        params![id, order.id, amount, order.payment, now.day(0), expected],
    )?;
    Ok(
        json!({ "id": id, "amount": money(amount), "method": order.payment, "expected_at": expected }),
    )
}

/// The newest refund of an order.
pub(super) fn refund(db: &Connection, ask: &OfOrder) -> Result<Value> {
    load(db, &ask.order)?;
    db.query_row(
        "SELECT id, amount, method, status, expected_at, paid_at FROM refunds
         WHERE order_id = ? ORDER BY created_at DESC, id DESC LIMIT 1",
        [&ask.order],
        |row| {
            Ok(json!({
                "id": row.get::<_, String>(0)?,
                "amount": money(row.get(1)?),
                "currency": "EUR",
                "method": row.get::<_, String>(2)?,
                "status": row.get::<_, String>(3)?,
                "expected_at": row.get::<_, String>(4)?,
                "paid_at": row.get::<_, Option<String>>(5)?,
            }))
        },
    )
    .optional()?
    .ok_or_else(|| not_found("no_refund", "There is no refund for this order."))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAddress {
    pub order: String,
    pub street: String,
    pub postcode: String,
    pub city: String,
}

pub(super) fn change_address(db: &Connection, now: &Now, ask: &NewAddress) -> Result<Value> {
    let order = load(db, &ask.order)?;
    for (field, value) in [
        ("street", &ask.street),
        ("postcode", &ask.postcode),
        ("city", &ask.city),
    ] {
        let length = value.trim().chars().count();
        if !(2..=120).contains(&length) || value.chars().any(char::is_control) {
            return Err(invalid(format!("The {field} is not usable.")));
        }
    }
    if !order.in_house() {
        return Err(ShopError::Conflict(
            "already_shipped",
            "The order has left the warehouse.".into(),
        ));
    }
    db.execute(
        "UPDATE orders SET street = ?, postcode = ?, city = ? WHERE id = ?",
        params![
            ask.street.trim(),
            ask.postcode.trim(),
            ask.city.trim(),
            order.id
        ],
    )?;
    mail(db, now, &order.email, "address_changed", &order.number)?;
    let changed = load(db, &order.id)?;
    Ok(json!({ "order": changed.id, "address": changed.address }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReturn {
    pub order: String,
    pub sku: String,
    pub qty: i64,
    pub reason: String,
    #[serde(default)]
    pub photo: Option<Value>,
    /// For an exchange: what to send instead.
    #[serde(default)]
    pub wanted: Option<String>,
}

/// A return, or with `wanted` an exchange.
pub(super) fn create_return(db: &Connection, now: &Now, ask: &NewReturn) -> Result<Value> {
    let order = load(db, &ask.order)?;
    let Some(until) = order.return_until() else {
        return Err(ShopError::Conflict(
            "not_delivered",
            "The order has not been delivered.".into(),
        ));
    };
    if until < now.today() && ask.reason != "damaged" {
        return Err(ShopError::Gone(
            "too_late",
            format!("The return period ended on {until}."),
        ));
    }
    let line: Option<(i64, i64)> = db
        .query_row(
            "SELECT l.qty, (SELECT coalesce(sum(r.qty), 0) FROM returns r
               WHERE r.order_id = l.order_id AND r.sku = l.sku)
             FROM lines l WHERE l.order_id = ? AND l.sku = ?",
            params![order.id, ask.sku],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((bought, back)) = line else {
        return Err(not_found(
            "no_such_line",
            "That article is not in the order.",
        ));
    };
    if ask.qty < 1 || ask.qty > bought {
        return Err(invalid(format!("Between 1 and {bought} can be returned.")));
    }
    if ask.qty > bought - back {
        return Err(ShopError::Conflict(
            "already_returned",
            format!("{back} of {bought} are on their way back already."),
        ));
    }
    if let Some(wanted) = &ask.wanted {
        take_from_stock(db, wanted, ask.qty)?;
    }
    let kind = if ask.wanted.is_some() {
        "exchange"
    } else {
        "return"
    };
    let id = next_id(db, "R")?;
    db.execute(
        "INSERT INTO returns (id, order_id, sku, qty, kind, reason, wanted, photo, status,
           created_at, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)",
        params![
            id,
            order.id,
            ask.sku,
            ask.qty,
            kind,
            ask.reason,
            ask.wanted,
            ask.photo.as_ref().map(Value::to_string),
            now.day(0),
            now.day(14)
        ],
    )?;
    mail(db, now, &order.email, "return_label", &id)?;
    get_return(db, &ById { id })
}

fn take_from_stock(db: &Connection, sku: &str, qty: i64) -> Result<()> {
    let taken = db.execute(
        "UPDATE stock SET qty = qty - ?2 WHERE sku = ?1 AND place = 'online' AND qty >= ?2",
        params![sku, qty],
    )?;
    if taken == 0 {
        return Err(ShopError::Conflict(
            "out_of_stock",
            "The article asked for is not in stock.".into(),
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ById {
    pub id: String,
}

pub(super) fn get_return(db: &Connection, ask: &ById) -> Result<Value> {
    db.query_row("SELECT * FROM returns WHERE id = ?", [&ask.id], |row| {
        let id: String = row.get("id")?;
        let status: String = row.get("status")?;
        Ok(json!({
            "label_url": format!("https://larkwood.example/labels/{id}.pdf"),
            "id": id,
            "order": row.get::<_, String>("order_id")?,
            "sku": row.get::<_, String>("sku")?,
            "qty": row.get::<_, i64>("qty")?,
            "kind": row.get::<_, String>("kind")?,
            "reason": row.get::<_, String>("reason")?,
            "wanted": row.get::<_, Option<String>>("wanted")?,
            "received": status != "open",
            "status": status,
            "created_at": row.get::<_, String>("created_at")?,
            "due": row.get::<_, String>("due")?,
        }))
    })
    .optional()?
    .ok_or_else(|| not_found("return_not_found", "There is no such return."))
}

/// A paid order's invoice. A delivered or shipped order has one.
pub(super) fn invoice(db: &Connection, ask: &OfOrder) -> Result<Value> {
    let order = load(db, &ask.order)?;
    match order.invoice {
        Some(number) => Ok(json!({
            "url": format!("https://larkwood.example/invoices/{number}.pdf"),
            "number": number,
        })),
        None => Err(ShopError::Conflict(
            "no_invoice_yet",
            "The invoice is written when the order ships.".into(),
        )),
    }
}

pub(super) fn send_invoice(db: &Connection, now: &Now, ask: &OfOrder) -> Result<Value> {
    let found = invoice(db, ask)?;
    let order = load(db, &ask.order)?;
    mail(db, now, &order.email, "invoice", &order.number)?;
    Ok(json!({ "number": found["number"], "url": found["url"], "sent_to": order.email }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReport {
    pub order: String,
    pub kind: String,
    #[serde(default)]
    pub sku: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub photo: Option<Value>,
}

/// Something is wrong with a parcel.
pub(super) fn report(db: &Connection, now: &Now, ask: &NewReport) -> Result<Value> {
    let order = load(db, &ask.order)?;
    if !["missing", "damaged", "incomplete", "wrong"].contains(&ask.kind.as_str()) {
        return Err(invalid(
            "The kind is missing, damaged, incomplete or wrong.",
        ));
    }
    if order.in_house() || order.status == "cancelled" {
        return Err(ShopError::Conflict(
            "not_shipped",
            "Nothing was sent for this order.".into(),
        ));
    }
    if ask.note.as_ref().is_some_and(|n| n.chars().count() > 2000) {
        return Err(invalid("The note is too long."));
    }
    let (id, answer_by) = (next_id(db, "P")?, now.day(2));
    db.execute(
        "INSERT INTO reports (id, order_id, kind, sku, note, photo, status, answer_by)
         VALUES (?, ?, ?, ?, ?, ?, 'open', ?)",
        params![
            id,
            order.id,
            ask.kind,
            ask.sku,
            ask.note,
            ask.photo.as_ref().map(Value::to_string),
            answer_by
        ],
    )?;
    mail(db, now, &order.email, "parcel_report", &id)?;
    Ok(json!({ "id": id, "order": order.id, "kind": ask.kind, "answer_by": answer_by }))
}

pub(super) fn zh(locale: &str) -> bool {
    locale.starts_with("zh")
}

/// Trimmed and in lower case.
pub(super) fn email(raw: &str) -> Result<String> {
    let text = raw.trim().to_lowercase();
    let well_formed = text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.contains('.') && !host.contains('@')
        });
    if well_formed {
        Ok(text)
    } else {
        Err(invalid("That is no e-mail address."))
    }
}

fn day(text: &str) -> Option<jiff::civil::Date> {
    text.parse().ok()
}
