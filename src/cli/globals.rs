//! The flags that every command takes: their place on the command line, and what was typed for them.

use clap::{Arg, ArgAction, ArgMatches};

use super::arguments::LiveNames;
use super::invocation::Globals;
use crate::config::{Environment, Flags, KEYS};

/// Their place on the command line.
pub(super) fn arguments() -> Vec<Arg> {
    let heading = "Global options";
    let mut arguments = vec![
        Arg::new("context")
            .long("context")
            .value_name("NAME")
            .help("Context of the configuration file; `sandbox` is an embedded lake")
            .add(LiveNames("contexts".to_owned())),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print the raw value as JSON"),
        Arg::new("verbose")
            .short('v')
            .long("verbose")
            .action(ArgAction::Count)
            .help("Trace requests on stderr; -vv with headers and bodies"),
        Arg::new("yes")
            .short('y')
            .long("yes")
            .action(ArgAction::SetTrue)
            .help("Answer every confirmation with yes [env: DASHICTL_YES]"),
        Arg::new("dry-run")
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Only say what would change"),
        Arg::new("color")
            .long("color")
            .value_name("WHEN")
            .value_parser(["auto", "always", "never"])
            .default_value("auto")
            .help("Colour output"),
    ];
    for key in KEYS {
        let Some(flag) = key.flag else { continue };
        let variable = key.variable;
        arguments.push(
            Arg::new(key.path)
                .long(flag)
                .value_name("VALUE")
                .hide_short_help(true)
                .help(format!("{} [env: {variable}]", key.about)),
        );
    }
    arguments
        .into_iter()
        .map(|argument| argument.global(true).help_heading(heading))
        .collect()
}

/// What was typed for them.
pub(super) fn typed(matches: &ArgMatches, environment: &Environment) -> Globals {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let set = |path: &'static str| text(path).map(|value| (path, value));
    let yes = environment
        .get("DASHICTL_YES")
        .is_some_and(|value| value == "1" || value == "true");
    Globals {
        flags: Flags {
            context: text("context"),
            values: KEYS
                .iter()
                .filter(|key| key.flag.is_some())
                .filter_map(|key| set(key.path))
                .collect(),
        },
        verbosity: matches.get_count("verbose"),
        yes: matches.get_flag("yes") || yes,
        dry_run: matches.get_flag("dry-run"),
    }
}

impl Globals {
    /// Flags after the file of `run` count as much as flags before it.
    pub(super) fn merge(&mut self, later: Globals) {
        self.flags.context = later.flags.context.or(self.flags.context.take());
        self.flags.values.extend(later.flags.values);
        self.verbosity = self.verbosity.max(later.verbosity);
        self.yes |= later.yes;
        self.dry_run |= later.dry_run;
    }
}
