//! The invented shop's goods, stores, customers and orders. Every date is relative to the day of
//! seeding, so that "delivered three days ago" stays true in a fresh demo.

use rusqlite::{Connection, params};

use super::db::{Now, Result};

struct Product {
    sku: &'static str,
    category: &'static str,
    name: [&'static str; 2],
    text: [&'static str; 2],
    size: &'static str,
    material: [&'static str; 2],
    /// Cents; the second is the price before a reduction.
    price: (i64, Option<i64>),
    /// Online, Berlin, Hamburg, Munich, Düsseldorf.
    stock: [i64; 5],
}

#[rustfmt::skip]
const PRODUCTS: [Product; 26] = [
    p("SOFA-ELM", "sofa", ["Elm three-seat sofa", "榆木三人沙发"], ["A deep sofa with washable covers.", "座深舒适，沙发套可拆洗。"], "220 × 95 × 82 cm", ["oak legs, linen blend cover", "橡木脚，亚麻混纺面料"], (89900, Some(99900)), [12, 1, 2, 1, 0]),
    p("SOFA-FEN", "sofa", ["Fen corner sofa", "芬转角沙发"], ["A corner sofa with a bed and storage inside.", "带沙发床和储物空间的转角沙发。"], "260 × 180 × 85 cm", ["pine frame, velvet cover", "松木框架，天鹅绒面料"], (129900, None), [3, 1, 0, 1, 1]),
    p("CHAIR-WREN", "armchair", ["Wren armchair", "鹪鹩扶手椅"], ["A light armchair for reading.", "适合阅读的轻巧扶手椅。"], "72 × 78 × 80 cm", ["beech, wool cover", "榉木，羊毛面料"], (34900, None), [20, 3, 2, 2, 4]),
    p("TABLE-OAK", "dining table", ["Oak dining table", "橡木餐桌"], ["Seats six, extends for eight.", "可坐六人，展开可坐八人。"], "180–240 × 90 × 75 cm", ["solid oak, oiled", "实木橡木，木蜡油"], (64900, None), [7, 1, 1, 1, 1]),
    p("CHAIR-LARK", "dining chair", ["Lark dining chair", "云雀餐椅"], ["A stackable chair with a curved back.", "弧形靠背，可叠放。"], "46 × 52 × 80 cm", ["ash", "白蜡木"], (8900, None), [64, 8, 12, 6, 10]),
    p("BED-HAZEL", "bed", ["Hazel bed frame", "榛木床架"], ["A bed with a padded headboard.", "软包床头，稳固安静。"], "160 × 200 cm", ["solid beech", "实木榉木"], (44900, Some(49900)), [9, 1, 1, 0, 1]),
    p("MATT-CLOUD", "mattress", ["Cloud mattress", "云朵床垫"], ["Medium firm, with 100 nights to try it.", "软硬适中，可试睡100晚。"], "160 × 200 × 22 cm", ["pocket springs, cotton", "独立袋装弹簧，棉"], (49900, None), [30, 2, 2, 2, 2]),
    p("WARD-BIRCH", "wardrobe", ["Birch wardrobe", "桦木衣柜"], ["Two sliding doors, soft closing.", "双推拉门，缓冲关闭。"], "200 × 60 × 210 cm", ["birch veneer", "桦木贴面"], (74900, None), [4, 1, 0, 1, 0]),
    p("SHELF-PINE", "bookcase", ["Pine bookcase", "松木书架"], ["Five shelves; the wall fitting is in the box.", "五层隔板，附墙面固定件。"], "80 × 30 × 190 cm", ["solid pine", "实木松木"], (15900, None), [25, 3, 3, 2, 3]),
    p("DESK-MAPLE", "desk", ["Maple desk", "枫木书桌"], ["A desk with two drawers and a cable hole.", "双抽屉，带走线孔。"], "140 × 70 × 74 cm", ["maple veneer, steel", "枫木贴面，钢"], (27900, None), [14, 2, 1, 1, 1]),
    p("CHAIR-TERN", "office chair", ["Tern office chair", "燕鸥办公椅"], ["Adjustable seat, back and arms.", "座高、靠背、扶手均可调节。"], "66 × 66 × 98–108 cm", ["mesh, recycled plastic", "网布，再生塑料"], (22900, Some(25900)), [18, 2, 2, 2, 2]),
    p("LAMP-MOON", "table lamp", ["Moon table lamp", "月亮台灯"], ["A warm, dimmable lamp with a glass shade.", "玻璃灯罩，暖光可调。"], "Ø 24 × 35 cm", ["glass, brass", "玻璃，黄铜"], (5900, None), [40, 5, 6, 4, 5]),
    p("LAMP-REED", "floor lamp", ["Reed floor lamp", "芦苇落地灯"], ["A tall lamp with a linen shade.", "亚麻灯罩落地灯。"], "Ø 40 × 155 cm", ["steel, linen", "钢，亚麻"], (11900, None), [16, 2, 2, 3, 1]),
    p("RUG-MOSS", "rug", ["Moss wool rug", "苔藓羊毛地毯"], ["A soft hand-tufted rug.", "手工簇绒，柔软厚实。"], "170 × 240 cm", ["wool", "羊毛"], (24900, None), [10, 1, 1, 1, 1]),
    p("CURT-MIST", "curtain", ["Mist curtains, pair", "薄雾窗帘（一对）"], ["Light curtains that keep looks out.", "透光不透人的轻薄窗帘。"], "2 × 140 × 250 cm", ["linen, cotton", "亚麻，棉"], (6900, None), [33, 4, 4, 4, 4]),
    p("DUVET-DOWN", "duvet", ["Feather duvet", "羽绒被"], ["A warm duvet for cold nights.", "适合寒冷夜晚的暖被。"], "155 × 220 cm", ["responsible down, cotton", "可追溯羽绒，棉"], (12900, None), [21, 3, 3, 2, 2]),
    p("LINEN-SET", "bedding", ["Linen bedding set", "亚麻床品套装"], ["A duvet cover and two pillowcases.", "被套一件，枕套两件。"], "155 × 220 cm", ["washed linen", "水洗亚麻"], (9900, None), [26, 3, 2, 3, 3]),
    p("CUSH-FERN", "cushion", ["Fern cushion", "蕨叶抱枕"], ["An embroidered cushion, cover washable.", "刺绣抱枕，套可拆洗。"], "45 × 45 cm", ["cotton", "棉"], (2490, None), [80, 12, 10, 9, 14]),
    p("THROW-SKY", "throw", ["Sky wool throw", "天空羊毛毯"], ["A light throw for the sofa.", "沙发轻盖毯。"], "130 × 180 cm", ["lambswool", "羔羊毛"], (5900, Some(6900)), [37, 5, 4, 4, 4]),
    p("MUG-SET4", "tableware", ["Set of four mugs", "马克杯四件套"], ["Glazed by hand, safe in the dishwasher.", "手工上釉，可用洗碗机。"], "350 ml", ["stoneware", "炻器"], (3200, None), [55, 8, 7, 9, 6]),
    p("PLATE-SET6", "tableware", ["Set of six plates", "餐盘六件套"], ["Plates with a fine rim.", "细边餐盘。"], "Ø 27 cm", ["porcelain", "瓷"], (4800, None), [29, 4, 5, 3, 4]),
    p("VASE-DEW", "decoration", ["Dew vase", "露珠花瓶"], ["Blown by mouth; each one differs a little.", "人工吹制，每件略有不同。"], "Ø 14 × 25 cm", ["glass", "玻璃"], (3900, None), [24, 3, 3, 3, 3]),
    p("MIRR-ROUND", "mirror", ["Round mirror", "圆形壁镜"], ["A slim frame; hangs with one screw.", "细框圆镜，一颗螺丝即可悬挂。"], "Ø 80 cm", ["glass, oak", "玻璃，橡木"], (8900, None), [0, 2, 1, 0, 1]),
    p("CANDLE-FIG", "decoration", ["Fig candle", "无花果香薰蜡烛"], ["Burns for about 45 hours.", "可燃烧约45小时。"], "Ø 8 × 9 cm", ["rapeseed wax", "菜籽蜡"], (1900, None), [90, 20, 18, 16, 15]),
    p("POT-CLAY", "decoration", ["Clay plant pot", "陶土花盆"], ["With a saucer, for inside and outside.", "带托盘，室内外通用。"], "Ø 22 × 20 cm", ["terracotta", "赤陶"], (1690, None), [48, 9, 9, 7, 8]),
    p("GIFT-50", "gift card", ["Gift card €50", "50欧元礼品卡"], ["By e-mail or printed, valid for three years.", "电子或实体卡，三年有效。"], "–", ["paper", "纸"], (5000, None), [999, 99, 99, 99, 99]),
];

#[allow(clippy::too_many_arguments, reason = "a table row")]
const fn p(
    sku: &'static str,
    category: &'static str,
    name: [&'static str; 2],
    text: [&'static str; 2],
    size: &'static str,
    material: [&'static str; 2],
    price: (i64, Option<i64>),
    stock: [i64; 5],
) -> Product {
    Product {
        sku,
        category,
        name,
        text,
        size,
        material,
        price,
        stock,
    }
}

/// Id, names, cities, address, telephone, hours on weekdays and on Saturday.
#[rustfmt::skip]
const STORES: [[&str; 9]; 4] = [
    ["berlin", "Larkwood Berlin", "云木家居柏林店", "Berlin", "柏林", "Lindenhofweg 12, 10115 Berlin", "+49 30 5550 120", "10:00-19:00", "10:00-18:00"],
    ["hamburg", "Larkwood Hamburg", "云木家居汉堡店", "Hamburg", "汉堡", "Speicherkai 4, 20457 Hamburg", "+49 40 5550 140", "10:00-19:00", "10:00-18:00"],
    ["munich", "Larkwood Munich", "云木家居慕尼黑店", "Munich", "慕尼黑", "Auenplatz 7, 80331 München", "+49 89 5550 160", "10:00-20:00", "10:00-18:00"],
    ["duesseldorf", "Larkwood Düsseldorf", "云木家居杜塞尔多夫店", "Düsseldorf", "杜塞尔多夫", "Rheinbogen 21, 40213 Düsseldorf", "+49 211 5550 180", "10:00-19:00", "10:00-18:00"],
];

/// E-mail, name, locale, verified, membership (number, tier, points, days since joining).
type Customer = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    Option<(&'static str, &'static str, i64, i64)>,
);

#[rustfmt::skip]
const CUSTOMERS: [Customer; 10] = [
    ("ann@example.com", "Ann Walker", "en", true, Some(("LW100001", "gold", 1820, 900))),
    ("ben@example.com", "Ben Hughes", "en", true, Some(("LW100002", "silver", 640, 400))),
    ("carla@example.com", "Carla Rossi", "en", true, None),
    ("david@example.com", "David Klein", "en", false, None),
    ("emma@example.com", "Emma Berg", "en", true, Some(("LW100003", "basic", 120, 60))),
    ("felix@example.com", "Felix Moreau", "en", true, None),
    ("wangfang@example.com", "王芳", "zh", true, Some(("LW100010", "gold", 2100, 700))),
    ("liming@example.com", "李明", "zh", true, Some(("LW100011", "silver", 900, 300))),
    ("chenjing@example.com", "陈静", "zh", true, None),
    ("zhaolei@example.com", "赵磊", "zh", false, None),
];

struct Sale {
    number: &'static str,
    email: &'static str,
    status: &'static str,
    /// How it was paid, and whether it is.
    payment: (&'static str, &'static str),
    /// Days ago: placed, shipped, delivered, cancelled.
    placed: i64,
    shipped: Option<i64>,
    delivered: Option<i64>,
    cancelled: Option<i64>,
    /// Days from now until it should arrive.
    eta: Option<i64>,
    lines: &'static [(&'static str, i64)],
}

/// Not yet sent.
const fn waiting(
    number: &'static str,
    email: &'static str,
    status: &'static str,
    payment: (&'static str, &'static str),
    placed: i64,
    eta: i64,
    lines: &'static [(&'static str, i64)],
) -> Sale {
    Sale {
        number,
        email,
        status,
        payment,
        placed,
        shipped: None,
        delivered: None,
        cancelled: None,
        eta: Some(eta),
        lines,
    }
}

/// On its way.
const fn shipped(
    number: &'static str,
    email: &'static str,
    placed: i64,
    eta: i64,
    lines: &'static [(&'static str, i64)],
) -> Sale {
    Sale {
        number,
        email,
        status: "shipped",
        payment: ("card", "paid"),
        placed,
        shipped: Some(placed - 1),
        delivered: None,
        cancelled: None,
        eta: Some(eta),
        lines,
    }
}

/// Arrived so many days ago.
const fn arrived(
    number: &'static str,
    email: &'static str,
    status: &'static str,
    payment: &'static str,
    delivered: i64,
    lines: &'static [(&'static str, i64)],
) -> Sale {
    Sale {
        number,
        email,
        status,
        payment: (payment, "paid"),
        placed: delivered + 4,
        shipped: Some(delivered + 2),
        delivered: Some(delivered),
        cancelled: None,
        eta: Some(-delivered),
        lines,
    }
}

const fn cancelled(
    number: &'static str,
    email: &'static str,
    ago: i64,
    lines: &'static [(&'static str, i64)],
) -> Sale {
    Sale {
        number,
        email,
        status: "cancelled",
        payment: ("paypal", "paid"),
        placed: ago + 1,
        shipped: None,
        delivered: None,
        cancelled: Some(ago),
        eta: None,
        lines,
    }
}

#[rustfmt::skip]
const SALES: [Sale; 30] = [
    shipped("12345678", "ann@example.com", 3, 2, &[("LAMP-REED", 1), ("THROW-SKY", 2)]),
    arrived("23456789", "ann@example.com", "delivered", "card", 3, &[("LAMP-MOON", 2), ("MUG-SET4", 1)]),
    arrived("34567890", "ann@example.com", "delivered", "card", 45, &[("CHAIR-WREN", 1)]),
    waiting("45678901", "ann@example.com", "processing", ("card", "paid"), 0, 5, &[("CUSH-FERN", 4)]),
    waiting("11112222", "ben@example.com", "processing", ("card", "paid"), 1, 4, &[("DESK-MAPLE", 1)]),
    arrived("22223333", "ben@example.com", "delivered", "paypal", 12, &[("CHAIR-TERN", 1)]),
    cancelled("33334444", "ben@example.com", 8, &[("RUG-MOSS", 1)]),
    arrived("44445555", "carla@example.com", "partly_delivered", "card", 2, &[("TABLE-OAK", 1), ("CHAIR-LARK", 6)]),
    arrived("55556666", "carla@example.com", "returned", "card", 15, &[("VASE-DEW", 1)]),
    arrived("66667777", "carla@example.com", "refunded", "paypal", 25, &[("CURT-MIST", 2)]),
    waiting("77778888", "david@example.com", "awaiting_payment", ("transfer", "open"), 2, 9, &[("SHELF-PINE", 2)]),
    waiting("88889999", "david@example.com", "payment_failed", ("card", "failed"), 1, 6, &[("BED-HAZEL", 1)]),
    shipped("10203040", "emma@example.com", 12, -3, &[("MIRR-ROUND", 1)]),
    arrived("20304050", "emma@example.com", "delivered", "card", 1, &[("PLATE-SET6", 2), ("CANDLE-FIG", 3)]),
    arrived("30405060", "emma@example.com", "delivered", "transfer", 29, &[("POT-CLAY", 4)]),
    shipped("40506070", "felix@example.com", 2, 1, &[("DUVET-DOWN", 1), ("LINEN-SET", 1)]),
    arrived("50607080", "felix@example.com", "delivered", "card", 31, &[("LAMP-MOON", 1)]),
    cancelled("60708090", "felix@example.com", 1, &[("SOFA-FEN", 1)]),
    shipped("88888888", "wangfang@example.com", 4, 1, &[("SOFA-ELM", 1)]),
    arrived("66666666", "wangfang@example.com", "delivered", "card", 5, &[("LAMP-MOON", 1), ("CUSH-FERN", 2)]),
    arrived("99999999", "wangfang@example.com", "delivered", "card", 60, &[("RUG-MOSS", 1)]),
    waiting("16881688", "liming@example.com", "processing", ("paypal", "paid"), 0, 4, &[("CHAIR-TERN", 2)]),
    arrived("52013140", "liming@example.com", "delivered", "card", 40, &[("MIRR-ROUND", 1)]),
    arrived("13145200", "liming@example.com", "refunded", "card", 20, &[("VASE-DEW", 2)]),
    cancelled("18181818", "chenjing@example.com", 4, &[("MATT-CLOUD", 1)]),
    arrived("28282828", "chenjing@example.com", "delivered", "paypal", 29, &[("LINEN-SET", 2)]),
    shipped("38383838", "chenjing@example.com", 10, -2, &[("CANDLE-FIG", 6)]),
    waiting("58585858", "zhaolei@example.com", "awaiting_payment", ("transfer", "open"), 3, 8, &[("WARD-BIRCH", 1)]),
    arrived("68686868", "zhaolei@example.com", "partly_delivered", "card", 1, &[("PLATE-SET6", 1), ("MUG-SET4", 2)]),
    arrived("78787878", "zhaolei@example.com", "returned", "card", 9, &[("THROW-SKY", 1)]),
];

/// Code, kind, value, minimum in cents, starts and ends in days from now, texts.
type Coupon = (
    &'static str,
    &'static str,
    i64,
    i64,
    i64,
    i64,
    [&'static str; 2],
);

#[rustfmt::skip]
const COUPONS: [Coupon; 5] = [
    ("WELCOME10", "percent", 10, 5000, -200, 160, ["10 % off your first order from €50", "首单满50欧元享九折"]),
    ("FREESHIP", "shipping", 0, 2500, -30, 20, ["free delivery from €25", "满25欧元免运费"]),
    ("HOME20", "amount", 2000, 20000, -10, 12, ["€20 off from €200", "满200欧元减20欧元"]),
    ("SUMMER25", "percent", 25, 0, -160, -70, ["25 % off garden goods", "户外商品七五折"]),
    ("SPRING15", "percent", 15, 0, 30, 90, ["15 % off from spring on", "春季八五折"]),
];

/// Fills an empty shop.
///
/// # Errors
/// When the database fails.
pub(super) fn fill(db: &Connection, now: &Now) -> Result<()> {
    for product in &PRODUCTS {
        db.execute(
            "INSERT INTO products (sku, category, name_en, name_zh, text_en, text_zh, size,
               material_en, material_zh, price, was) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                product.sku,
                product.category,
                product.name[0],
                product.name[1],
                product.text[0],
                product.text[1],
                product.size,
                product.material[0],
                product.material[1],
                product.price.0,
                product.price.1
            ],
        )?;
        let places = std::iter::once("online").chain(STORES.iter().map(|store| store[0]));
        for (place, qty) in places.zip(product.stock) {
            db.execute(
                "INSERT INTO stock (sku, place, qty) VALUES (?, ?, ?)",
                params![product.sku, place, qty],
            )?;
        }
    }
    for store in &STORES {
        db.execute(
            "INSERT INTO stores (id, name_en, name_zh, city_en, city_zh, address, phone, weekday,
               saturday) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            store,
        )?;
    }
    for (email, name, locale, verified, member) in CUSTOMERS {
        db.execute(
            "INSERT INTO customers (email, name, locale, verified, member_no, tier, points,
               member_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                email,
                name,
                locale,
                verified,
                member.map(|m| m.0),
                member.map(|m| m.1),
                member.map_or(0, |m| m.2),
                member.map(|m| now.day(-m.3))
            ],
        )?;
    }
    for (place, sale) in SALES.iter().enumerate() {
        fill_order(db, now, place, sale)?;
    }
    for (code, kind, value, minimum, starts, ends, text) in COUPONS {
        db.execute(
            "INSERT INTO coupons (code, kind, value, minimum, starts, ends, text_en, text_zh)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                code,
                kind,
                value,
                minimum,
                now.day(starts),
                now.day(ends),
                text[0],
                text[1]
            ],
        )?;
    }
    Ok(())
}

fn fill_order(db: &Connection, now: &Now, place: usize, sale: &Sale) -> Result<()> {
    let id = format!("O-{}", 10_001 + place);
    let (_, name, ..) = CUSTOMERS
        .iter()
        .find(|customer| customer.0 == sale.email)
        .expect("every order of the seed has a customer of the seed");
    let ago = |days: i64| now.day(-days);
    let sum = line_sum(sale);
    // Delivery is free from €50.
    let shipping = if sum >= 5000 { 0 } else { 495 };
    db.execute(
        "INSERT INTO orders (id, number, email, status, payment, payment_status, shipping,
           placed_at, eta, shipped_at, delivered_at, cancelled_at, carrier, tracking, name, street,
           postcode, city, country, invoice)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            sale.number,
            sale.email,
            sale.status,
            sale.payment.0,
            sale.payment.1,
            shipping,
            ago(sale.placed),
            sale.eta.map(|days| now.day(days)),
            sale.shipped.map(ago),
            sale.delivered.map(ago),
            sale.cancelled.map(ago),
            sale.shipped.map(|_| "Postfink"),
            sale.shipped.map(|_| format!("PF{}DE", sale.number)),
            name,
            format!("Gartenweg {}", place + 1),
            "10115",
            "Berlin",
            "DE",
            sale.shipped.map(|_| format!("LW-{}", 20_001 + place))
        ],
    )?;
    for (index, (sku, qty)) in sale.lines.iter().enumerate() {
        let status = match sale.status {
            // Of a partly delivered order the first article has arrived.
            "partly_delivered" if index > 0 => "processing",
            "partly_delivered" | "returned" | "refunded" => "delivered",
            "awaiting_payment" | "payment_failed" => "processing",
            other => other,
        };
        db.execute(
            "INSERT INTO lines (order_id, sku, qty, price, status) VALUES (?, ?, ?, ?, ?)",
            params![id, sku, qty, price_of(sku), status],
        )?;
    }
    if matches!(sale.status, "returned" | "refunded") {
        let (sku, qty) = sale.lines[0];
        db.execute(
            "INSERT INTO returns (id, order_id, sku, qty, kind, reason, status, created_at, due)
             VALUES (?, ?, ?, ?, 'return', 'unwanted', ?, ?, ?)",
            params![
                format!("R-{}", 101 + place),
                id,
                sku,
                qty,
                if sale.status == "refunded" {
                    "refunded"
                } else {
                    "received"
                },
                ago(6),
                now.day(8)
            ],
        )?;
    }
    let refund = match sale.status {
        "returned" => Some(("pending", now.day(3), None)),
        "refunded" => Some(("paid", ago(2), Some(ago(2)))),
        "cancelled" if sale.cancelled > Some(5) => Some(("paid", ago(3), Some(ago(3)))),
        "cancelled" => Some(("pending", now.day(4), None)),
        _ => None,
    };
    if let Some((status, expected, paid)) = refund {
        db.execute(
            "INSERT INTO refunds (id, order_id, amount, method, status, created_at, expected_at,
               paid_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                format!("F-{}", 101 + place),
                id,
                sum + shipping,
                sale.payment.0,
                status,
                ago(5),
                expected,
                paid
            ],
        )?;
    }
    Ok(())
}

fn line_sum(sale: &Sale) -> i64 {
    sale.lines
        .iter()
        .map(|(sku, qty)| price_of(sku) * qty)
        .sum()
}

fn price_of(sku: &str) -> i64 {
    PRODUCTS
        .iter()
        .find(|product| product.sku == sku)
        .expect("every line of the seed is an article of the seed")
        .price
        .0
}
