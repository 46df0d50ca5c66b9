//! The signature of the function whose arguments are being typed.

use super::cursor::call_around;
use super::shell::Shell;
use crate::script::tokens::pieces;

/// What helps with the end of a text.
pub(super) fn hint(shell: &Shell, text: &str) -> Option<String> {
    if text.trim_start().starts_with(':') {
        return None;
    }
    let engine = &shell.started.engine;
    let function = call_around(text, &pieces(text))?;
    let known = engine
        .registry
        .functions()
        .find(|known| known.path == function);
    if let Some(known) = known {
        return Some(known.signature());
    }
    if let Some((alias, name)) = function.split_once("::") {
        let functions = shell.functions_of(alias);
        let (_, parameters) = functions.iter().find(|(known, _)| known == name)?;
        return Some(format!("{function}({parameters})"));
    }
    let own = shell
        .functions
        .iter_functions()
        .find(|own| own.name == function)?;
    Some(format!("{function}({})", own.params.join(", ")))
}
