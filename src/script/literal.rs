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

/// Whether a call says `#{own: true}`: it takes away only what the run made itself.
pub(super) fn says_own(call: &FnCallExpr) -> bool {
    let Some(Expr::Map(map, _)) = call.args.last() else {
        return false;
    };
    map.0
        .iter()
        .any(|(key, value)| key.as_str() == "own" && matches!(value, Expr::BoolConstant(true, _)))
}
