//! `dashictl trust`: which folders' scripts may be commands.

use std::path::Path;

use serde_json::json;

use crate::config::Environment;
use crate::error::{Error, Kind, Result};
use crate::output::Console;
use crate::script::trust::{self, LOCAL_FOLDER};

/// Trusts a folder, takes that back, or lists the trusted ones.
pub(super) fn perform(
    folder: Option<&Path>,
    remove: bool,
    environment: &Environment,
    console: &Console,
) -> Result<u8> {
    match folder {
        None => list(environment, console)?,
        Some(folder) if remove => {
            if !trust::remove(environment, folder)? {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("{} was not trusted", folder.display()),
                ));
            }
            console.say(&format!(
                "the scripts in {} are not commands any more",
                folder.join(LOCAL_FOLDER).display()
            ));
        }
        Some(folder) => {
            let scripts = trust::add(environment, folder)?;
            console.say(&format!(
                "trusted as they are now, in {}:",
                folder.join(LOCAL_FOLDER).display()
            ));
            for script in scripts {
                console.print(&format!("{}\n", script.display()))?;
            }
        }
    }
    Ok(0)
}

fn list(environment: &Environment, console: &Console) -> Result<()> {
    let trusted = trust::list(environment)?;
    if console.json() {
        let rows: Vec<_> = trusted
            .iter()
            .map(|(folder, scripts)| json!({"folder": folder, "scripts": scripts}))
            .collect();
        return console.print(&format!("{:#}\n", serde_json::Value::Array(rows)));
    }
    if trusted.is_empty() {
        console.say("no folder is trusted");
    }
    trusted.iter().try_for_each(|(folder, scripts)| {
        console.print(&format!("{}  {scripts} script(s)\n", folder.display()))
    })
}
