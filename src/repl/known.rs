//! What a session knows by name: functions of the language, of namespaces, of imports, and its own; and what may be meant by a name
//! that it does not know.

use rhai::{AST, Dynamic};

use super::entry::LAST;
use super::shell::Shell;
use super::subcommand;
use crate::error::{Error, nearest};
use crate::script::check::KEYWORDS;

impl Shell {
    /// Whether there is such a function without a namespace.
    pub(super) fn knows(&self, name: &str) -> bool {
        KEYWORDS.contains(&name)
            || self.vocabulary.names.contains(name)
            || self
                .functions
                .iter_functions()
                .any(|function| function.name == name)
    }

    /// Whether a namespace or import has such a function.
    pub(super) fn knows_in(&self, root: &str, name: &str) -> bool {
        match self.started.engine.registry.namespace(root) {
            Some(space) => space.functions.iter().any(|function| function.name == name),
            None => self
                .functions_of(root)
                .iter()
                .any(|(known, _)| known == name),
        }
    }

    /// The functions of an import, with their parameters.
    pub(super) fn functions_of(&self, alias: &str) -> Vec<(String, String)> {
        let import = self.imports.iter().find(|import| import.alias == alias);
        let engine = &self.started.engine;
        let module =
            import.and_then(|import| engine.resolver.parse(&engine.rhai, None, &import.path).ok());
        let named = |ast: AST| {
            let own = ast
                .iter_functions()
                .filter(|function| !function.name.contains('$') && function.access.is_public());
            own.map(|function| (function.name.to_owned(), function.params.join(", ")))
                .collect()
        };
        module.map(named).unwrap_or_default()
    }

    /// Says of a variable that is not there what may be meant.
    pub(super) fn unknown_variable(&self, mut error: Error, name: &str) -> Error {
        let detail = error.detail_mut();
        detail
            .hints
            .retain(|hint| !hint.starts_with("functions see only"));
        let known: Vec<&str> = self
            .scope
            .iter_raw()
            .map(|(name, _, _)| name)
            .filter(|known| *known != LAST)
            .collect();
        let own = || {
            self.functions
                .iter_functions()
                .map(|function| function.name)
        };
        if own().any(|function| function == name) {
            return error.hint(format!(
                "it is a function, and is called with brackets: {name}()"
            ));
        }
        let near = nearest(name, known.into_iter().chain(own()));
        if subcommand::begins_one(self, name) {
            error = error.hint(format!("a command of dashictl is run by :run {name} …"));
        }
        error.suggest(near).hint(format!(
            "let {name} = … makes one; a function sees only its arguments and its own"
        ))
    }

    /// Says of a function that is not there, but is a closure in a variable, how that is called.
    pub(super) fn uncalled(&self, error: Error) -> Error {
        let message = error.detail().message.clone();
        let name = message
            .strip_prefix("there is no function '")
            .and_then(|rest| rest.strip_suffix('\''));
        match name.filter(|name| self.scope.get(name).is_some_and(Dynamic::is_fnptr)) {
            Some(name) => error.hint(format!("'{name}' is a closure: {name}.call(…)")),
            None => error,
        }
    }
}
