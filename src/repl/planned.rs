//! An entry that was planned and not done, and whether what it stands on is still what it was then.

use std::collections::BTreeMap;

use rhai::{AST, Array, Dynamic, FnPtr, Map};

use super::entry::{self, Import};
use super::kept::definitions;
use super::shell::Shell;
use crate::engine::moment::Moment;
use crate::script::reach::called;

/// An entry that was planned and not done.
pub(super) struct Planned {
    /// As it was typed.
    pub(super) typed: String,
    /// The variables that it names, as they were.
    variables: BTreeMap<String, String>,
    /// The functions that it calls, of those that were typed.
    functions: BTreeMap<String, String>,
    /// What was imported.
    imports: Vec<String>,
    /// How much it would destroy.
    pub(super) destroys: u64,
}

impl Shell {
    /// A planned entry, with what it stands on.
    pub(super) fn plan_of(&self, typed: &str, whole: &AST, destroys: u64) -> Planned {
        let names = entry::variables(whole).into_iter();
        let held = names.filter_map(|name| Some((spelt(self.scope.get(&name)?), name)));
        let mut functions = definitions(&self.kept);
        let called = called(whole);
        functions.retain(|name, _| called.contains(name));
        Planned {
            typed: typed.to_owned(),
            variables: held.map(|(value, name)| (name, value)).collect(),
            functions,
            destroys,
            imports: self.imports.iter().map(Import::text).collect(),
        }
    }

    /// What a planned entry stands on and is another now.
    pub(super) fn differs(&self, planned: &Planned) -> Option<String> {
        let now = |name: &str| self.scope.get(name).map(spelt);
        let mut variables = planned.variables.iter();
        if let Some((name, _)) = variables.find(|(name, then)| now(name).as_ref() != Some(then)) {
            return Some(format!("'{name}'"));
        }
        let now = definitions(&self.kept);
        let mut functions = planned.functions.iter();
        if let Some((name, _)) = functions.find(|(name, then)| now.get(*name) != Some(then)) {
            return Some(format!("'{name}'"));
        }
        let now: Vec<String> = self.imports.iter().map(Import::text).collect();
        let gone = planned.imports.iter().find(|then| !now.contains(then));
        gone.map(|then| format!("`{then}`"))
    }
}

/// A value so that another is spelt otherwise.
fn spelt(value: &Dynamic) -> String {
    if let Some(moment) = value.read_lock::<Moment>() {
        return moment.to_string();
    }
    if let Some(values) = value.read_lock::<Array>() {
        return format!(
            "[{}]",
            values.iter().map(spelt).collect::<Vec<_>>().join(",")
        );
    }
    if let Some(map) = value.read_lock::<Map>() {
        let fields = map
            .iter()
            .map(|(name, value)| format!("{name:?}:{}", spelt(value)));
        return format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    }
    if let Some(function) = value.read_lock::<FnPtr>() {
        let held: Vec<String> = function.curry().iter().map(spelt).collect();
        return format!("{}({})", function.fn_name(), held.join(","));
    }
    format!("{value:?}")
}
