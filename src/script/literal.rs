//! What a literal in a script is, before it runs. For the static check.

use rhai::{Expr, FnCallExpr};

/// The type of a literal as scripts know it; none for what is known only at run time.
pub(super) fn literal_kind(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Some("string"),
        Expr::IntegerConstant(..) => Some("int"),
        Expr::FloatConstant(..) => Some("float"),
        Expr::BoolConstant(..) => Some("bool"),
        Expr::Array(..) => Some("array"),
        Expr::Map(..) => Some("map"),
        _ => None,
    }
}

/// The text of a literal string.
pub(super) fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::StringConstant(text, _) => Some(text.to_string()),
        _ => None,
    }
}

/// That something is known only when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

/// Whether a call says `#{own: true}`, so that it takes away only what the run made itself.
pub(super) fn says_own(call: &FnCallExpr) -> Result<bool, Unknown> {
    let says = call.args.last().map_or(Ok(None), own_in);
    says.map(Option::unwrap_or_default)
}

/// What options say of `own`, if anything.
fn own_in(options: &Expr) -> Result<Option<bool>, Unknown> {
    match options {
        Expr::Map(map, _) => {
            let own = map.0.iter().find(|(key, _)| key.as_str() == "own");
            match own.map(|(_, value)| value) {
                Some(Expr::BoolConstant(says, _)) => Ok(Some(*says)),
                Some(_) => Err(Unknown),
                None => Ok(None),
            }
        }
        // What is added last counts.
        Expr::FnCall(sum, _) if sum.name == "+" && sum.args.len() == 2 => {
            match own_in(&sum.args[1])? {
                Some(says) => Ok(Some(says)),
                None => own_in(&sum.args[0]),
            }
        }
        other => literal_kind(other).map(|_| None).ok_or(Unknown),
    }
}
