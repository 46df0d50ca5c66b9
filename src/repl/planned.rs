//! An entry that was planned and not done, and whether what it stands on is still what it was then.

use rhai::AST;

use super::entry;
use super::shell::Shell;

/// An entry that was planned and not done.
pub(super) struct Planned {
    /// As it was typed.
    pub(super) typed: String,
    /// The variables that it names, as they were.
    variables: Vec<(String, String)>,
    /// How many entries had defined functions or imports.
    functions: usize,
}

impl Shell {
    /// A planned entry, with what it stands on.
    pub(super) fn plan_of(&self, typed: &str, whole: &AST) -> Planned {
        let names = entry::variables(whole).into_iter();
        let held = names.filter_map(|name| Some((self.scope.get(&name)?.clone(), name)));
        Planned {
            typed: typed.to_owned(),
            variables: held
                .map(|(value, name)| (name, format!("{value:?}")))
                .collect(),
            functions: self.kept.iter().filter(|kept| kept.defines()).count(),
        }
    }

    /// What a planned entry stands on and is another now.
    pub(super) fn differs(&self, planned: &Planned) -> Option<String> {
        let now = |name: &str| self.scope.get(name).map(|value| format!("{value:?}"));
        let variable = planned
            .variables
            .iter()
            .find(|(name, then)| now(name).as_ref() != Some(then));
        let functions = self.kept.iter().filter(|kept| kept.defines()).count();
        match variable {
            Some((name, _)) => Some(format!("'{name}'")),
            None if functions != planned.functions => Some("a function or an import".to_owned()),
            None => None,
        }
    }
}
