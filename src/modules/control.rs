//! Functions without a namespace: what a script does with itself — wait, work in parallel, fail, ask, end, and say how
//! a person sees its result.

use std::io::IsTerminal;
use std::time::Duration;

use rhai::{Array, Dynamic, FnPtr, ImmutableString};

use crate::engine::options::Options;
use crate::engine::parallel;
use crate::engine::registry::{Namespace, native};
use crate::engine::value::one_line;
use crate::engine::view::View;
use crate::error::{Error, Kind, Result};
use crate::prompt;
use crate::session::Session;
use crate::time;

/// More threads than this only wait for each other.
const MOST_THREADS: i64 = 256;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut ns = Namespace::new(
        session,
        "",
        "Without a namespace: control, results, streams, text.",
    );
    running(&mut ns);
    ending(&mut ns);
    ns
}

fn running(ns: &mut Namespace) {
    native! { ns,
        /// What a closure gives for each item, in the order of the items, worked on by up to `threads` at a time. The
        /// first error ends it. Captured variables are copies: return values, don't change what is outside.
        ///
        /// ```rhai
        /// parallel([3, 1, 2], 2, |n| n * 10)
        /// //=> [30, 10, 20]
        /// ```
        read fn parallel(call, items: Array, threads: i64, work: FnPtr) -> "array" {
            let count = usize::try_from(threads).ok().filter(|_| (1..=MOST_THREADS).contains(&threads));
            let threads = count
                .ok_or_else(|| Error::usage(format!("parallel takes 1 to {MOST_THREADS} threads, not {threads}")))?;
            parallel::run(call.context(), items, threads, work)?
        }

        /// Waits. Ctrl-C ends it at once.
        ///
        /// ```rhai
        /// sleep("10ms")
        /// ```
        read fn sleep(call, duration: ImmutableString) -> "()" {
            call.session().pause(time::duration(&duration)?)?;
        }

        /// Waits that many seconds. Ctrl-C ends it at once.
        ///
        /// ```rhai
        /// sleep(0)
        /// ```
        read fn sleep(call, seconds: i64) -> "()" {
            call.session().pause(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))?;
        }

        /// Waits that many seconds, parts of one included. Ctrl-C ends it at once.
        ///
        /// ```rhai
        /// sleep(0.01)
        /// ```
        read fn sleep(call, seconds: f64) -> "()" {
            let duration = Duration::try_from_secs_f64(seconds);
            call.session().pause(duration.map_err(|_| Error::usage(format!("{seconds} seconds cannot be waited for")))?)?;
        }

        /// Keeps a closure for the end of the run: it runs once, whether the script succeeds, fails or is stopped by
        /// Ctrl-C; the last one first.
        ///
        /// ```rhai
        /// defer(|| out::note("cleaned up"));
        /// 1
        /// //=> 1
        /// ```
        read fn defer(call, work: FnPtr) -> "()" {
            call.session().defer(call.callback(work));
        }

        /// The line that the operator types as an answer. Throws without a terminal: scheduled runs must not hang.
        ///
        /// ```rhai
        /// try { ask("Which domain?") } catch (e) { return e.kind; }
        /// //=> "usage"
        /// ```
        read fn ask(call, question: ImmutableString) -> "string" {
            if !std::io::stdin().is_terminal() {
                return Err(Error::usage(format!("'{question}' cannot be asked: there is no terminal"))
                    .hint("give the answer as an option of the script").into());
            }
            prompt::ask(call.session(), &question)?
        }
    }
}

fn ending(ns: &mut Namespace) {
    native! { ns,
        /// Ends the run with an exit code: 0 done, 1 failed, 3 "the answer is no".
        ///
        /// ```rhai
        /// if false { exit(3) }
        /// ```
        read fn exit(call, code: i64) -> "()" {
            if !(0..=255).contains(&code) {
                return Err(Error::usage(format!("an exit code is a number from 0 to 255, not {code}")).into());
            }
            call.session().interrupt().exit(code);
        }

        /// Ends the run as done.
        ///
        /// ```rhai
        /// if false { exit() }
        /// ```
        read fn exit(call) -> "()" {
            call.session().interrupt().exit(0);
        }

        /// Ends the run as failed, with a sentence.
        ///
        /// ```rhai
        /// if false { exit("nothing to do here") }
        /// ```
        read fn exit(call, reason: ImmutableString) -> "()" {
            call.session().console().note(&reason);
            call.session().interrupt().exit(1);
        }

        /// Fails with a sentence. The same as `throw`, with a `kind` that `catch` can look at and a `hint` for who
        /// reads it.
        ///
        /// ```rhai
        /// try { fail("no backup today", #{hint: "run the job"}) } catch (e) { return e.hint; }
        /// //=> "run the job"
        /// ```
        read fn fail(call, message: ImmutableString) -> "never"
            options as options {
                /// What to do next.
                hint: Text,
                /// What it means, as in `not_found`; the reference lists the kinds.
                kind: Text = "script"
            }
            { Err::<(), _>(failure(&message, &options)?)? }

        /// Fails unless the condition holds.
        ///
        /// ```rhai
        /// assert(1 + 1 == 2, "arithmetic")
        /// ```
        read fn assert(call, condition: bool, message: ImmutableString) -> "()" {
            if !condition {
                return Err(Error::new(Kind::Script, format!("assertion failed: {message}")).into());
            }
        }

        /// A value together with how a person sees it. `--json` still prints the value alone.
        ///
        /// ```rhai
        /// view([#{id: "a", size: 1}], #{columns: ["id"], empty: "no objects"})
        /// ```
        read fn view(call, value: Dynamic) -> "View"
            options as options {
                /// A closure that makes of each row what a person sees; `--json` prints the rows as they are.
                row: Function,
                /// The columns in order, as paths into each row (`properties.datetime`).
                columns: Array,
                /// What to say, on stderr, where there are no rows.
                empty: Text = "nothing",
                /// A line under the table, on stderr.
                note: Text,
                /// With `--json`, a value a line instead of one array; for what has no end.
                lines: Bool = "false",
                /// The exit code of a run that returns this: 3 says "the answer is no". Or a closure that gives it once
                /// all has been shown.
                exit: Any = "0"
            }
            { View::new(call, value, &options)? }

        /// A value in one line, as a table's cell shows it.
        ///
        /// ```rhai
        /// one_line(#{a: 1})
        /// //=> "{\"a\":1}"
        /// ```
        read fn one_line(call, value: Dynamic) -> "string" {
            one_line(&value)
        }
    }
}

/// A kind that a script may fail with. Of some nothing is said, or they say what somebody did who did not.
fn thrown_kind(name: &str) -> Option<Kind> {
    let is_told = |kind: &Kind| !matches!(kind, Kind::Closed | Kind::Interrupted | Kind::Internal);
    Kind::from_name(name).filter(is_told)
}

fn failure(message: &str, options: &Options) -> Result<Error> {
    let kind = match options.text("kind") {
        None => Kind::Script,
        Some(name) => thrown_kind(&name).ok_or_else(|| {
            let known = Kind::ALL.map(Kind::name);
            let known: Vec<&str> = known
                .into_iter()
                .filter(|name| thrown_kind(name).is_some())
                .collect();
            Error::usage(format!("'{name}' is no kind of error"))
                .suggest(crate::error::nearest(&name, known.iter().copied()))
                .hint(format!("the kinds are {}", known.join(", ")))
        })?,
    };
    let error = Error::new(kind, message);
    Ok(options
        .text("hint")
        .into_iter()
        .fold(error, super::super::error::Error::hint))
}
