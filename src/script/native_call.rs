//! What is wrong with a call of a native function, by what is registered about it: its options, literal arguments, its effect.

use rhai::{Expr, FnCallExpr, Ident, Position};

use super::check::Checker;
use super::literal::{Unknown, literal_kind, says_own};
use crate::effects::Effect;
use crate::engine::options;
use crate::engine::registry::Function;
use crate::error::{Error, Kind};

impl Checker<'_> {
    /// For a native function: the keys of a literal options map, and whether the header allows its effect.
    pub(super) fn options_and_effect(
        &mut self,
        call: &FnCallExpr,
        path: &str,
        count: usize,
        position: Position,
    ) {
        let functions: Vec<_> = self
            .engine
            .registry
            .find(path)
            .filter(|function| !function.method && function.arities().contains(&count))
            .cloned()
            .collect();
        let Some(function) = functions.first() else {
            return;
        };
        self.effect(call, function, position);
        if functions.len() == 1 {
            self.literals(call, function);
        }
        if function.options.is_empty() || count != function.parameters.len() + 1 {
            return;
        }
        let Some(Expr::Map(map, _)) = call.args.last() else {
            return;
        };
        for (key, value) in &map.0 {
            self.option(function, key, value);
        }
    }

    /// Whether the header allows what a native function does. What the run made itself it may take away; whether it did is the
    /// gate's to know.
    fn effect(&mut self, call: &FnCallExpr, function: &Function, position: Position) {
        let most = self.effect_at(position);
        let has_options = call.args.len() > function.parameters.len();
        let may_be_own = most == Effect::Write && has_options;
        let says = if may_be_own {
            says_own(call)
        } else {
            Ok(false)
        };
        if function.effect <= most || says == Ok(true) {
            return;
        }
        let error = beyond_header(&function.path(), function.effect, most);
        if says == Err(Unknown) {
            self.idly(error, position);
        } else {
            self.error(error, position);
        }
    }

    fn option(&mut self, function: &Function, key: &Ident, value: &Expr) {
        let Some(row) = function
            .options
            .iter()
            .find(|row| row.name == key.name.as_str())
        else {
            let mut error = options::unknown(function.options, &key.name);
            let message = format!("{} of {}", error.detail().message, function.path());
            error.detail_mut().message = message;
            return self.error(error, key.pos);
        };
        if let Some(kind) = literal_kind(value).filter(|kind| !row.kind.takes(kind)) {
            let (path, takes) = (function.path(), row.kind.name());
            self.error(
                Error::usage(format!(
                    "option '{}' of {path} takes {takes}, got {kind}",
                    row.name
                ))
                .hint(format!("`dashictl doc {path}` says what it is for")),
                value.position(),
            );
        }
    }

    /// Literal arguments of a type that the function does not take.
    fn literals(&mut self, call: &FnCallExpr, function: &Function) {
        for (parameter, value) in function.parameters.iter().zip(&call.args) {
            if let Some(kind) = literal_kind(value)
                .filter(|kind| parameter.kind != "any" && parameter.kind != *kind)
            {
                let error = Error::usage(format!(
                    "'{}' of {} takes {}, got {kind}",
                    parameter.name,
                    function.path(),
                    parameter.kind
                ));
                self.error(
                    error.hint(format!("it is {}", function.signature())),
                    value.position(),
                );
            }
        }
    }
}

/// That something does more than is declared.
pub(super) fn beyond_header(what: &str, effect: Effect, declared: Effect) -> Error {
    let (does, may) = (effect.name(), declared.name());
    Error::new(Kind::EffectRefused, format!("{what} has the effect '{does}', and this script is declared '{may}'"))
        .hint(format!("if that is meant, say so in its header: effect = \"{does}\" (for `dashictl eval`: --effect {does})"))
}
