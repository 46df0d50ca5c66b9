//! The settings, out of the table that the configuration is read by: one, and the page of all.

use std::fmt::Write as _;

use super::page::Page;
use crate::config::{KEYS, Key};

/// The word by which all are asked for.
pub(super) const ALL: &str = "settings";

/// A setting, by its place in the file.
pub(super) fn text(path: &str) -> Option<String> {
    let named = |key: &&Key| key.path == path || key.variable == path;
    let key = KEYS.iter().find(named)?;
    let mut text = format!("{}\n\n{}.\n\n", key.path, key.about);
    let _ = writeln!(text, "  it is: {}", key.shape.expectation());
    let _ = writeln!(text, "  default: {}", key.default.unwrap_or("none"));
    let _ = writeln!(text, "  variable: {}", variables(key));
    if let Some(flags) = flags(key) {
        let _ = writeln!(text, "  flag: {flags}");
    }
    text.push_str(
        "\n`dashictl config --origin` says what holds, and why; `dashictl doc contexts` where it is written.\n",
    );
    Some(text)
}

/// All of them, table by table.
pub(super) fn page() -> Page {
    let mut text = String::from(
        "# Settings\n\nWhat can be set: in the configuration file, in a context of it, by a variable or, some, by a flag. `dashictl config --origin` \
         says what holds and why, `dashictl doc s3.endpoint` explains one. How they stand in the file is in [contexts](../contexts.md).\n",
    );
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = key
                .section()
                .map_or("At the top of the file".to_owned(), |table| {
                    format!("`[{table}]`")
                });
            let _ = write!(
                text,
                "\n## {title}\n\n| setting | what it is | default | variable, flag |\n|---|---|---|---|\n"
            );
        }
        let ways = match flags(key) {
            Some(flags) => format!("`{}`, `{}`", key.variable, flags.replace(", ", "`, `")),
            None => format!("`{}`", key.variable),
        };
        let default = key.default.map(|default| format!("`{default}`"));
        let _ = writeln!(
            text,
            "| `{}` | {}: {} | {} | {ways} |",
            key.name(),
            key.about,
            key.shape.expectation().replace('|', "\\|"),
            default.unwrap_or_default()
        );
    }
    text.push_str("\nOf a secret, the variables with `_FILE` and `_COMMAND` behind the name say where else it is.\n");
    Page::new(format!("reference/{ALL}.md"), text)
}

fn variables(key: &Key) -> String {
    key.variables().collect::<Vec<_>>().join(", ")
}

fn flags(key: &Key) -> Option<String> {
    let flag = key.flag.map(|flag| format!("--{flag}"))?;
    let alias = key.alias.map(|alias| format!(", --{alias}"));
    Some(flag + &alias.unwrap_or_default())
}
