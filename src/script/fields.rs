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
    if is_hidden(ast, arguments) {
        return Vec::new();
    }
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

/// Whether something else goes by that name somewhere: another variable, or the parameter of a closure.
fn is_hidden(ast: &AST, name: &str) -> bool {
    let mut closures = ast
        .iter_fn_def()
        .filter(|function| function.name.contains('$'));
    // What a closure sees of around it is a parameter of it too, and was shared with it.
    let is_parameter =
        closures.any(|closure| closure.params.iter().any(|parameter| *parameter == name));
    let (mut is_shared, mut is_set) = (false, false);
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(variable, ..))) => is_set |= variable.0.name == name,
            Some(ASTNode::Stmt(Stmt::For(parts, _))) => is_set |= parts.0.name == name,
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                is_set |= matches!(&assignment.1.lhs, Expr::Variable(variable, _, _) if variable.1 == name);
            }
            Some(ASTNode::Stmt(Stmt::Share(shared))) => {
                is_shared |= shared.iter().any(|(variable, _)| variable.name == name);
            }
            _ => {}
        }
        true
    });
    is_set || (is_parameter && !is_shared)
}

/// The property that follows a value: by itself, or at the begin of a chain.
fn first_property(expression: &Expr) -> Option<(String, Position)> {
    match expression {
        Expr::Property(property, at) => Some((property.2.to_string(), *at)),
        Expr::Dot(parts, _, _) | Expr::Index(parts, _, _) => first_property(&parts.lhs),
        _ => None,
    }
}
