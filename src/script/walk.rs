//! The way through all of a script. The engine's own leaves out what a `break` gives.

use rhai::{AST, ASTNode, Stmt};

/// Calls something for each statement and expression, with what is around it: the node itself is the last of the path.
pub(crate) fn walk(ast: &AST, mut each: impl FnMut(&[ASTNode])) {
    ast.walk(&mut |path: &[ASTNode]| {
        visit(path, &mut each);
        true
    });
}

fn visit(path: &[ASTNode], each: &mut dyn FnMut(&[ASTNode])) {
    each(path);
    if let Some(ASTNode::Stmt(Stmt::BreakLoop(Some(value), ..))) = path.last() {
        value.walk(&mut path.to_vec(), &mut |path: &[ASTNode]| {
            visit(path, each);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_break_gives_is_come_by() {
        let text = "fn f() { loop { break loop { break a(); } } } let x = loop { break [1].map(|y| b(y)); };";
        let ast = rhai::Engine::new().compile(text).unwrap();
        let mut calls = Vec::new();
        walk(&ast, |path| {
            if let Some(
                ASTNode::Expr(rhai::Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
            ) = path.last()
            {
                calls.push(call.name.to_string());
            }
        });
        calls.sort();
        assert_eq!(calls, ["a", "b"]);
    }
}
