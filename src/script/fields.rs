//! The arguments that a script's `main` reads and its header does not declare, found in the text.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::spans::Spans;

/// The fields that `main` reads of its arguments and does not itself set, and where.
pub(super) fn fields_read(ast: &AST) -> Vec<(String, Position)> {
    let Some(main) = ast.iter_fn_def().find(|function| function.name == "main") else {
        return Vec::new();
    };
    let Some(arguments) = main.params.first() else {
        return Vec::new();
    };
    let spans = Spans::of(ast);
    let (mut read, mut set) = (Vec::new(), BTreeSet::new());
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = path.last()
            && let Expr::Dot(parts, _, _) = &assignment.1.lhs
            && let Some((field, _)) = first_property(&parts.rhs)
        {
            set.insert(field);
        }
        if let Some(ASTNode::Expr(Expr::Dot(parts, _, _))) = path.last()
            && let Expr::Variable(variable, _, at) = &parts.lhs
            && variable.1 == *arguments
            && spans.name_at(*at) == Some("main")
            && let Some(field) = first_property(&parts.rhs)
        {
            read.push(field);
        }
        true
    });
    read.retain(|(field, _)| !set.contains(field));
    read
}

/// The property that follows a value: by itself, or at the begin of a chain.
fn first_property(expression: &Expr) -> Option<(String, Position)> {
    match expression {
        Expr::Property(property, at) => Some((property.2.to_string(), *at)),
        Expr::Dot(parts, _, _) | Expr::Index(parts, _, _) => first_property(&parts.lhs),
        _ => None,
    }
}
