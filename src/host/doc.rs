//! `dashictl doc`: what scripts may call, out of the same table that the engine was built from.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Host;
use crate::effects::Effect;
use crate::engine::registry::{Function, NamespaceEntry, Registry};
use crate::error::{Error, Kind, Result, nearest};
use crate::script::library::{Library, Script};

/// Prints documentation of everything, a namespace, a function, a method or a command.
pub(super) fn perform(host: &Host, library: &Library, name: &[String], source: bool) -> Result<u8> {
    let run = host.offline()?;
    // A command may come as one quoted word.
    let name: Vec<String> = name
        .iter()
        .flat_map(|word| word.split_whitespace())
        .map(str::to_owned)
        .collect();
    if host.console.json() && !source && !library.scripts.contains_key(&name) {
        let functions = described(&run.engine.registry, library, &name.join(" "))?;
        host.console.print(&format!("{functions:#}\n"))?;
        return Ok(0);
    }
    let text = text(&run.engine.registry, library, &name, source)?;
    host.console.print(&text)?;
    Ok(0)
}

/// The documentation of a name as text.
pub(crate) fn text(
    registry: &Registry,
    library: &Library,
    name: &[String],
    source: bool,
) -> Result<String> {
    if name.is_empty() {
        return Ok(overview(registry));
    }
    if let Some(script) = library.scripts.get(name) {
        return if source {
            Ok(script.text.to_string())
        } else {
            command(script)
        };
    }
    let path = name.join(" ");
    if let Some(namespace) = registry
        .namespace(&path)
        .filter(|namespace| !namespace.name.is_empty())
    {
        return Ok(listing(namespace));
    }
    let functions: Vec<_> = registry.find(&path).collect();
    if functions.is_empty() {
        return Err(unknown(registry, library, &path));
    }
    Ok(functions
        .iter()
        .map(|function| in_full(function))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// The functions of everything, a namespace or a name, as data.
fn described(registry: &Registry, library: &Library, path: &str) -> Result<Value> {
    let named = |function: &&Arc<Function>| {
        path.is_empty() || function.path() == path || function.namespace == path
    };
    let rows: Vec<Value> = registry
        .functions()
        .filter(named)
        .map(|function| row(function))
        .collect();
    if rows.is_empty() {
        Err(unknown(registry, library, path))
    } else {
        Ok(Value::Array(rows))
    }
}

fn row(function: &Function) -> Value {
    let parameters = function
        .parameters
        .iter()
        .map(|parameter| json!({"name": parameter.name, "type": parameter.kind}));
    let options = function.options.iter().map(|option| {
        json!({"name": option.name, "type": option.kind.name(), "default": option.default, "about": option.doc.trim()})
    });
    json!({
        "name": function.path(),
        "signature": function.signature(),
        "method": function.method,
        "effect": function.effect.name(),
        "parameters": parameters.collect::<Vec<_>>(),
        "options": options.collect::<Vec<_>>(),
        "returns": function.returns,
        "summary": function.summary(),
        "examples": function.examples(),
    })
}

fn unknown(registry: &Registry, library: &Library, path: &str) -> Error {
    let mut known: Vec<String> = registry
        .functions()
        .map(|function| function.path())
        .collect();
    known.extend(
        registry
            .namespaces
            .iter()
            .map(|namespace| namespace.name.to_owned()),
    );
    known.extend(library.scripts.keys().map(|words| words.join(" ")));
    Error::new(
        Kind::NotFound,
        format!("there is no documentation of '{path}'"),
    )
    .suggest(nearest(path, known.iter().map(String::as_str)))
    .hint("`dashictl doc` lists everything")
}

fn overview(registry: &Registry) -> String {
    let mut text = String::new();
    for namespace in &registry.namespaces {
        let title = if namespace.name.is_empty() {
            String::new()
        } else {
            format!("{}:: ", namespace.name)
        };
        text.push_str(&format!("{title}{}\n", namespace.summary));
        let mut names: Vec<&str> = namespace
            .functions
            .iter()
            .map(|function| function.name)
            .collect();
        names.dedup();
        text.push_str(&format!("  {}\n\n", names.join(", ")));
    }
    text.push_str(
        "`dashictl doc stac` lists a namespace, `dashictl doc stac::items` explains a function.\n",
    );
    text
}

fn listing(namespace: &NamespaceEntry) -> String {
    let lines = namespace.functions.iter().map(|function| {
        let effect = if function.effect == Effect::Read {
            String::new()
        } else {
            format!(" [{}]", function.effect.name())
        };
        format!(
            "{}{effect}\n    {}\n",
            function.signature(),
            function.summary()
        )
    });
    format!("{}\n\n{}", namespace.summary, lines.collect::<String>())
}

/// A function with its text, options and examples.
fn in_full(function: &Function) -> String {
    let mut text = format!("{}\n", function.signature());
    text.push_str(&format!(
        "effect: {}\n\n{}\n",
        function.effect.name(),
        function.text.trim()
    ));
    if !function.options.is_empty() {
        text.push_str("\nOptions:\n");
    }
    for option in function.options {
        let default = option
            .default
            .map(|default| format!(" (default: {default})"))
            .unwrap_or_default();
        text.push_str(&format!(
            "  {}: {}{default}\n      {}\n",
            option.name,
            option.kind.name(),
            option.doc.trim()
        ));
    }
    text
}

/// A command: what its header says, and where it is.
fn command(script: &Script) -> Result<String> {
    let header = script.header()?;
    let mut text = format!(
        "dashictl {}: {}\neffect: {}\n",
        script.words.join(" "),
        header.summary,
        header.effect.name()
    );
    if !header.help.is_empty() {
        text.push_str(&format!("\n{}\n", header.help));
    }
    for parameter in header.parameters() {
        text.push_str(&format!("  {}: {}\n", parameter.name, parameter.help));
    }
    text.push_str(&format!(
        "\nscript: {} (`dashictl doc --source {}` prints it)\n",
        script.source,
        script.words.join(" ")
    ));
    Ok(text)
}
