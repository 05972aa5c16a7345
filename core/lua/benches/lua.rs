//! What reaching Lua costs a turn: a fresh state with its first call, and the second call.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tandem_domain::Timestamp;
use tandem_lua::{Limits, Program, Session};

const ORDERS: &str = r#"
local orders = {}
function orders.clean_number(value)
  for digits in string.gmatch(value, "%d+") do
    if #digits == 8 then return digits end
  end
  return nil, "An order number has 8 digits."
end
return orders
"#;

fn pure(c: &mut Criterion) {
    let program = Program::compile([("orders.luau", ORDERS)]).expect("the module compiles");
    let args = [json!("my order is 12345678, thanks")];
    let session = || Session::new(&program, Limits::pure(), Timestamp(0), 1);
    c.bench_function("lua/fresh state and pure call", |b| {
        b.iter(|| session().call("orders", "clean_number", black_box(&args)));
    });
    let mut warm = session();
    warm.call("orders", "clean_number", &args)
        .expect("the call succeeds");
    c.bench_function("lua/second call of a session", |b| {
        b.iter(|| warm.call("orders", "clean_number", black_box(&args)));
    });
}

criterion_group!(benches, pure);
criterion_main!(benches);
