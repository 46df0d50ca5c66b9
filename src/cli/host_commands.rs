//! The commands of the host itself: those that deal with scripts and runs, and so cannot be scripts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::arguments::LiveNames;
use super::globals;
use super::{Action, DocWanted, SandboxAction, TEMPLATE, TestWanted};
use crate::effects::Effect;
use crate::error::Result;

/// The shells that completion is written for.
pub const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "nushell"];

/// All of them.
pub(super) fn all() -> Vec<Command> {
    let all = [
        run(),
        eval(),
        repl(),
        new(),
        check(),
        test(),
        doc(),
        complete(),
        trust(),
        sandbox(),
        apply(),
        resume(),
        undo(),
        log(),
        trash(),
        lock(),
    ];
    // What it is comes before how it is used.
    all.map(|command| command.help_template(TEMPLATE)).into()
}

/// `run FILE …`
pub(super) fn run() -> Command {
    Command::new("run")
        .about("Run a script by its path")
        .before_help(
            "Examples:\n  dashictl run ./fix.rhai --domain raw\n  dashictl run ./fix.rhai --help",
        )
        .disable_help_flag(true)
        .arg(
            Arg::new("file")
                .required(true)
                .value_name("FILE")
                .help("The script")
                .value_hint(clap::ValueHint::FilePath)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString)),
        )
        .arg(
            Arg::new("args")
                .num_args(0..)
                .value_name("ARGS")
                .help("What its header takes")
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString)),
        )
}

fn eval() -> Command {
    Command::new("eval")
        .about("Evaluate an expression and print its value")
        .before_help("Examples:\n  dashictl eval 'stac::collections().map(|c| c.id)'\n  dashictl eval --json 's3::du(\"s3://landing/\")'")
        .arg(Arg::new("expression").required(true).value_name("EXPRESSION").help("One or more statements; the last one's value is printed").allow_hyphen_values(true))
        .arg(Arg::new("effect").long("effect").value_name("EFFECT").value_parser(["read", "write", "destroy"]).default_value("read").help("The most it may do"))
        .args(globals::of_effect(Effect::Destroy))
}

fn repl() -> Command {
    Command::new("repl")
        .about("Type at a prompt; without a command, this is what dashictl does on a terminal")
        .before_help("Examples:\n  dashictl --context sandbox repl\n  dashictl repl < entries.rhai    the first that fails ends it")
}

fn new() -> Command {
    Command::new("new")
        .about("Write a runbook to begin with, and tests of it")
        .before_help("Examples:\n  dashictl new sweep                      ~/.config/dashi/scripts/sweep.rhai: the command `dashictl sweep`\n  dashictl new item sweep --effect destroy\n  dashictl new ./sweep.rhai               here")
        .arg(Arg::new("name").required(true).num_args(1..).value_name("NAME").help("The words of the command, or a path"))
        .arg(
            Arg::new("effect")
                .long("effect")
                .value_name("EFFECT")
                .value_parser(["read", "write", "destroy"])
                .default_value("read")
                .help("The most it may do"),
        )
        .arg(Arg::new("about").long("about").value_name("TEXT").help("What it does, in a sentence"))
}

/// Scripts, by files and folders.
fn script_paths() -> Arg {
    Arg::new("paths")
        .required(true)
        .num_args(1..)
        .value_name("PATH")
        .help("Scripts, or folders of them")
        .value_hint(clap::ValueHint::AnyPath)
        .value_parser(value_parser!(PathBuf))
}

fn check() -> Command {
    Command::new("check")
        .about("Check scripts without running them")
        .before_help(
            "Examples:\n  dashictl check ./fix.rhai\n  dashictl check ~/.config/dashi/scripts",
        )
        .arg(script_paths())
}

fn test() -> Command {
    let path = |name: &'static str, long: &'static str, help: &'static str| {
        Arg::new(name)
            .long(long)
            .value_name("FILE")
            .help(help)
            .value_hint(clap::ValueHint::FilePath)
            .value_parser(value_parser!(PathBuf))
    };
    Command::new("test")
        .about("Run the tests of scripts, each on a fresh sandbox")
        .long_about("Run the tests of scripts, each on a fresh sandbox\n\nA test is a function without arguments whose name begins with `test_`. It has a lake, a HOME, a working folder and a clock of its own; scripts beside it are commands there (`sandbox::run`). It passes when it ends without an error: `import \"std/assert\"` has what makes one.")
        .before_help("Examples:\n  dashictl test sweep.rhai\n  dashictl test ~/.config/dashi/scripts --name expired\n  dashictl test examples --junit report.xml")
        .arg(script_paths())
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("TEXT")
                .help("Only tests whose file or name contains this"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=64))
                .help("So many at once [default: one for each processor]"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("DURATION")
                .default_value("2m")
                .value_parser(|text: &str| crate::time::duration(text).map_err(|error| error.to_string()))
                .help("A test that takes longer has failed"),
        )
        .arg(path("junit", "junit", "Write the results as JUnit XML too"))
        .arg(
            Arg::new("alone")
                .long("alone")
                .value_name("TEST")
                .hide(true)
                .requires("outcome")
                .help("Run this one here, on the sandbox that is there"),
        )
        .arg(path("outcome", "outcome", "Where its outcome is written").hide(true))
}

fn doc() -> Command {
    let folder = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("DIR")
            .help(help)
            .value_hint(clap::ValueHint::DirPath)
            .conflicts_with_all(["name", "source"])
            .value_parser(value_parser!(PathBuf))
    };
    Command::new("doc")
        .about("Print what scripts may call")
        .before_help("Examples:\n  dashictl doc                     every namespace\n  dashictl doc stac                its functions\n  dashictl doc stac::items         one function\n  dashictl doc std/assert          a library\n  dashictl doc safety              a chapter of the book\n  dashictl doc --source domain list")
        .arg(Arg::new("name").num_args(0..).value_name("NAME").help("A namespace, function, option, library, command or topic"))
        .arg(Arg::new("source").long("source").action(ArgAction::SetTrue).help("Print the script of a command"))
        .arg(folder("markdown", "Write the reference into this folder, as Markdown"))
        .arg(folder("html", "Write the book and the reference into this folder, as HTML").conflicts_with("markdown"))
}

fn complete() -> Command {
    Command::new("complete")
        .about("Print what a shell needs to complete dashictl's commands")
        .before_help(
            "Examples:\n  source <(dashictl complete bash)\n  dashictl complete fish | source",
        )
        .arg(
            Arg::new("shell")
                .required(true)
                .value_name("SHELL")
                .value_parser(SHELLS)
                .help("The shell"),
        )
}

fn trust() -> Command {
    Command::new("trust")
        .about("Let the scripts in a folder's .dashi/scripts be commands there")
        .before_help("Examples:\n  dashictl trust .            after looking at them\n  dashictl trust --remove .\n  dashictl trust              list the trusted folders")
        .arg(Arg::new("folder").value_name("FOLDER").help("The folder; without one, the trusted ones are listed").value_parser(value_parser!(PathBuf)))
        .arg(Arg::new("remove").long("remove").action(ArgAction::SetTrue).requires("folder").help("Take the trust back"))
}

fn sandbox() -> Command {
    let any_port = Arg::new("any-port")
        .long("any-port")
        .action(ArgAction::SetTrue)
        .help("On free ports instead of the services' usual ones");
    Command::new("sandbox")
        .about("Deal with the embedded lake behind `--context sandbox`")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("serve")
                .about("Serve it until Ctrl-C, for other programs")
                .arg(any_port),
        )
        .subcommand(Command::new("reset").about("Remove its state; the next use fills it anew"))
        .subcommand(Command::new("path").about("Print where its state is"))
}

fn run_id(name: &'static str) -> Arg {
    Arg::new("run")
        .required(true)
        .value_name("RUN")
        .help(name)
        .add(LiveNames("runs".to_owned()))
}

fn apply() -> Command {
    Command::new("apply")
        .about("Do what a plan says, once")
        .before_help("Examples:\n  dashictl item delete gelaende-umwelt/abc123 --plan-out plan.jsonl\n  dashictl apply plan.jsonl")
        .arg(
            Arg::new("file")
                .required(true)
                .value_name("FILE")
                .help("The plan, as --plan-out wrote it: a file, or an object below state.url")
                .value_hint(clap::ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("judged")
                .long("judged")
                .value_name("URI")
                .hide_short_help(true)
                .help("Where it is said that this plan was judged with those of the other shards, as `submit` does: what only its own share looks like stops nothing then, and a run of it that was killed is gone on with"),
        )
        .arg(globals::max_delete())
        .arg(globals::env_override())
}

fn resume() -> Command {
    Command::new("resume")
        .about("Do what is left of a run that was killed or stopped")
        .before_help("Examples:\n  dashictl log list\n  dashictl resume 01JD…")
        .arg(run_id("The run; `log list` shows it"))
        .arg(globals::max_delete())
        .arg(globals::env_override())
}

fn undo() -> Command {
    Command::new("undo")
        .about("Take a run back: records and objects as they were")
        .before_help("Examples:\n  dashictl undo 01JD… --dry-run    what would be brought back\n  dashictl undo 01JD…")
        .arg(run_id("The run; `log list` shows it"))
        .arg(globals::env_override())
}

fn group(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

fn log() -> Command {
    group("log", "Look at runs that changed something")
        .subcommand(
            Command::new("list")
                .about("List them, the newest first")
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .value_name("N")
                        .value_parser(value_parser!(u64))
                        .default_value("20")
                        .help("How many at most"),
                ),
        )
        .subcommand(
            Command::new("show")
                .about("Show one: what was done to which target")
                .arg(run_id("The run")),
        )
}

fn trash() -> Command {
    group("trash", "Look at objects that were put aside, or end them")
        .subcommand(Command::new("list").about("List what was put aside, by run and bucket"))
        .subcommand(
            Command::new("purge")
                .about("Delete for good what was put aside")
                .before_help("Examples:\n  dashictl trash purge --older-than 30d\n  dashictl trash purge --older-than 30d --apply")
                .arg(
                    Arg::new("run")
                        .long("run")
                        .value_name("RUN")
                        .help("Only what this run put aside"),
                )
                .arg(
                    Arg::new("older-than")
                        .long("older-than")
                        .value_name("AGE")
                        .default_value("7d")
                        .help("Only what was put aside so long ago"),
                )
                .args(globals::of_effect(Effect::Destroy)),
        )
}

fn lock() -> Command {
    group(
        "lock",
        "Look at the locks of destructive runs, or break one",
    )
    .subcommand(Command::new("list").about("List who holds which"))
    .subcommand(
        Command::new("break")
            .about("Break a lock whose holder is gone for good")
            .arg(
                Arg::new("name")
                    .required(true)
                    .value_name("NAME")
                    .help("The bucket, or `catalogue`"),
            ),
    )
}

fn test_wanted(matches: &ArgMatches) -> TestWanted {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let paths = matches.get_many::<PathBuf>("paths");
    TestWanted {
        paths: paths.into_iter().flatten().cloned().collect(),
        name: text("name"),
        jobs: matches
            .get_one::<u64>("jobs")
            .and_then(|jobs| usize::try_from(*jobs).ok()),
        timeout: matches
            .get_one::<Duration>("timeout")
            .copied()
            .unwrap_or_default(),
        junit: path("junit"),
        alone: text("alone").zip(path("outcome")),
    }
}

/// The action of one of these commands; none for a script's words.
pub(super) fn action(words: &[String], matches: &ArgMatches) -> Result<Option<Action>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let texts = |name: &str| {
        matches
            .get_many::<String>(name)
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
    };
    Ok(Some(match words.as_slice() {
        ["eval"] => {
            let effect = Effect::from_name(&text("effect")).unwrap_or_default();
            Action::Eval {
                text: text("expression"),
                effect,
            }
        }
        ["repl"] => Action::Repl,
        ["new"] => Action::New {
            name: texts("name"),
            effect: Effect::from_name(&text("effect")).unwrap_or_default(),
            about: matches.get_one::<String>("about").cloned(),
        },
        ["check"] => Action::Check {
            paths: matches
                .get_many::<PathBuf>("paths")
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        },
        ["test"] => Action::Test(test_wanted(matches)),
        ["doc"] => Action::Doc(DocWanted {
            name: texts("name"),
            source: matches.get_flag("source"),
            markdown: matches.get_one::<PathBuf>("markdown").cloned(),
            html: matches.get_one::<PathBuf>("html").cloned(),
        }),
        ["complete"] => Action::Complete {
            shell: text("shell"),
        },
        ["trust"] => Action::Trust {
            folder: matches.get_one::<PathBuf>("folder").cloned(),
            remove: matches.get_flag("remove"),
        },
        ["sandbox", "serve"] => Action::Sandbox(SandboxAction::Serve {
            any_port: matches.get_flag("any-port"),
        }),
        ["sandbox", "reset"] => Action::Sandbox(SandboxAction::Reset),
        ["sandbox", "path"] => Action::Sandbox(SandboxAction::Path),
        ["apply"] => Action::Apply {
            file: matches
                .get_one::<PathBuf>("file")
                .cloned()
                .unwrap_or_default(),
            judged: matches.get_one::<String>("judged").cloned(),
        },
        ["resume"] => Action::Resume { run: text("run") },
        ["undo"] => Action::Undo { run: text("run") },
        ["log", "list"] => Action::LogList {
            limit: matches
                .get_one::<u64>("limit")
                .and_then(|limit| usize::try_from(*limit).ok())
                .unwrap_or(usize::MAX),
        },
        ["log", "show"] => Action::LogShow { run: text("run") },
        ["trash", "list"] => Action::TrashList,
        ["trash", "purge"] => Action::TrashPurge {
            run: matches.get_one::<String>("run").cloned(),
            older_than: text("older-than"),
        },
        ["lock", "list"] => Action::LockList,
        ["lock", "break"] => Action::LockBreak { name: text("name") },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::library::HOST_COMMANDS;

    #[test]
    fn no_script_may_take_the_name_of_one() {
        for command in all() {
            assert!(
                HOST_COMMANDS.contains(&command.get_name()),
                "{}",
                command.get_name()
            );
        }
    }
}
