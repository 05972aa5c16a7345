//! The tree back into source, with operators of our own.

use std::fmt::Write as _;

use minijinja::{
    Value,
    machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt, UnaryOpKind},
    value::ValueKind,
};

use super::filters::{COMPARE, OPERATE};

/// The source minijinja compiles.
pub(super) fn expr(e: &Expr<'_>) -> String {
    let mut out = String::new();
    Writer {
        out: &mut out,
        ours: true,
    }
    .expr(e);
    out
}

/// The source as an author would write it, for notes.
pub(super) fn shown(e: &Expr<'_>) -> String {
    let mut out = String::new();
    Writer {
        out: &mut out,
        ours: false,
    }
    .expr(e);
    match out.strip_prefix('(').and_then(|s| s.strip_suffix(')')) {
        Some(inner) if closed(inner) => inner.to_owned(),
        _ => out,
    }
}

/// Whether every parenthesis opened in `text` is closed in it, and none before it opens.
fn closed(text: &str) -> bool {
    let mut depth = 0;
    for c in text.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

pub(super) fn body(stmts: &[Stmt<'_>]) -> String {
    let mut out = String::new();
    Writer {
        out: &mut out,
        ours: true,
    }
    .body(stmts);
    out
}

pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(super) fn binary_sign(op: BinOpKind) -> &'static str {
    match op {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::ScAnd => "and",
        BinOpKind::ScOr => "or",
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
        BinOpKind::In => "in",
    }
}

pub(super) fn compare_sign(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not in",
    }
}

struct Writer<'o> {
    out: &'o mut String,
    ours: bool,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn body(&mut self, stmts: &[Stmt<'_>]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    /// Only what [`super::analysis`] lets through arrives here.
    fn stmt(&mut self, stmt: &Stmt<'_>) {
        match stmt {
            Stmt::Template(t) => self.body(&t.children),
            Stmt::EmitRaw(raw) if raw.raw.contains('{') => {
                let text = literal(raw.raw);
                self.push("{{ ");
                self.push(&text);
                self.push(" }}");
            }
            Stmt::EmitRaw(raw) => self.push(raw.raw),
            Stmt::EmitExpr(e) => {
                self.push("{{ ");
                self.expr(&e.expr);
                self.push(" }}");
            }
            Stmt::ForLoop(f) => {
                self.push("{% for ");
                self.target(&f.target);
                self.push(" in ");
                self.expr(&f.iter);
                if let Some(filter) = &f.filter_expr {
                    self.push(" if ");
                    self.expr(filter);
                }
                self.push(" %}");
                self.body(&f.body);
                if !f.else_body.is_empty() {
                    self.push("{% else %}");
                    self.body(&f.else_body);
                }
                self.push("{% endfor %}");
            }
            Stmt::IfCond(i) => {
                self.push("{% if ");
                self.expr(&i.expr);
                self.push(" %}");
                self.body(&i.true_body);
                if !i.false_body.is_empty() {
                    self.push("{% else %}");
                    self.body(&i.false_body);
                }
                self.push("{% endif %}");
            }
            Stmt::WithBlock(w) => {
                self.push("{% with ");
                for (at, (target, value)) in w.assignments.iter().enumerate() {
                    self.push(if at > 0 { ", " } else { "" });
                    self.target(target);
                    self.push(" = ");
                    self.expr(value);
                }
                self.push(" %}");
                self.body(&w.body);
                self.push("{% endwith %}");
            }
            Stmt::Set(s) => {
                self.push("{% set ");
                self.target(&s.target);
                self.push(" = ");
                self.expr(&s.expr);
                self.push(" %}");
            }
            Stmt::SetBlock(s) => {
                self.push("{% set ");
                self.target(&s.target);
                self.push(" %}");
                self.body(&s.body);
                self.push("{% endset %}");
            }
            _ => {}
        }
    }

    fn target(&mut self, e: &Expr<'_>) {
        match e {
            Expr::Var(v) => self.push(v.id),
            Expr::List(l) => {
                for (at, item) in l.items.iter().enumerate() {
                    self.push(if at > 0 { ", " } else { "" });
                    self.target(item);
                }
                if l.items.len() == 1 {
                    self.push(",");
                }
            }
            _ => {}
        }
    }

    fn expr(&mut self, e: &Expr<'_>) {
        match e {
            Expr::Var(v) => self.push(v.id),
            Expr::Const(c) => self.constant(&c.value),
            Expr::Slice(s) => {
                self.expr(&s.expr);
                self.push("[");
                self.maybe(s.start.as_ref());
                self.push(":");
                self.maybe(s.stop.as_ref());
                self.push(":");
                self.maybe(s.step.as_ref());
                self.push("]");
            }
            Expr::UnaryOp(u) => {
                self.push(match u.op {
                    UnaryOpKind::Not => "(not ",
                    UnaryOpKind::Neg => "(-",
                });
                self.expr(&u.expr);
                self.push(")");
            }
            Expr::BinOp(b) => self.binary(b.op, &b.left, &b.right, e),
            Expr::Compare(c) => {
                if self.ours {
                    let _ = write!(self.out, "{COMPARE}({}, ", literal(&shown(e)));
                    self.expr(&c.expr);
                    for op in &c.ops {
                        let _ = write!(self.out, ", '{}', ", compare_sign(op.op));
                        self.expr(&op.expr);
                    }
                } else {
                    self.push("(");
                    self.expr(&c.expr);
                    for op in &c.ops {
                        let _ = write!(self.out, " {} ", compare_sign(op.op));
                        self.expr(&op.expr);
                    }
                }
                self.push(")");
            }
            Expr::IfExpr(i) => {
                self.push("(");
                self.expr(&i.true_expr);
                self.push(" if ");
                self.expr(&i.test_expr);
                if let Some(otherwise) = &i.false_expr {
                    self.push(" else ");
                    self.expr(otherwise);
                }
                self.push(")");
            }
            Expr::Filter(f) => {
                self.push("(");
                self.maybe(f.expr.as_ref());
                self.push(" | ");
                self.push(f.name);
                match (&f.expr, f.name) {
                    // The slot's name finds the options.
                    (Some(Expr::Var(v)), "label") if self.ours && f.args.is_empty() => {
                        let _ = write!(self.out, "({})", literal(v.id));
                    }
                    _ if f.args.is_empty() => {}
                    _ => self.args(&f.args),
                }
                self.push(")");
            }
            Expr::Test(t) => {
                self.push("(");
                self.expr(&t.expr);
                self.push(" is ");
                self.push(t.name);
                if !t.args.is_empty() {
                    self.args(&t.args);
                }
                self.push(")");
            }
            Expr::GetAttr(g) => {
                self.expr(&g.expr);
                self.push(".");
                self.push(g.name);
            }
            Expr::GetItem(g) => {
                self.expr(&g.expr);
                self.push("[");
                self.expr(&g.subscript_expr);
                self.push("]");
            }
            Expr::Call(c) => {
                self.expr(&c.expr);
                self.args(&c.args);
            }
            Expr::List(l) => {
                self.push("[");
                self.items(&l.items);
                self.push("]");
            }
            Expr::Tuple(t) => {
                self.push("(");
                self.items(&t.items);
                self.push(if t.items.len() == 1 { ",)" } else { ")" });
            }
            Expr::Map(m) => {
                self.push("{");
                for (at, (key, value)) in m.keys.iter().zip(&m.values).enumerate() {
                    self.push(if at > 0 { ", " } else { "" });
                    self.expr(key);
                    self.push(": ");
                    self.expr(value);
                }
                // A space keeps it apart from the end of a tag.
                self.push("} ");
            }
        }
    }

    fn binary(&mut self, op: BinOpKind, left: &Expr<'_>, right: &Expr<'_>, whole: &Expr<'_>) {
        let sign = binary_sign(op);
        let compared = match op {
            BinOpKind::Eq | BinOpKind::Ne => !(solid(left) || solid(right)),
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte | BinOpKind::In => true,
            _ => false,
        };
        if self.ours && compared {
            let _ = write!(self.out, "{COMPARE}({}, ", literal(&shown(whole)));
            self.expr(left);
            let _ = write!(self.out, ", '{sign}', ");
            self.expr(right);
        } else if self.ours
            && matches!(
                op,
                BinOpKind::Add | BinOpKind::Mul | BinOpKind::Pow | BinOpKind::Concat
            )
        {
            let _ = write!(self.out, "{OPERATE}(");
            self.expr(left);
            let _ = write!(self.out, ", '{sign}', ");
            self.expr(right);
        } else {
            self.push("(");
            self.expr(left);
            let _ = write!(self.out, " {sign} ");
            self.expr(right);
        }
        self.push(")");
    }

    fn maybe(&mut self, e: Option<&Expr<'_>>) {
        if let Some(e) = e {
            self.expr(e);
        }
    }

    fn items(&mut self, items: &[Expr<'_>]) {
        for (at, item) in items.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            self.expr(item);
        }
    }

    fn args(&mut self, args: &[CallArg<'_>]) {
        self.push("(");
        for (at, arg) in args.iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" });
            match arg {
                CallArg::Pos(e) => self.expr(e),
                CallArg::Kwarg(name, e) => {
                    self.push(name);
                    self.push("=");
                    self.expr(e);
                }
                // Refused before.
                CallArg::PosSplat(e) | CallArg::KwargSplat(e) => self.expr(e),
            }
        }
        self.push(")");
    }

    fn constant(&mut self, value: &Value) {
        match value.kind() {
            ValueKind::String => {
                let text = literal(value.as_str().unwrap_or_default());
                self.push(&text);
            }
            ValueKind::Bool => self.push(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => {
                let _ = write!(self.out, "{value}");
            }
            _ => self.push("none"),
        }
    }
}

/// A constant that is not none: comparing with it for equality needs no help.
fn solid(e: &Expr<'_>) -> bool {
    matches!(e, Expr::Const(c) if !c.value.is_none() && !c.value.is_undefined())
}
