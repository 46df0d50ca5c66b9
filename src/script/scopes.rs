//! What the name of a variable means at a place of a script: which declaration it goes back to, by the blocks, functions and closures
//! around it.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt, StmtBlock};

use super::bodies::Bodies;
use super::spans::{Place, place};
use super::walk::walk;

/// What declares a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Declaration {
    /// A statement, by where it stands: `let`, `const`, `for`, `catch`.
    Statement(Position),
    /// A function has it as a parameter, or a closure, by its name.
    Parameter(String),
}

/// A declaration, and the places between which the name means it.
struct Declared {
    name: String,
    by: Declaration,
    start: Place,
    end: Place,
}

/// All declarations of a script.
pub(super) struct Scopes(Vec<Declared>);

impl Scopes {
    pub(super) fn of(ast: &AST) -> Scopes {
        let mut found = Found::default();
        walk(ast, |path| {
            if let Some(node) = path.last() {
                found.node(node);
            }
        });
        found.functions(ast);
        found.scopes()
    }

    /// The declaration that a name goes back to; none of a variable of the host's.
    pub(super) fn declaration(&self, name: &str, at: Position) -> Option<&Declaration> {
        let at = place(at);
        let around = |known: &&Declared| known.name == name && known.start < at && at <= known.end;
        let innermost = self.0.iter().filter(around).max_by_key(|known| known.start);
        innermost.map(|known| &known.by)
    }
}

/// What a walk comes by.
#[derive(Default)]
struct Found {
    declared: Vec<Declared>,
    /// Variables whose scope is the rest of the block they stand in, with where they stand.
    open: Vec<(Place, Declared)>,
    blocks: Vec<(Place, Place)>,
    /// How many of a closure's first parameters are variables that it sees of around it.
    captures: BTreeMap<String, usize>,
}

impl Found {
    fn functions(&mut self, ast: &AST) {
        let bodies = Bodies::of(ast);
        for function in ast.iter_fn_def() {
            let (start, end) = bodies.span(place(function.body.start_position()));
            self.blocks.push((start, end));
            for parameter in &function.params {
                self.declared.push(Declared {
                    name: parameter.to_string(),
                    by: Declaration::Parameter(function.name.to_string()),
                    // A body of one expression begins with it.
                    start: (start.0, start.1.saturating_sub(1)),
                    end,
                });
            }
        }
    }

    fn node(&mut self, node: &ASTNode) {
        match node {
            ASTNode::Stmt(statement) => self.statement(statement),
            ASTNode::Expr(Expr::Stmt(block)) => self.block(block),
            ASTNode::Expr(Expr::FnCall(call, _)) => self.curried(call),
            _ => {}
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(variable, _, at) => {
                let declared = Declared {
                    name: variable.0.name.to_string(),
                    by: Declaration::Statement(*at),
                    start: last_of_expression(&variable.1).max(place(*at)),
                    end: (usize::MAX, 0),
                };
                self.open.push((place(*at), declared));
            }
            Stmt::Block(block) => self.block(block),
            Stmt::If(flow, _) => {
                self.block(&flow.body);
                self.block(&flow.branch);
            }
            Stmt::While(flow, _) | Stmt::Do(flow, _, _) => self.block(&flow.body),
            Stmt::For(parts, at) => {
                self.block(&parts.2.body);
                for variable in std::iter::once(&parts.0).chain(&parts.1) {
                    self.within(&variable.name, *at, &parts.2.body);
                }
            }
            Stmt::TryCatch(flow, at) => {
                self.block(&flow.body);
                self.block(&flow.branch);
                if let Expr::Variable(variable, ..) = &flow.expr {
                    self.within(&variable.1, *at, &flow.branch);
                }
            }
            Stmt::FnCall(call, _) => self.curried(call),
            _ => {}
        }
    }

    fn block(&mut self, block: &StmtBlock) {
        self.blocks
            .push((place(block.position()), place(block.end_position())));
    }

    /// A variable that a block has from its begin on.
    fn within(&mut self, name: &str, at: Position, block: &StmtBlock) {
        self.declared.push(Declared {
            name: name.to_owned(),
            by: Declaration::Statement(at),
            start: place(block.position()),
            end: place(block.end_position()),
        });
    }

    /// A closure that sees variables of around it is a call of `curry` with them.
    fn curried(&mut self, call: &FnCallExpr) {
        if call.name == "curry"
            && let Some(Expr::DynamicConstant(value, _)) = call.args.first()
            && let Some(function) = value.read_lock::<rhai::FnPtr>()
        {
            self.captures
                .insert(function.fn_name().to_owned(), call.args.len() - 1);
        }
    }

    fn scopes(mut self) -> Scopes {
        for (at, mut variable) in self.open {
            let around = self
                .blocks
                .iter()
                .filter(|(start, end)| *start <= at && at <= *end);
            if let Some(end) = around.map(|(_, end)| *end).min() {
                variable.end = end;
            }
            self.declared.push(variable);
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let captures = self.captures;
        self.declared.retain(|known| {
            let Declaration::Parameter(function) = &known.by else {
                return true;
            };
            let before = seen.entry(function.clone()).or_default();
            *before += 1;
            captures.get(function).is_none_or(|count| *before > *count)
        });
        Scopes(self.declared)
    }
}

/// The place of what stands last in an expression.
pub(super) fn last_of_expression(expression: &Expr) -> Place {
    let mut last = place(expression.position());
    expression.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
        last = path
            .last()
            .map_or(last, |node| last.max(place(node.position())));
        true
    });
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the declarations that each `x` of a text which is read goes back to, in the order of the text.
    fn lines(text: &str) -> Vec<String> {
        let ast = rhai::Engine::new().compile(text).unwrap();
        let scopes = Scopes::of(&ast);
        let mut found = Vec::new();
        walk(&ast, |path| {
            if let Some(ASTNode::Expr(Expr::Variable(variable, _, at))) = path.last()
                && variable.1 == "x"
            {
                let told = match scopes.declaration("x", *at) {
                    Some(Declaration::Statement(at)) => at.line().unwrap().to_string(),
                    Some(Declaration::Parameter(_)) => "parameter".to_owned(),
                    None => "none".to_owned(),
                };
                found.push((*at, told));
            }
        });
        found.sort();
        found.into_iter().map(|(_, told)| told).collect()
    }

    #[test]
    fn a_name_goes_back_to_the_innermost_declaration_before_it() {
        assert_eq!(lines("let x = 1;\nlet x = x + 1;\nprint(x);"), ["1", "2"]);
        assert_eq!(
            lines("let x = 1;\nif true {\nlet x = 2;\nprint(x); }\nprint(x);"),
            ["3", "1"]
        );
        assert_eq!(
            lines("let x = 1;\nfor x in [x] {\nprint(x); }\nprint(x);"),
            ["1", "2", "1"]
        );
        assert_eq!(
            lines("let x = 1;\ntry { print(x); }\ncatch (x) { print(x); }\nprint(x);"),
            ["1", "2", "1"]
        );
        assert_eq!(
            lines("fn f(x) { x ?? 1 }\nlet x = 2;\nprint(x);"),
            ["parameter", "2"]
        );
    }

    #[test]
    fn a_closure_sees_what_is_around_it_and_has_parameters_of_its_own() {
        assert_eq!(
            lines("let x = 1;\nlet f = |y| x + y;\nprint(x);"),
            // Also where it is handed to the closure.
            ["1", "1", "1"]
        );
        assert_eq!(
            lines("let x = 1;\nlet f = |x| x ?? 2;\nprint(x);"),
            ["parameter", "1"]
        );
        assert_eq!(
            lines("let f = || {\nlet x = 1;\nx };\nlet x = 2;\nx"),
            ["2", "4"]
        );
    }
}
