//! What a session knows by name: functions of the language, of namespaces, of imports, and its own.

use rhai::AST;

use super::shell::Shell;
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
}
