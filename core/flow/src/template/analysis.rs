//! What `check` asks of an expression: its names, the fields it reads, the types it compares.

use minijinja::machinery::{
    Span,
    ast::{BinOpKind, CallArg, CompareOpKind, Expr, Stmt, UnaryOpKind},
};
use tandem_domain::Value;

use super::{
    FILTERS, FUNCTIONS, TESTS, TemplateError,
    rewrite::{binary_sign, compare_sign, shown},
    value::to_json,
};

/// A variable of an expression. Offsets are bytes in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    pub name: String,
    pub offset: usize,
}

/// A field read from a variable: `order.lines.0` as `["order", "lines", "0"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathUse {
    pub path: Vec<String>,
    /// Where the last segment stands.
    pub offset: usize,
}

/// An operand, as far as its type can be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Path(Vec<String>),
    Constant(Value),
    /// `x | filter`
    Filter(String, Box<Shape>),
    /// One of these: `a or b`, `a if c else b`.
    Either(Vec<Shape>),
    Number,
    Text,
    Boolean,
    List,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub left: Shape,
    /// `==`, `<`, `in`, …
    pub sign: &'static str,
    pub right: Shape,
    pub offset: usize,
    /// As written, more or less.
    pub shown: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Variables that are not set by the source itself.
    pub names: Vec<NameUse>,
    pub paths: Vec<PathUse>,
    pub comparisons: Vec<Comparison>,
    /// Slots whose label is asked for: `reason | label`.
    pub labels: Vec<String>,
    /// The whole expression, where there is one.
    pub shape: Option<Shape>,
}

pub(super) fn of_expr(e: &Expr<'_>) -> Result<Analysis, TemplateError> {
    let mut walk = Walk::default();
    walk.expr(e)?;
    walk.found.shape = Some(walk.shape(e));
    Ok(walk.found)
}

pub(super) fn of_body(stmts: &[Stmt<'_>]) -> Result<Analysis, TemplateError> {
    let mut walk = Walk::default();
    walk.locals.push(Vec::new());
    walk.body(stmts)?;
    if let [Stmt::EmitExpr(only)] = stmts {
        walk.found.shape = Some(walk.shape(&only.expr));
    }
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Analysis,
    /// Names set by the source, innermost scope last.
    locals: Vec<Vec<String>>,
}

fn refused(what: &str, what_zh: &str, span: Span) -> TemplateError {
    TemplateError::new(
        "template-refused",
        format!("{what} cannot be used in a pack"),
        format!("不能使用{what_zh}"),
    )
    .at(span.start_offset as usize)
    .hint(
        "use a response for words that repeat, and a Lua function for anything computed",
        "重复的话请写成一个回复（response），需要计算的内容请用 Lua 函数",
    )
}

fn unknown(kind: (&str, &str), name: &str, known: &[&str], offset: usize) -> TemplateError {
    let error = TemplateError::new(
        "template-name",
        format!("there is no {} `{name}`", kind.0),
        format!("没有名为 `{name}` 的{}", kind.1),
    )
    .at(offset);
    match crate::diagnostic::nearest(name, known.iter().copied()) {
        Some(near) => error.hint(
            format!("did you mean `{near}`?"),
            format!("是不是想写 `{near}`？"),
        ),
        None => error.hint(
            format!("there are: {}", known.join(", ")),
            format!("可用的有：{}", known.join("、")),
        ),
    }
}

impl Walk {
    fn local(&self, name: &str) -> bool {
        name == "loop" && self.locals.len() > 1 || self.locals.iter().flatten().any(|n| n == name)
    }

    fn assign(&mut self, target: &Expr<'_>) -> Result<(), TemplateError> {
        match target {
            Expr::Var(v) => {
                let span = v.span();
                if v.id.starts_with("__") {
                    return Err(refused(
                        "names that begin with `__`",
                        "以 `__` 开头的名称",
                        span,
                    ));
                }
                match self.locals.last_mut() {
                    Some(scope) => scope.push(v.id.to_owned()),
                    None => self.locals.push(vec![v.id.to_owned()]),
                }
                Ok(())
            }
            Expr::List(l) => l.items.iter().try_for_each(|item| self.assign(item)),
            other => Err(refused("setting a field", "给字段赋值", other.span())),
        }
    }

    fn body(&mut self, stmts: &[Stmt<'_>]) -> Result<(), TemplateError> {
        stmts.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn scoped(&mut self, stmts: &[Stmt<'_>]) -> Result<(), TemplateError> {
        self.locals.push(Vec::new());
        let done = self.body(stmts);
        self.locals.pop();
        done
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) -> Result<(), TemplateError> {
        match stmt {
            Stmt::Template(t) => self.body(&t.children),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(e) => self.expr(&e.expr),
            Stmt::ForLoop(f) => {
                if f.recursive {
                    return Err(refused("recursive loops", "递归循环", f.span()));
                }
                self.expr(&f.iter)?;
                self.locals.push(Vec::new());
                self.assign(&f.target)?;
                if let Some(filter) = &f.filter_expr {
                    self.expr(filter)?;
                }
                self.body(&f.body)?;
                self.locals.pop();
                self.scoped(&f.else_body)
            }
            Stmt::IfCond(i) => {
                self.expr(&i.expr)?;
                // What a branch sets is seen after it.
                self.body(&i.true_body)?;
                self.body(&i.false_body)
            }
            Stmt::WithBlock(w) => {
                self.locals.push(Vec::new());
                for (target, value) in &w.assignments {
                    self.expr(value)?;
                    self.assign(target)?;
                }
                self.body(&w.body)?;
                self.locals.pop();
                Ok(())
            }
            Stmt::Set(s) => {
                self.expr(&s.expr)?;
                self.assign(&s.target)
            }
            Stmt::SetBlock(s) => {
                if s.filter.is_some() {
                    return Err(refused(
                        "a filter on `set`",
                        "带过滤器的 `set` 块",
                        s.span(),
                    ));
                }
                self.scoped(&s.body)?;
                self.assign(&s.target)
            }
            Stmt::Macro(m) => Err(refused("macros", "宏（macro）", m.span())),
            Stmt::CallBlock(c) => Err(refused("`call` blocks", "`call` 块", c.macro_decl.span())),
            Stmt::Include(i) => Err(refused("`include`", "`include`", i.span())),
            Stmt::Import(i) => Err(refused("`import`", "`import`", i.span())),
            Stmt::FromImport(i) => Err(refused("`from … import`", "`from … import`", i.span())),
            Stmt::Extends(e) => Err(refused("`extends`", "`extends`", e.span())),
            Stmt::Block(b) => Err(refused("`block`", "`block`", b.span())),
            Stmt::AutoEscape(a) => Err(refused("`autoescape`", "`autoescape`", a.span())),
            Stmt::FilterBlock(b) => Err(refused("`filter` blocks", "`filter` 块", b.span())),
            Stmt::Do(d) => Err(refused("`do`", "`do`", d.span())),
        }
    }

    fn expr(&mut self, e: &Expr<'_>) -> Result<(), TemplateError> {
        match e {
            Expr::Var(v) => {
                let offset = v.span().start_offset as usize;
                if v.id.starts_with("__") {
                    return Err(refused(
                        "names that begin with `__`",
                        "以 `__` 开头的名称",
                        v.span(),
                    ));
                }
                if !self.local(v.id) {
                    self.found.names.push(NameUse {
                        name: v.id.to_owned(),
                        offset,
                    });
                }
                Ok(())
            }
            Expr::Const(_) => Ok(()),
            Expr::Slice(s) => {
                self.expr(&s.expr)?;
                [&s.start, &s.stop, &s.step]
                    .into_iter()
                    .flatten()
                    .try_for_each(|e| self.expr(e))
            }
            Expr::UnaryOp(u) => self.expr(&u.expr),
            Expr::BinOp(b) => {
                self.expr(&b.left)?;
                self.expr(&b.right)?;
                if is_comparison(b.op) {
                    let offset = start(&b.left);
                    let (left, right) = (self.shape(&b.left), self.shape(&b.right));
                    let sign = binary_sign(b.op);
                    self.found.comparisons.push(Comparison {
                        left,
                        sign,
                        right,
                        offset,
                        shown: shown(e),
                    });
                }
                Ok(())
            }
            Expr::Compare(c) => {
                self.expr(&c.expr)?;
                let mut before = &c.expr;
                for op in &c.ops {
                    self.expr(&op.expr)?;
                    let (left, right) = (self.shape(before), self.shape(&op.expr));
                    let (sign, offset) = (compare_sign(op.op), start(before));
                    let kept = !matches!(op.op, CompareOpKind::NotIn);
                    let sign = if kept { sign } else { "in" };
                    self.found.comparisons.push(Comparison {
                        left,
                        sign,
                        right,
                        offset,
                        shown: shown(e),
                    });
                    before = &op.expr;
                }
                Ok(())
            }
            Expr::IfExpr(i) => {
                self.expr(&i.test_expr)?;
                self.expr(&i.true_expr)?;
                i.false_expr.as_ref().map_or(Ok(()), |e| self.expr(e))
            }
            Expr::Filter(f) => {
                if !FILTERS.contains(&f.name) {
                    let offset = f.span().start_offset as usize;
                    return Err(unknown(("filter", "过滤器"), f.name, FILTERS, offset));
                }
                if f.name == "label"
                    && let Some(Expr::Var(v)) = &f.expr
                    && !self.local(v.id)
                {
                    self.found.labels.push(v.id.to_owned());
                }
                if let Some(e) = &f.expr {
                    self.expr(e)?;
                }
                self.args(&f.args, f.span())
            }
            Expr::Test(t) => {
                if !TESTS.contains(&t.name) {
                    let offset = t.span().start_offset as usize;
                    return Err(unknown(("test", "测试"), t.name, TESTS, offset));
                }
                self.expr(&t.expr)?;
                self.args(&t.args, t.span())
            }
            Expr::GetAttr(_) => {
                let (root, path) = fields(e);
                if let (Expr::Var(v), Some(path)) = (root, path)
                    && !self.local(v.id)
                {
                    let last = path.last().map_or(0, String::len);
                    let offset = (e.span().end_offset as usize).saturating_sub(last);
                    self.found.paths.push(PathUse { path, offset });
                }
                self.expr(root)
            }
            Expr::GetItem(g) => {
                self.expr(&g.expr)?;
                self.expr(&g.subscript_expr)
            }
            Expr::Call(c) => match &c.expr {
                Expr::Var(v) if FUNCTIONS.contains(&v.id) => self.args(&c.args, c.span()),
                Expr::Var(v) => {
                    let offset = v.span().start_offset as usize;
                    Err(unknown(("function", "函数"), v.id, FUNCTIONS, offset))
                }
                _ => Err(refused("calling a method", "调用方法", c.span())),
            },
            Expr::List(l) => l.items.iter().try_for_each(|e| self.expr(e)),
            Expr::Tuple(t) => t.items.iter().try_for_each(|e| self.expr(e)),
            Expr::Map(m) => m
                .keys
                .iter()
                .chain(&m.values)
                .try_for_each(|e| self.expr(e)),
        }
    }

    fn args(&mut self, args: &[CallArg<'_>], span: Span) -> Result<(), TemplateError> {
        args.iter().try_for_each(|arg| match arg {
            CallArg::Pos(e) | CallArg::Kwarg(_, e) => self.expr(e),
            _ => Err(refused(
                "`*` and `**` in arguments",
                "参数中的 `*` 和 `**`",
                span,
            )),
        })
    }

    fn shape(&self, e: &Expr<'_>) -> Shape {
        match e {
            Expr::Const(c) => Shape::Constant(to_json(&c.value)),
            Expr::Var(v) if self.local(v.id) => Shape::Unknown,
            Expr::Var(v) => Shape::Path(vec![v.id.to_owned()]),
            Expr::GetAttr(_) => match fields(e) {
                (Expr::Var(v), Some(path)) if !self.local(v.id) => Shape::Path(path),
                _ => Shape::Unknown,
            },
            Expr::Filter(f) => match &f.expr {
                Some(inner) => Shape::Filter(f.name.to_owned(), Box::new(self.shape(inner))),
                None => Shape::Unknown,
            },
            Expr::UnaryOp(u) => match u.op {
                UnaryOpKind::Not => Shape::Boolean,
                UnaryOpKind::Neg => Shape::Number,
            },
            Expr::BinOp(b) => match b.op {
                BinOpKind::ScAnd | BinOpKind::ScOr => {
                    Shape::Either(vec![self.shape(&b.left), self.shape(&b.right)])
                }
                BinOpKind::Concat => Shape::Text,
                BinOpKind::Add => self.shape(&b.left),
                op if is_comparison(op) => Shape::Boolean,
                _ => Shape::Number,
            },
            Expr::Compare(_) | Expr::Test(_) => Shape::Boolean,
            Expr::IfExpr(i) => {
                let mut both = vec![self.shape(&i.true_expr)];
                both.extend(i.false_expr.as_ref().map(|e| self.shape(e)));
                Shape::Either(both)
            }
            Expr::List(_) | Expr::Tuple(_) => Shape::List,
            _ => Shape::Unknown,
        }
    }
}

fn is_comparison(op: BinOpKind) -> bool {
    matches!(
        op,
        BinOpKind::Eq
            | BinOpKind::Ne
            | BinOpKind::Lt
            | BinOpKind::Lte
            | BinOpKind::Gt
            | BinOpKind::Gte
            | BinOpKind::In
    )
}

/// What a chain of fields hangs under, and the chain if every link is a plain name.
fn fields<'t, 's>(e: &'t Expr<'s>) -> (&'t Expr<'s>, Option<Vec<String>>) {
    let mut names = Vec::new();
    let mut at = e;
    while let Expr::GetAttr(g) = at {
        names.push(g.name.to_owned());
        at = &g.expr;
    }
    match at {
        Expr::Var(v) => {
            names.push(v.id.to_owned());
            names.reverse();
            (at, Some(names))
        }
        _ => (at, None),
    }
}

/// Where an expression begins; minijinja's spans of operators begin a token early.
fn start(e: &Expr<'_>) -> usize {
    match e {
        Expr::BinOp(b) => start(&b.left),
        Expr::Compare(c) => start(&c.expr),
        Expr::GetAttr(g) => start(&g.expr),
        Expr::GetItem(g) => start(&g.expr),
        Expr::Slice(s) => start(&s.expr),
        Expr::Call(c) => start(&c.expr),
        Expr::Test(t) => start(&t.expr),
        Expr::IfExpr(i) => start(&i.true_expr),
        Expr::Filter(f) => f
            .expr
            .as_ref()
            .map_or(f.span().start_offset as usize, start),
        other => other.span().start_offset as usize,
    }
}
