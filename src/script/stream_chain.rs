//! Methods that a list which is read as it comes does not have, found in the text: who writes `stac::items(…).len()` takes it for an
//! array.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position};

use super::walk::walk;
use crate::engine::registry::Registry;
use crate::error::Error;

/// A method that a stream does not have.
pub(super) struct Missing {
    /// Its name.
    pub(super) name: String,
    /// Where it stands.
    pub(super) at: Position,
}

impl Missing {
    /// What is wrong, and what to write.
    pub(super) fn error(&self) -> Error {
        let name = &self.name;
        Error::usage(format!(
            "a list that is read as it comes has no method '{name}'"
        ))
        .hint(format!("read it to its end first: .collect().{name}(…)"))
    }
}

/// What streams have: the methods, with whether each gives a stream again.
pub(super) struct Methods<'r> {
    registry: &'r Registry,
    /// The names of imports, which hide namespaces.
    aliases: BTreeSet<String>,
    known: BTreeMap<&'r str, bool>,
    /// Functions of the script, which may be called like methods.
    own: BTreeSet<String>,
}

/// The methods that are called on streams and that those do not have.
pub(super) fn missing(ast: &AST, methods: &Methods) -> Vec<Missing> {
    let mut found = Vec::new();
    walk(ast, |path| {
        if let Some(ASTNode::Expr(Expr::Dot(parts, _, _))) = path.last()
            && let Expr::FnCall(call, _) = &parts.lhs
            && methods.gives_stream(call)
        {
            found.extend(methods.first_missing(&parts.rhs));
        }
    });
    found
}

impl<'r> Methods<'r> {
    /// Those that a script can call; `others` are methods that any value has.
    pub(super) fn of(
        ast: &AST,
        registry: &'r Registry,
        aliases: BTreeSet<String>,
        others: &[&'r str],
    ) -> Methods<'r> {
        let of_streams = registry.functions().filter(|function| {
            let receiver = function.parameters.first();
            function.method
                && receiver.is_some_and(|receiver| ["Stream", "any"].contains(&receiver.kind))
        });
        let mut known: BTreeMap<&str, bool> = of_streams
            .map(|function| (function.name, function.returns == "Stream"))
            .collect();
        known.extend(others.iter().map(|name| (*name, false)));
        let own = ast.iter_functions();
        Methods {
            registry,
            aliases,
            known,
            own: own.map(|function| function.name.to_owned()).collect(),
        }
    }

    /// Whether a function gives a stream, and nothing else.
    pub(super) fn gives_stream(&self, call: &FnCallExpr) -> bool {
        if call.namespace.is_empty() || self.aliases.contains(call.namespace.root()) {
            return false;
        }
        let path = format!("{}::{}", call.namespace.root(), call.name);
        let mut functions = self.registry.find(&path).peekable();
        functions.peek().is_some() && functions.all(|function| function.returns == "Stream")
    }

    /// Whether an expression gives a stream, as far as the text tells.
    pub(super) fn is_stream(&self, expression: &Expr) -> bool {
        match expression {
            Expr::FnCall(call, _) => self.gives_stream(call),
            Expr::Dot(parts, _, _) => self.is_stream(&parts.lhs) && self.stays_stream(&parts.rhs),
            _ => false,
        }
    }

    /// Whether a chain behind a stream gives one.
    fn stays_stream(&self, chain: &Expr) -> bool {
        match chain {
            Expr::Dot(parts, _, _) => {
                self.stays_stream(&parts.lhs) && self.stays_stream(&parts.rhs)
            }
            Expr::MethodCall(call, _) => {
                let name = call.name.as_str();
                self.known.get(name) == Some(&true) && !self.own.contains(name)
            }
            _ => false,
        }
    }

    /// The first method of a chain behind a stream that it does not have.
    fn first_missing(&self, chain: &Expr) -> Option<Missing> {
        let (first, rest) = match chain {
            Expr::Dot(parts, _, _) => (&parts.lhs, Some(&parts.rhs)),
            only => (only, None),
        };
        let Expr::MethodCall(call, at) = first else {
            return None;
        };
        let name = call.name.as_str();
        match self.known.get(name) {
            Some(true) => self.first_missing(rest?),
            Some(false) => None,
            None if self.own.contains(name) => None,
            None => Some(Missing {
                name: name.to_owned(),
                at: *at,
            }),
        }
    }
}
