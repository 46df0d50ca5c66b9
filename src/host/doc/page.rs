//! A page of Markdown; and the reference as pages: one for each command, namespace and library, and the two lists of them.

use std::fmt::Write as _;
use std::sync::Arc;

use super::setting;
use crate::cli;
use crate::effects::Effect;
use crate::engine::registry::{Function, NamespaceEntry, Registry};
use crate::error::Result;
use crate::script::header::{Header, Need, Parameter};
use crate::script::library::{HOST_COMMANDS, Library, Owner, Script};
use crate::script::library_doc::LibraryDoc;
use crate::script::shape::Shape;

/// A page.
pub(super) struct Page {
    /// Its place, as in `reference/stac.md`.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

impl Page {
    pub(super) fn new(path: impl Into<String>, text: String) -> Page {
        Page {
            path: path.into(),
            text: text.trim_end().to_owned() + "\n",
        }
    }

    /// Its title.
    pub(super) fn title(&self) -> &str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
    }
}

/// All pages, each list before what it lists.
pub(super) fn all(
    registry: &Registry,
    library: &Library,
    libraries: &[LibraryDoc],
) -> Result<Vec<Page>> {
    let scripts: Vec<&Script> = library
        .scripts
        .values()
        .filter(|script| script.owner == Owner::Shipped)
        .collect();
    let commands: Vec<(&Script, Header)> = scripts
        .into_iter()
        .map(|script| Ok((script, script.header()?)))
        .collect::<Result<_>>()?;
    let mut pages = vec![command_list(&commands)];
    pages.extend(
        commands
            .iter()
            .map(|(script, header)| command(script, header)),
    );
    let root = cli::built(library);
    let of_program = HOST_COMMANDS
        .iter()
        .filter_map(|name| host_command(&root, name));
    pages.extend(of_program);
    pages.push(function_list(registry, libraries));
    pages.extend(registry.namespaces.iter().map(namespace));
    pages.extend(libraries.iter().map(library_page));
    pages.push(setting::page());
    Ok(pages)
}

fn command_list(commands: &[(&Script, Header)]) -> Page {
    let mut text = String::from(
        "# Commands\n\nThe commands that ship with the program. Each is a script: `dashictl doc --source NAME` prints it.\n\n",
    );
    for (script, header) in commands {
        let words = script.words.join(" ");
        let _ = writeln!(
            text,
            "- [`dashictl {words}`]({}): {}",
            file(&script.words.join("-")),
            header.summary
        );
    }
    text.push_str("\nThese deal with scripts and runs themselves, and are the program's own:\n\n");
    for name in HOST_COMMANDS.iter().filter(|name| **name != "help") {
        let _ = writeln!(text, "- [`dashictl {name}`]({})", file(name));
    }
    Page::new("commands/index.md", text)
}

/// A command of the program itself, as its own help tells it, with that of each part.
fn host_command(root: &clap::Command, name: &str) -> Option<Page> {
    let command = root.find_subcommand(name)?;
    let mut text = format!("# dashictl {name}\n\n{}", help_block(command));
    for part in command.get_subcommands() {
        let _ = write!(
            text,
            "\n## dashictl {name} {}\n\n{}",
            part.get_name(),
            help_block(part)
        );
    }
    Some(Page::new(format!("commands/{name}.md"), text))
}

fn help_block(command: &clap::Command) -> String {
    format!("```text\n{}\n```\n", cli::help_of(command).trim_end())
}

/// The file of a page beside its list.
fn file(name: &str) -> String {
    format!("{name}.md")
}

fn command(script: &Script, header: &Header) -> Page {
    let words = script.words.join(" ");
    let mut text = format!("# dashictl {words}\n\n{}.\n\n", prose(&header.summary));
    if !header.help.is_empty() {
        let _ = writeln!(text, "{}\n", prose(&header.help));
    }
    let _ = writeln!(text, "{}\n", effect_of(header.effect));
    let arguments: Vec<&Parameter> = header.arguments.iter().collect();
    let options: Vec<&Parameter> = header.options.iter().collect();
    for (title, parameters, dashes) in [("Arguments", arguments, ""), ("Options", options, "--")] {
        if parameters.is_empty() {
            continue;
        }
        let _ = writeln!(text, "## {title}\n");
        for parameter in parameters {
            let _ = writeln!(text, "- {}", parameter_line(parameter, dashes));
        }
        text.push('\n');
    }
    if !header.examples.is_empty() {
        text.push_str("## Examples\n\n");
    }
    for example in &header.examples {
        let about = example
            .about
            .as_ref()
            .map(|about| format!(": {about}"))
            .unwrap_or_default();
        let _ = writeln!(text, "- `{}`{about}", example.run);
    }
    if !header.needs.is_empty() {
        text.push_str("\n## Needs\n\n");
    }
    for need in &header.needs {
        let _ = writeln!(text, "- {}", need_line(need));
    }
    Page::new(format!("commands/{}.md", script.words.join("-")), text)
}

/// What a header says is text, and no Markdown: outside of code, what would begin a tag is kept from it.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| {
        if at % 2 == 0 {
            part.replace('<', "\\<")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

fn effect_of(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "It only reads.",
        Effect::Write => "It creates and updates; `--dry-run` only says what.",
        Effect::Destroy => "It may destroy: without `--apply` it only plans.",
    }
}

fn parameter_line(parameter: &Parameter, dashes: &str) -> String {
    let mut name = format!("{dashes}{}", parameter.name);
    if let Some(short) = parameter.short {
        name = format!("-{short}, {name}");
    }
    if parameter.shape != Shape::Bool && !dashes.is_empty() {
        let value = parameter
            .value
            .clone()
            .unwrap_or_else(|| parameter.name.to_uppercase());
        let _ = write!(name, " {value}");
    }
    let mut line = format!("`{name}`: {}", prose(&parameter.help));
    let mut notes = Vec::new();
    if parameter.required {
        notes.push("required".to_owned());
    }
    if parameter.multiple {
        notes.push("may be given more than once".to_owned());
    }
    if !parameter.choices.is_empty() {
        notes.push(format!("one of `{}`", parameter.choices.join("`, `")));
    }
    if let Some(default) = &parameter.default {
        notes.push(format!("default `{default}`"));
    }
    if let Some(variable) = &parameter.env {
        notes.push(format!("variable `{variable}`"));
    }
    if !notes.is_empty() {
        let _ = write!(line, " ({})", notes.join("; "));
    }
    line
}

fn need_line(need: &Need) -> String {
    let mut line = format!("`{}`", need.service);
    if let Some(right) = &need.right {
        let _ = write!(line, ": {right}");
    }
    if let Some(setting) = &need.namespace {
        let _ = write!(line, ", in the namespace of `{setting}`");
    }
    if let Some(setting) = &need.when {
        let _ = write!(line, ", where `{setting}` is set");
    }
    line
}

fn function_list(registry: &Registry, libraries: &[LibraryDoc]) -> Page {
    let mut text = String::from(
        "# Reference\n\nWhat scripts may call. `dashictl doc NAME` prints any of it. What can be configured is in [settings](settings.md).\n\n## Namespaces\n\n",
    );
    for namespace in &registry.namespaces {
        let (title, page) = (title_of(namespace), page_of(namespace));
        let about = if namespace.name.is_empty() {
            String::new()
        } else {
            format!(" {}", namespace.summary)
        };
        let _ = writeln!(text, "- [{title}]({}){about}", file(&page));
    }
    text.push_str("\n## Libraries\n\n");
    for library in libraries {
        let _ = writeln!(
            text,
            "- [`{}`]({}): {}",
            library.path,
            file(&library.path.replace('/', "-")),
            library.summary()
        );
    }
    Page::new("reference/index.md", text)
}

fn title_of(namespace: &NamespaceEntry) -> String {
    match namespace.name {
        "" => namespace.summary.trim_end_matches('.').to_owned(),
        name => format!("`{name}::`"),
    }
}

/// What has no namespace has a page of each kind.
fn page_of(namespace: &NamespaceEntry) -> String {
    if !namespace.name.is_empty() {
        return namespace.name.to_owned();
    }
    let words = namespace.summary.to_lowercase();
    let words = words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.take(3).collect::<Vec<_>>().join("-")
}

fn namespace(namespace: &NamespaceEntry) -> Page {
    let mut text = format!("# {}\n\n{}\n", title_of(namespace), namespace.summary);
    for function in &namespace.functions {
        let _ = write!(text, "\n{}", function_text(function));
    }
    Page::new(format!("reference/{}.md", page_of(namespace)), text)
}

fn function_text(function: &Arc<Function>) -> String {
    let mut text = format!(
        "## {}\n\n```text\n{}\n```\n\n",
        function.path(),
        function.signature()
    );
    if function.effect != Effect::Read {
        let _ = writeln!(text, "Effect: {}.\n", function.effect.name());
    }
    let _ = writeln!(text, "{}", function.text.trim());
    if function.options.is_empty() {
        return text;
    }
    text.push_str("\nOptions:\n\n");
    for option in function.options {
        let default = option
            .default
            .map(|default| format!(" (default: `{default}`)"))
            .unwrap_or_default();
        let about = option.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            text,
            "- `{}`, {}{default}: {about}",
            option.name,
            option.kind.name()
        );
    }
    text
}

fn library_page(library: &LibraryDoc) -> Page {
    let mut text = format!("# {}\n\n{}\n", library.path, library.text);
    for function in &library.functions {
        let alias = library.alias();
        let _ = write!(
            text,
            "\n## {alias}::{}\n\n```text\n{alias}::{}\n```\n\n{}\n",
            function.name, function.signature, function.text
        );
    }
    Page::new(
        format!("reference/{}.md", library.path.replace('/', "-")),
        text,
    )
}
