//! The arguments that a script's `main` reads and its header does not declare, found in the text.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::literal::literal;
use super::scopes::{Declaration, Scopes};
use super::walk::walk;

/// The fields that `main` reads of its arguments and does not itself set, and where.
pub(super) fn fields_read(ast: &AST) -> Vec<(String, Position)> {
    let Some(main) = ast.iter_fn_def().find(|function| function.name == "main") else {
        return Vec::new();
    };
    let Some(arguments) = main.params.first() else {
        return Vec::new();
    };
    let scopes = Scopes::of(ast);
    let is_arguments = |value: &Expr| match value {
        Expr::Variable(variable, _, at) if variable.1 == *arguments => {
            scopes.declaration(arguments, *at) == Some(&Declaration::Parameter("main".to_owned()))
        }
        _ => false,
    };
    let (mut read, mut set, mut is_open) = (Vec::new(), BTreeSet::new(), false);
    walk(ast, |path| match path.last() {
        Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => match &assignment.1.lhs {
            Expr::Dot(parts, _, _) | Expr::Index(parts, _, _) if is_arguments(&parts.lhs) => {
                set.extend(key(&parts.rhs));
                is_open |= key(&parts.rhs).is_none();
            }
            other => is_open |= is_arguments(other),
        },
        Some(ASTNode::Expr(Expr::Dot(parts, _, _))) if is_arguments(&parts.lhs) => {
            read.extend(first_property(&parts.rhs));
            set.extend(asked_for(&parts.rhs));
            is_open |= adds(&parts.rhs);
        }
        // `"field" in args`
        Some(ASTNode::Expr(Expr::FnCall(call, _)))
            if call.name == "contains" && call.args.first().is_some_and(is_arguments) =>
        {
            set.extend(call.args.last().and_then(key));
        }
        _ => {}
    });
    read.retain(|(field, _)| !is_open && !set.contains(field));
    read
}

/// The names by which a script puts something into maps.
pub(super) fn keys_of(ast: &AST) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    walk(ast, |path| match path.last() {
        Some(ASTNode::Expr(Expr::Map(map, _))) => {
            keys.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
        }
        Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
            if let Expr::Dot(parts, ..) | Expr::Index(parts, ..) = &assignment.1.lhs {
                keys.extend(last_key(&parts.rhs));
            }
        }
        _ => {}
    });
    keys
}

/// The last name of a chain.
fn last_key(chain: &Expr) -> Option<String> {
    match chain {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => last_key(&parts.rhs),
        only => key(only),
    }
}

/// The name of a property, or of an index that is written out.
fn key(property: &Expr) -> Option<String> {
    literal(property).or_else(|| first_property(property).map(|(field, _)| field))
}

/// The field whose being there is asked about first: `args.contains("x")`.
fn asked_for(chain: &Expr) -> Option<String> {
    match chain {
        Expr::MethodCall(call, _) if call.name == "contains" => call.args.first().and_then(literal),
        Expr::Dot(parts, ..) => asked_for(&parts.lhs),
        _ => None,
    }
}

/// Whether what is called first on the arguments may add to them, as far as their names tell.
fn adds(chain: &Expr) -> bool {
    const ONLY_LOOK: [&str; 6] = ["contains", "get", "is_empty", "len", "to_json", "type_of"];
    match chain {
        Expr::MethodCall(call, _) => !ONLY_LOOK.contains(&call.name.as_str()),
        Expr::Dot(parts, _, _) | Expr::Index(parts, _, _) => adds(&parts.lhs),
        _ => false,
    }
}

/// The property that follows a value: by itself, or at the begin of a chain.
fn first_property(expression: &Expr) -> Option<(String, Position)> {
    match expression {
        Expr::Property(property, at) => Some((property.2.to_string(), *at)),
        Expr::Dot(parts, _, _) | Expr::Index(parts, _, _) => first_property(&parts.lhs),
        _ => None,
    }
}
