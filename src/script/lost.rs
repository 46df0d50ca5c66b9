//! Values that nobody uses, found in the text, where it looks as if somebody did: a list that is read as it comes and that nobody
//! reads, as in `stac::items(…).map(|item| stac::delete(item));`, and what a `catch` is to give, which gives nothing.

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::bodies::{Bodies, Value, is_last, value_of};
use super::check::begin_of;
use super::idle::Idle;
use super::stream_chain::Methods;
use super::walk::walk;

/// What is lost.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A list: what is to be done with each of it is not done.
    List,
    /// The value at the end of a `catch`.
    OfCatch,
    /// Another.
    Plain,
}

/// What is lost in a script.
pub(super) struct Lost {
    /// What cannot be meant.
    pub(super) errors: Vec<Idle>,
    /// What may be: nobody may want the value.
    pub(super) warnings: Vec<Idle>,
    /// What only does nothing.
    pub(super) idle: Vec<Idle>,
}

/// All of it.
pub(super) fn lost(ast: &AST, methods: &Methods) -> Lost {
    let mut found = Vec::new();
    walk(ast, |path| {
        found.extend(candidate(path, methods));
    });
    // Most scripts have none, and are not to pay for those that have.
    let bodies = (!found.is_empty()).then(|| Bodies::of(ast));
    let is_lost = |value: &Value| match value {
        Value::Used => false,
        Value::Lost => true,
        Value::OfBody(root) => bodies.as_ref().is_some_and(|bodies| !bodies.is_last(*root)),
    };
    let mut lost = Lost {
        errors: Vec::new(),
        warnings: Vec::new(),
        idle: Vec::new(),
    };
    for (at, kind, value) in found {
        match (kind, is_lost(&value)) {
            (Kind::List, true) => lost.errors.push(told(kind, at)),
            (Kind::OfCatch, false) => lost.warnings.push(told(kind, at)),
            // The value of a `catch` that nobody wants.
            (Kind::Plain | Kind::OfCatch, true) => lost.idle.push(told(Kind::Plain, at)),
            (Kind::List | Kind::Plain, false) => {}
        }
    }
    lost
}

fn told(kind: Kind, at: Position) -> Idle {
    let (message, hint) = match kind {
        Kind::List => (
            "this list is read as it comes, and nobody reads it: nothing of it happens",
            "go through it with for, or end it with .drain() or .collect()",
        ),
        Kind::OfCatch => (
            "a `catch` gives no value: this one is lost",
            "in a function, write return before it; else set a variable that stands before the try",
        ),
        Kind::Plain => (
            "nothing uses this value",
            "leave it out, or do something with it",
        ),
    };
    Idle {
        message: message.to_owned(),
        hint,
        at,
    }
}

/// A statement that may lose something: where it begins, what it is, and what becomes of its value.
fn candidate(path: &[ASTNode], methods: &Methods) -> Option<(Position, Kind, Value)> {
    let Some((ASTNode::Stmt(statement), around)) = path.split_last() else {
        return None;
    };
    if let Some(at) = stream_at(statement, methods) {
        return Some((at, Kind::List, value_of(path)));
    }
    let Stmt::Expr(expression) = statement else {
        return None;
    };
    if !only_gives(expression) {
        return None;
    }
    let at = expression.start_position();
    match around.last() {
        Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) if is_last(statement, &flow.branch) => {
            Some((at, Kind::OfCatch, value_of(around)))
        }
        // What stands last in a `try` is its value, where nothing fails.
        Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) if is_last(statement, &flow.body) => {
            Some((at, Kind::Plain, value_of(around)))
        }
        _ => Some((at, Kind::Plain, value_of(path))),
    }
}

/// Whether an expression does nothing but give a value. Who compares or adds wants what comes of it, whatever is called for that.
fn only_gives(expression: &Expr) -> bool {
    match expression {
        Expr::Unit(_) => false,
        Expr::Variable(..) | Expr::InterpolatedString(..) => true,
        Expr::Array(values, _) => values.iter().all(only_gives),
        Expr::Map(map, _) => map.0.iter().all(|(_, value)| only_gives(value)),
        Expr::FnCall(call, _) => call.op_token.is_some(),
        Expr::Dot(parts, ..) => only_gives(&parts.lhs) && only_names(&parts.rhs),
        other => other.is_constant(),
    }
}

fn only_names(chain: &Expr) -> bool {
    match chain {
        Expr::Property(..) => true,
        Expr::Dot(parts, ..) => only_names(&parts.lhs) && only_names(&parts.rhs),
        _ => false,
    }
}

/// Where the text of a statement begins that is a list.
fn stream_at(statement: &Stmt, methods: &Methods) -> Option<Position> {
    let first = match statement {
        Stmt::Expr(expression) if methods.is_stream(expression) => match &**expression {
            Expr::Dot(parts, ..) => &parts.lhs,
            only => only,
        },
        Stmt::FnCall(call, at) if methods.gives_stream(call) => return Some(begin_of(call, *at)),
        _ => return None,
    };
    match first {
        Expr::FnCall(call, at) => Some(begin_of(call, *at)),
        other => Some(other.position()),
    }
}
