//! The flags that every command takes: their place on the command line, and what was typed for them.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::arguments::LiveNames;
use super::invocation::{Changes, Globals};
use crate::config::{Environment, Flags, KEYS};
use crate::effects::Effect;

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
        let argument = Arg::new(key.path)
            .long(flag)
            .value_name("VALUE")
            .hide_short_help(true)
            .help(format!("{} [env: {variable}]", key.about));
        arguments.push(match key.alias {
            Some(alias) => argument.visible_alias(alias),
            None => argument,
        });
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
        changes: Changes::default(),
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

    /// Fails where it is to be done and not to be done. The flags may stand before and behind the command, of which the parser
    /// sees only one place.
    pub(super) fn refuse_both(&self) -> crate::error::Result<()> {
        if self.dry_run && self.changes.apply {
            return Err(
                crate::error::Error::usage("--dry-run and --apply do not go together")
                    .hint("leave one of them out"),
            );
        }
        Ok(())
    }

    /// Takes over what was typed for a command that changes something.
    pub(super) fn take_changes(&mut self, matches: &ArgMatches) {
        let flag = |name: &str| {
            matches
                .try_get_one::<bool>(name)
                .ok()
                .flatten()
                .copied()
                .unwrap_or(false)
        };
        self.changes = Changes {
            apply: flag("apply"),
            max_delete: matches
                .try_get_one::<u64>("max-delete")
                .ok()
                .flatten()
                .copied(),
            plan_out: matches
                .try_get_one::<PathBuf>("plan-out")
                .ok()
                .flatten()
                .cloned(),
            env_override: flag("env-override"),
        };
    }
}

/// The flags of a command that may do this to the world.
pub(super) fn of_effect(effect: Effect) -> Vec<Arg> {
    let heading = "Changes";
    let plan_out = Arg::new("plan-out")
        .long("plan-out")
        .value_name("FILE")
        .help(
            "Write the plan to a file, for `dashictl apply FILE`; nothing is done without --apply",
        )
        .value_hint(clap::ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf));
    let arguments = match effect {
        Effect::Read => Vec::new(),
        Effect::Write => vec![plan_out],
        Effect::Destroy => vec![apply(), max_delete(), plan_out, env_override()],
    };
    arguments
        .into_iter()
        .map(|argument| argument.help_heading(heading))
        .collect()
}

fn apply() -> Arg {
    Arg::new("apply")
        .long("apply")
        .action(ArgAction::SetTrue)
        .conflicts_with("dry-run")
        .help("Do it, after showing the plan and asking; without, only the plan is shown")
}

/// How much may be destroyed.
pub(super) fn max_delete() -> Arg {
    Arg::new("max-delete")
        .long("max-delete")
        .value_name("N")
        .value_parser(value_parser!(u64))
        .help("Do nothing where the plan destroys more than N things")
}

/// That mixed endpoints are meant.
pub(super) fn env_override() -> Arg {
    Arg::new("env-override")
        .long("env-override")
        .action(ArgAction::SetTrue)
        .help("With --yes: the endpoints that the environment sets beside the context are meant")
}
