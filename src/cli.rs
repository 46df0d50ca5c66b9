//! The command line: argv to [`Invocation`]. The tree of commands is built from the headers of the scripts and the few
//! commands of the host. Nothing is opened here, and no value has a meaning yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};

use crate::config::{Environment, quoted};
use crate::error::{Error, Result};
use crate::output::Colour;
use crate::prompt;
use crate::script::header::Header;
use crate::script::library::{self, Library, Owner, Script};

mod arguments;
mod globals;
mod host_commands;
mod invocation;

pub use arguments::{LiveNames, parameters};
pub use host_commands::SHELLS;
pub use invocation::{
    Action, Changes, DocWanted, Globals, Invocation, Parsed, Printed, SandboxAction, TestWanted,
};

/// Examples stand before the usage: they are what people look for.
const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Whether `--json` stands among the arguments: errors of parsing itself are printed accordingly.
#[must_use]
pub fn wants_json(arguments: &[OsString]) -> bool {
    options_of(arguments).any(|argument| argument == "--json")
}

/// What `--color` says, if it stands among the arguments.
#[must_use]
pub fn wanted_colour(arguments: &[OsString]) -> Colour {
    let mut words = options_of(arguments);
    let mut value = None;
    while let Some(word) = words.next() {
        match word.strip_prefix("--color") {
            Some("") => value = words.next(),
            Some(rest) => value = rest.strip_prefix('=').or(value),
            None => {}
        }
    }
    match value {
        Some("always") => Colour::Always,
        Some("never") => Colour::Never,
        _ => Colour::Auto,
    }
}

/// Whether the program is asked for its version and nothing else: answered before anything is read.
#[must_use]
pub fn asks_for_version(arguments: &[OsString]) -> bool {
    arguments.len() == 2 && (arguments[1] == "--version" || arguments[1] == "-V")
}

fn options_of(arguments: &[OsString]) -> impl Iterator<Item = &str> {
    arguments
        .iter()
        .skip(1)
        .filter_map(|argument| argument.to_str())
        .take_while(|argument| *argument != "--")
}

/// Reads a command line.
pub fn parse(
    library: &Library,
    arguments: &[OsString],
    environment: &Environment,
) -> Result<Parsed> {
    let matches =
        match command(library, &Wanted::by(library, arguments)).try_get_matches_from(arguments) {
            Ok(matches) => matches,
            Err(error) => return printed(&error, &library.warnings),
        };
    let mut globals = globals::typed(&matches, environment);
    let action = match action(library, &matches, arguments, &mut globals, environment)? {
        Ok(action) => action,
        Err(printed) => return Ok(Parsed::Printed(printed)),
    };
    Ok(Parsed::Invocation(Box::new(Invocation {
        globals,
        command: command_line(arguments),
        action,
    })))
}

/// The flags that say how a command is run and not what it does, and whether a value follows.
const MANNERS: [(&str, bool); 10] = [
    ("--yes", false),
    ("-y", false),
    ("--apply", false),
    ("--dry-run", false),
    ("--json", false),
    ("-v", false),
    ("-vv", false),
    ("--env-override", false),
    ("--plan-out", true),
    ("--color", true),
];

/// The command line as one would type it again, without what only says how it is run.
fn command_line(arguments: &[OsString]) -> String {
    let typed = arguments
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let words = without_flags(typed, &MANNERS);
    let words = words.iter().map(|word| quoted(word));
    std::iter::once("dashictl".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Words without some flags, each with whether a value follows it. What stands behind `--` is no flag of the command.
pub(crate) fn without_flags(
    words: impl IntoIterator<Item = String>,
    flags: &[(&str, bool)],
) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            kept.push(word);
            kept.extend(words);
            break;
        }
        let flag = word.split('=').next().unwrap_or(&word);
        match flags.iter().find(|(name, _)| *name == flag) {
            Some((_, has_value)) => {
                if *has_value && !word.contains('=') {
                    words.next();
                }
            }
            None => kept.push(word),
        }
    }
    kept
}

/// The whole tree of commands.
#[must_use]
pub fn command(library: &Library, wanted: &Wanted) -> Command {
    let root = Command::new("dashictl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The operations shell of the dashi spatial data lake: every command is a script")
        .before_help("Examples:\n  dashictl --context sandbox doctor        try it: an embedded lake\n  dashictl domain list --json | jq '.[].id'\n  dashictl eval 'stac::count(\"raw\")'")
        .after_help("Scripts below ~/.config/dashi/scripts are commands too: `dashictl doc` says what they may call.")
        .help_template(TEMPLATE.replace("{all-args}", "Commands:\n{subcommands}\n\nGlobal options:\n{options}"))
        .args(globals::arguments())
        .subcommands(host_commands::all().into_iter().map(|command| command.display_order(100)));
    Tree::of(library).add_to(root, wanted)
}

/// The whole tree, in which each command knows how it is called.
pub(crate) fn built(library: &Library) -> Command {
    let mut root = command(library, &Wanted::All);
    root.build();
    root
}

/// The help of a command of such a tree.
pub(crate) fn help_of(command: &Command) -> String {
    command.clone().render_long_help().to_string()
}

/// Whose headers are read: reading all of them would take most of a command's start once there are many.
pub enum Wanted {
    /// All: for help and completion.
    All,
    /// Those whose first word was typed; of the others, the names are enough.
    Typed(Vec<String>),
}

impl Wanted {
    /// What a command line needs: what it names, or all where it names no script or asks for help.
    pub(crate) fn by(library: &Library, arguments: &[OsString]) -> Wanted {
        let words: Vec<String> = arguments
            .iter()
            .skip(1)
            .filter_map(|word| word.to_str().map(str::to_owned))
            .collect();
        let asks_for_help = words
            .iter()
            .any(|word| ["help", "--help", "-h"].contains(&word.as_str()));
        let named = library
            .scripts
            .keys()
            .any(|script| script.first().is_some_and(|first| words.contains(first)));
        if named && !asks_for_help {
            Wanted::Typed(words)
        } else {
            Wanted::All
        }
    }

    fn is(&self, script: &Script) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Typed(words) => script
                .words
                .first()
                .is_some_and(|first| words.contains(first)),
        }
    }
}

/// The scripts as a tree: a word leads to a script or to a group of more.
#[derive(Default)]
struct Tree<'a> {
    groups: BTreeMap<&'a str, Tree<'a>>,
    scripts: BTreeMap<&'a str, &'a Script>,
}

impl<'a> Tree<'a> {
    fn of(library: &'a Library) -> Tree<'a> {
        let mut tree = Tree::default();
        for script in library.scripts.values() {
            let Some((last, groups)) = script.words.split_last() else {
                continue;
            };
            let group = groups
                .iter()
                .fold(&mut tree, |tree, word| tree.groups.entry(word).or_default());
            group.scripts.insert(last, script);
        }
        tree
    }

    fn add_to(&self, command: Command, wanted: &Wanted) -> Command {
        let mut command = command;
        for (word, script) in &self.scripts {
            let mut own = script_command((*word).to_owned(), script, wanted);
            if let Some(group) = self.groups.get(word) {
                own = own
                    .args_conflicts_with_subcommands(true)
                    .subcommand_negates_reqs(true)
                    .disable_help_subcommand(true);
                own = group.add_to(own, wanted);
            }
            command = command.subcommand(own);
        }
        for (word, group) in self
            .groups
            .iter()
            .filter(|(word, _)| !self.scripts.contains_key(*word))
        {
            let words: Vec<&str> = group
                .scripts
                .keys()
                .chain(group.groups.keys())
                .copied()
                .collect();
            let about = format!("{word}: {}", words.join(", "));
            let inner = Command::new((*word).to_owned())
                .about(about)
                .subcommand_required(true)
                .arg_required_else_help(true)
                .disable_help_subcommand(true);
            command = command.subcommand(group.add_to(inner, wanted));
        }
        command
    }
}

/// The command that a script's header describes. A wrong header must not break the others: it is reported when that
/// command is called.
fn script_command(name: String, script: &Script, wanted: &Wanted) -> Command {
    if !wanted.is(script) {
        return Command::new(name);
    }
    let whose = match script.owner {
        Owner::Shipped => "",
        Owner::Operator if script.overrides => " (yours, instead of the shipped one)",
        Owner::Operator => " (yours)",
        Owner::Local => " (of this folder)",
    };
    match script.header() {
        Ok(header) => described(Command::new(name), &header, whose),
        Err(error) => Command::new(name)
            .about(format!("its header is wrong: {error}{whose}"))
            .arg(
                Arg::new("rest")
                    .num_args(0..)
                    .trailing_var_arg(true)
                    .allow_hyphen_values(true)
                    .hide(true),
            ),
    }
}

/// A command with the help, arguments and flags of a header.
fn described(command: Command, header: &Header, whose: &str) -> Command {
    let summary = format!("{}{whose}", header.summary);
    let mut command = command
        .about(summary.clone())
        .help_template(TEMPLATE)
        .args(arguments::of(header))
        .args(globals::of_effect(header.effect));
    if !header.help.is_empty() {
        command = command.long_about(format!("{summary}\n\n{}", header.help));
    }
    if !header.examples.is_empty() {
        command = command.before_help(examples(header));
    }
    command
}

fn examples(header: &Header) -> String {
    let widest = header
        .examples
        .iter()
        .map(|example| example.run.chars().count())
        .max()
        .unwrap_or(0);
    let line = |example: &crate::script::header::Example| {
        let about = example.about.as_deref().unwrap_or_default();
        format!("  {:widest$}  {about}", example.run)
            .trim_end()
            .to_owned()
    };
    format!(
        "Examples:\n{}",
        header
            .examples
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    )
}

/// What to do; help of a script that is run by its path is printed instead.
fn action(
    library: &Library,
    matches: &ArgMatches,
    raw: &[OsString],
    globals: &mut Globals,
    environment: &Environment,
) -> Result<std::result::Result<Action, Printed>> {
    let (words, leaf) = leaf(matches);
    globals.take_changes(leaf);
    globals.refuse_both()?;
    if words.is_empty() {
        return Ok(without_command(library));
    }
    if words == ["run"] {
        return run_action(leaf, raw, globals, environment);
    }
    if let Some(action) = host_commands::action(&words, leaf)? {
        return Ok(Ok(action));
    }
    let script = library
        .scripts
        .get(&words)
        .ok_or_else(|| Error::internal(format!("no command {words:?}")))?;
    let header = script.header()?;
    let arguments = parameters(&header, leaf, environment)?;
    Ok(Ok(Action::Script {
        script: script.clone(),
        header: Box::new(header),
        arguments,
    }))
}

/// A command line without a command is the prompt where there is a terminal to type at.
fn without_command(library: &Library) -> std::result::Result<Action, Printed> {
    if prompt::is_possible() && std::io::stdout().is_terminal() {
        return Ok(Action::Repl);
    }
    Err(Printed {
        text: command(library, &Wanted::All).render_help().to_string(),
        warnings: library.warnings.clone(),
        was_asked_for: false,
    })
}

/// `run FILE …`: what follows the file is read by the file's own header.
fn run_action(
    matches: &ArgMatches,
    raw: &[OsString],
    globals: &mut Globals,
    environment: &Environment,
) -> Result<std::result::Result<Action, Printed>> {
    let file = matches
        .get_one::<OsString>("file")
        .cloned()
        .unwrap_or_default();
    if file == "--help" || file == "-h" {
        let text = host_commands::run()
            .help_template(TEMPLATE)
            .bin_name("dashictl run")
            .render_help()
            .to_string();
        return Ok(Err(Printed {
            text,
            warnings: Vec::new(),
            was_asked_for: true,
        }));
    }
    let script = library::read(PathBuf::from(&file).as_path())?;
    let header = script.header()?;
    let name = format!("dashictl run {}", file.to_string_lossy());
    let command = described(Command::new(name.clone()).bin_name(name), &header, "")
        .args(globals::arguments());
    // As it was typed: a `--` among it is the script's, and was taken by the first reading.
    let rest = raw
        .iter()
        .skip_while(|word| *word != "run")
        .skip_while(|word| **word != file)
        .skip(1)
        .cloned();
    let matches = match command.try_get_matches_from(std::iter::once(file.clone()).chain(rest)) {
        Ok(matches) => matches,
        Err(error) => {
            return match printed(&error, &[])? {
                Parsed::Printed(printed) => Ok(Err(printed)),
                Parsed::Invocation(_) => Err(Error::internal("help is no invocation")),
            };
        }
    };
    globals.merge(globals::typed(&matches, environment));
    globals.take_changes(&matches);
    globals.refuse_both()?;
    let arguments = parameters(&header, &matches, environment)?;
    Ok(Ok(Action::Script {
        script,
        header: Box::new(header),
        arguments,
    }))
}

/// The words of the command that was called, and its matches.
fn leaf(matches: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut words, mut matches) = (Vec::new(), matches);
    while let Some((word, inner)) = matches.subcommand() {
        words.push(word.to_owned());
        matches = inner;
    }
    (words, matches)
}

/// Help is printed, also where a command is missing; anything else that clap says is an error of usage, in our own form.
fn printed(error: &clap::Error, warnings: &[String]) -> Result<Parsed> {
    use clap::error::ErrorKind;
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(Parsed::Printed(Printed {
            text,
            warnings: warnings.to_vec(),
            was_asked_for: error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        })),
        // A command may be missing because its script was passed over.
        ErrorKind::InvalidSubcommand => {
            Err(warnings.iter().fold(usage_error(&text), |error, warning| {
                error.hint(warning.clone())
            }))
        }
        _ => Err(usage_error(&text)),
    }
}

/// clap's text as message, "did you mean" and usage.
fn usage_error(text: &str) -> Error {
    let mut message = Vec::new();
    let mut hints = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            hints.push(format!("usage: {usage}"));
        } else if !line.starts_with("For more information") {
            message.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    hints
        .into_iter()
        .fold(Error::usage(message.join(" ")), Error::hint)
}

/// A parser for the values that a list allows.
fn one_of(choices: &[String]) -> PossibleValuesParser {
    PossibleValuesParser::new(choices.to_vec())
}
