//! The bodies of functions and closures, and what becomes of the value of a statement in them.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, Stmt, StmtBlock};

use super::spans::{Place, place};
use super::walk::walk;

/// The bodies of all functions and closures. Of one that is an expression the parser knows only where it begins: what stands last in
/// it tells the end.
pub(super) struct Bodies {
    /// From where to where each goes, by where the parser says that it begins.
    spans: BTreeMap<Place, (Place, Place)>,
    /// Where the last statements begin.
    last: BTreeSet<Place>,
}

impl Bodies {
    pub(super) fn of(ast: &AST) -> Bodies {
        // A statement that is an expression with an operator is said to begin at that.
        let mut spans: BTreeMap<Place, (Place, Place)> = BTreeMap::new();
        let mut inner: Vec<(Place, String)> = Vec::new();
        walk(ast, |path| {
            if let (Some(first), Some(ASTNode::Expr(Expr::DynamicConstant(value, _)))) =
                (path.first(), path.last())
                && let Some(closure) = value.read_lock::<rhai::FnPtr>()
            {
                inner.push((place(first.position()), closure.fn_name().to_owned()));
            }
            if let (Some(first), Some(node)) = (path.first(), path.last()) {
                let (first, at) = (place(first.position()), place(node.position()));
                let (start, end) = spans.entry(first).or_insert((first, first));
                // What has no place of its own is nowhere.
                if at != (0, 0) {
                    (*start, *end) = (at.min(*start), at.max(*end));
                }
            }
        });
        include(&mut spans, &inner, ast);
        let bodies = ast.iter_fn_def().map(|function| {
            let said = place(function.body.start_position());
            let end = place(function.body.end_position());
            let (start, last) = spans.get(&said).copied().unwrap_or((said, said));
            (said, (start, end.max(last)))
        });
        let mut bodies = Bodies {
            spans: bodies.collect(),
            last: BTreeSet::new(),
        };
        bodies.last = bodies.last_statements(ast);
        bodies
    }

    fn last_statements(&self, ast: &AST) -> BTreeSet<Place> {
        let mut last: BTreeMap<Option<Place>, Place> = BTreeMap::new();
        walk(ast, |path| {
            if let [ASTNode::Stmt(statement)] = path {
                let at = place(statement.position());
                let known = last.entry(self.innermost(at)).or_default();
                *known = at.max(*known);
            }
        });
        last.into_values().collect()
    }

    /// Whether the statement that begins there is the last of a body, or of the script.
    pub(super) fn is_last(&self, statement: Place) -> bool {
        self.last.contains(&statement)
    }

    /// From where to where the body goes that the parser says begins there.
    pub(super) fn span(&self, said: Place) -> (Place, Place) {
        self.spans.get(&said).copied().unwrap_or((said, said))
    }

    /// Where the parser says that the innermost body around a place begins; none at the top of the script.
    pub(super) fn innermost(&self, at: Place) -> Option<Place> {
        let around = self
            .spans
            .iter()
            .filter(|(_, (start, end))| *start <= at && at <= *end);
        let innermost = around.max_by_key(|(_, (start, _))| *start);
        innermost.map(|(said, _)| *said)
    }
}

/// Lets what stands around a closure end no earlier than that does: its body is one of its own.
fn include(spans: &mut BTreeMap<Place, (Place, Place)>, inner: &[(Place, String)], ast: &AST) {
    let said: BTreeMap<&str, Place> = ast
        .iter_fn_def()
        .map(|function| {
            (
                function.name.as_str(),
                place(function.body.start_position()),
            )
        })
        .collect();
    loop {
        let mut is_done = true;
        for (around, closure) in inner {
            let within = said.get(closure.as_str()).and_then(|said| spans.get(said));
            let Some((_, last)) = within.copied() else {
                continue;
            };
            if let Some((_, end)) = spans.get_mut(around).filter(|(_, end)| *end < last) {
                (*end, is_done) = (last, false);
            }
        }
        if is_done {
            return;
        }
    }
}

/// What becomes of the value of a statement.
pub(super) enum Value {
    /// Something uses it.
    Used,
    /// Nothing does.
    Lost,
    /// It is that of the statement of a body which begins there, and used if that is the last.
    OfBody(Place),
}

/// What becomes of the value of the last statement of a path.
pub(super) fn value_of(path: &[ASTNode]) -> Value {
    let Some((ASTNode::Stmt(statement), around)) = path.split_last() else {
        return Value::Used;
    };
    match around.last() {
        None => Value::OfBody(place(statement.position())),
        Some(ASTNode::Stmt(Stmt::If(flow, _)))
            if is_last(statement, &flow.body) || is_last(statement, &flow.branch) =>
        {
            value_of(around)
        }
        Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) if is_last(statement, &flow.body) => {
            value_of(around)
        }
        Some(ASTNode::Stmt(Stmt::Block(block))) if is_last(statement, block) => value_of(around),
        Some(ASTNode::Expr(Expr::Stmt(block))) if is_last(statement, block) => Value::Used,
        Some(_) => Value::Lost,
    }
}

pub(super) fn is_last(statement: &Stmt, block: &StmtBlock) -> bool {
    let last = block.statements().last();
    last.is_some_and(|last| last.position() == statement.position())
}
