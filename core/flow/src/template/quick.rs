//! Conditions that only compare numbers, without minijinja's machine.
//!
//! `message.anger > 0.8 and repair.count >= 1` is what most handoff triggers look like, and each of
//! them is asked at every message. Where a value turns out not to be a number, nothing is said here
//! and the machine evaluates the whole: it knows what an empty value means and what to note.

use std::cmp::Ordering;

use minijinja::machinery::ast::{BinOpKind, CompareOpKind, Expr, UnaryOpKind};
use tandem_domain::Value;

use super::Lookup;

/// Whole numbers beyond this are not exact as a float.
const EXACT: u64 = 1 << 53;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Quick {
    Compare(Side, Sign, Side),
    Not(Box<Quick>),
    And(Box<Quick>, Box<Quick>),
    Or(Box<Quick>, Box<Quick>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Side {
    Number(f64),
    /// A variable and the fields below it.
    Path(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Quick {
    /// The condition, if it is of this kind.
    pub(super) fn of(e: &Expr<'_>) -> Option<Self> {
        match e {
            Expr::UnaryOp(u) if matches!(u.op, UnaryOpKind::Not) => {
                Some(Self::Not(Box::new(Self::of(&u.expr)?)))
            }
            Expr::BinOp(b) => {
                let both = || Some((Box::new(Self::of(&b.left)?), Box::new(Self::of(&b.right)?)));
                match b.op {
                    BinOpKind::ScAnd => both().map(|(a, b)| Self::And(a, b)),
                    BinOpKind::ScOr => both().map(|(a, b)| Self::Or(a, b)),
                    op => Self::compare(&b.left, Sign::of_binary(op)?, &b.right),
                }
            }
            Expr::Compare(c) => match c.ops.as_slice() {
                [only] => Self::compare(&c.expr, Sign::of_compare(only.op)?, &only.expr),
                _ => None,
            },
            _ => None,
        }
    }

    fn compare(left: &Expr<'_>, sign: Sign, right: &Expr<'_>) -> Option<Self> {
        Some(Self::Compare(Side::of(left)?, sign, Side::of(right)?))
    }

    /// Whether it holds; nothing where a value is not a number.
    pub(super) fn holds(&self, vars: &dyn Lookup) -> Option<bool> {
        match self {
            Self::Not(inner) => inner.holds(vars).map(|holds| !holds),
            Self::And(a, b) => Some(a.holds(vars)? && b.holds(vars)?),
            Self::Or(a, b) => Some(a.holds(vars)? || b.holds(vars)?),
            Self::Compare(left, sign, right) => {
                let order = left.number(vars)?.partial_cmp(&right.number(vars)?)?;
                Some(sign.allows(order))
            }
        }
    }
}

impl Side {
    fn of(e: &Expr<'_>) -> Option<Self> {
        match e {
            Expr::Const(c) => number(&super::value::to_json(&c.value)).map(Self::Number),
            Expr::UnaryOp(u) if matches!(u.op, UnaryOpKind::Neg) => match Self::of(&u.expr)? {
                Self::Number(n) => Some(Self::Number(-n)),
                Self::Path(_) => None,
            },
            Expr::Var(v) => Some(Self::Path(vec![v.id.to_owned()])),
            Expr::GetAttr(g) => match Self::of(&g.expr)? {
                Self::Path(mut path) => {
                    path.push(g.name.to_owned());
                    Some(Self::Path(path))
                }
                Self::Number(_) => None,
            },
            _ => None,
        }
    }

    fn number(&self, vars: &dyn Lookup) -> Option<f64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Path(path) => {
                let (name, fields) = path.split_first()?;
                let value = vars.get(name)?;
                let mut at: &Value = &value;
                for field in fields {
                    at = at.as_object()?.get(field)?;
                }
                number(at)
            }
        }
    }
}

impl Sign {
    fn of_binary(op: BinOpKind) -> Option<Self> {
        Some(match op {
            BinOpKind::Eq => Self::Equal,
            BinOpKind::Ne => Self::Differs,
            BinOpKind::Lt => Self::Less,
            BinOpKind::Lte => Self::AtMost,
            BinOpKind::Gt => Self::Greater,
            BinOpKind::Gte => Self::AtLeast,
            _ => return None,
        })
    }

    fn of_compare(op: CompareOpKind) -> Option<Self> {
        Some(match op {
            CompareOpKind::Eq => Self::Equal,
            CompareOpKind::Ne => Self::Differs,
            CompareOpKind::Lt => Self::Less,
            CompareOpKind::Lte => Self::AtMost,
            CompareOpKind::Gt => Self::Greater,
            CompareOpKind::Gte => Self::AtLeast,
            CompareOpKind::In | CompareOpKind::NotIn => return None,
        })
    }

    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::Differs => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else {
        return None;
    };
    match number.as_i64() {
        Some(whole) if whole.unsigned_abs() <= EXACT => Some(whole as f64),
        Some(_) => None,
        None if number.is_f64() => number.as_f64(),
        None => None,
    }
}
