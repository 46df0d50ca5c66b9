//! What is printed of one thing: a namespace, a function, an option, a library, a command. As Markdown, which a terminal lays out.

use std::sync::Arc;

use crate::cli;
use crate::effects::Effect;
use crate::engine::options::OptionRow;
use crate::engine::registry::{Function, NamespaceEntry, Registry};
use crate::error::Result;
use crate::script::library::{Library, Script};
use crate::script::library_doc::{LibraryDoc, LibraryFunction};

/// What there is, each in a line or two.
pub(super) fn overview(
    registry: &Registry,
    libraries: &[LibraryDoc],
    chapters: &[String],
) -> String {
    let mut text = String::new();
    for namespace in &registry.namespaces {
        let title = if namespace.name.is_empty() {
            String::new()
        } else {
            format!("{}:: ", namespace.name)
        };
        let mut names: Vec<&str> = namespace
            .functions
            .iter()
            .map(|function| function.name)
            .collect();
        names.dedup();
        text.push_str(&format!(
            "{title}{}\n  {}\n\n",
            namespace.summary,
            names.join(", ")
        ));
    }
    text.push_str(&self::libraries(libraries));
    text.push_str(&format!(
        "\nChapters of the book\n  {}\n\n",
        chapters.join(", ")
    ));
    text.push_str(
        "`dashictl doc stac` lists a namespace, `dashictl doc stac::items` explains a function, `dashictl doc std/assert` a library, \
         `dashictl doc item delete` a command, `dashictl doc s3.endpoint` a setting, `dashictl doc safety` prints a chapter. \
         A word that is none of these is looked for in all of them. `dashictl --help` lists the commands, `dashictl doc settings` the settings.\n",
    );
    text
}

/// The libraries.
pub(super) fn libraries(libraries: &[LibraryDoc]) -> String {
    let mut text = String::from("Libraries, as in import \"std/retry\" as retry;\n");
    for library in libraries {
        text.push_str(&format!("  {:16} {}\n", library.path, library.summary()));
    }
    text
}

/// The methods of a type.
pub(super) fn methods(registry: &Registry, kind: &str) -> Option<String> {
    let is_its = |function: &&Arc<Function>| {
        let receiver = function.parameters.first();
        function.method && receiver.is_some_and(|receiver| receiver.kind == kind)
    };
    let lines = registry
        .functions()
        .filter(is_its)
        .map(|function| format!("{}\n    {}\n", function.signature(), function.summary()));
    let lines = lines.collect::<String>();
    (!lines.is_empty()).then(|| format!("What a value of the type {kind} can be asked:\n\n{lines}"))
}

/// An option of a command: `gc max-delete`, `gc --max-delete`, `gc.max_delete`.
pub(super) fn option_of_program(
    library: &Library,
    command: &[String],
    name: &str,
) -> Option<String> {
    let dotted = command.is_empty().then(|| name.split_once('.')).flatten();
    let (words, name) = match dotted {
        Some((command, name)) => (vec![command.to_owned()], name),
        None => (command.to_vec(), name),
    };
    let name = name.trim_start_matches('-').replace('_', "-");
    let root = cli::built(library);
    let command = subcommand(&root, &words).filter(|_| !words.is_empty())?;
    let argument = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(&name))?;
    let help = argument.get_long_help().or(argument.get_help())?;
    Some(format!(
        "dashictl {} {argument}\n\n{help}\n",
        words.join(" ")
    ))
}

/// A namespace with its functions.
pub(super) fn listing(namespace: &NamespaceEntry) -> String {
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
pub(super) fn in_full(function: &Function) -> String {
    let mut text = format!("{}\n", function.signature());
    text.push_str(&format!(
        "effect: {}\n\n{}\n",
        function.effect.name(),
        function.text.trim()
    ));
    if !function.options.is_empty() {
        text.push_str("\nOptions:\n");
    }
    text.extend(function.options.iter().map(option_text));
    text
}

/// An option of a function, as in `s3::list by_folder` or `s3::list.by_folder`.
pub(super) fn option(registry: &Registry, path: &str) -> Option<String> {
    let (function, name) = path.rsplit_once([' ', '.'])?;
    let mut functions = registry.find(function);
    functions.find_map(|function| {
        let row = function.options.iter().find(|row| row.name == name)?;
        Some(format!("{}\n\n{}", function.signature(), option_text(row)))
    })
}

fn option_text(option: &OptionRow) -> String {
    let default = option
        .default
        .map(|default| format!(" (default: {default})"));
    let about: Vec<&str> = option
        .doc
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    format!(
        "  {}: {}{}\n      {}\n",
        option.name,
        option.kind.name(),
        default.unwrap_or_default(),
        about.join("\n      ")
    )
}

/// A library with its functions.
pub(super) fn library(library: &LibraryDoc) -> String {
    let alias = library.alias();
    let lines = library.functions.iter().map(|function| {
        format!(
            "{alias}::{}\n    {}\n",
            function.signature,
            function.summary()
        )
    });
    format!(
        "{}\n\n{}\n\n{}",
        library.text,
        library.import(),
        lines.collect::<String>()
    )
}

/// A function of a library.
pub(super) fn of_library(library: &LibraryDoc, function: &LibraryFunction) -> String {
    format!(
        "{}::{}\n{}\n\n{}\n",
        library.alias(),
        function.signature,
        library.import(),
        function.text
    )
}

/// A command that is a script: its help, what it may do, and where it is.
pub(super) fn command(library: &Library, script: &Script) -> Result<String> {
    let header = script.header()?;
    let words = script.words.join(" ");
    let mut text = of_program(library, &script.words).unwrap_or_default();
    text.push_str(&format!("\neffect: {}\n", header.effect.name()));
    for need in &header.needs {
        let right = need.right.as_ref().map(|right| format!(": {right}"));
        text.push_str(&format!(
            "needs: {}{}\n",
            need.service,
            right.unwrap_or_default()
        ));
    }
    text.push_str(&format!(
        "script: {} (`dashictl doc --source {words}` prints it)\n",
        script.source
    ));
    Ok(text)
}

/// The help of a command of the program's own, or of a group of commands.
pub(super) fn of_program(library: &Library, words: &[String]) -> Option<String> {
    let root = cli::built(library);
    Some(cli::help_of(subcommand(&root, words)?))
}

fn subcommand<'c>(root: &'c clap::Command, words: &[String]) -> Option<&'c clap::Command> {
    let mut words = words.iter();
    words.try_fold(root, |command, word| command.find_subcommand(word))
}
