//! `backup::` — what it takes to prove that a backup restores: the program that does it, and a run of it on this machine.
//! Where backups are and what they are worth is the library's, `std/backup`.

use std::path::PathBuf;
use std::time::Duration;

use rhai::ImmutableString;

use crate::clients::local_restore::PROGRAM;
use crate::effects::Change;
use crate::engine::registry::{Namespace, native};
use crate::session::Session;

/// A restore on this machine may take so long.
const TIMEOUT: Duration = Duration::from_mins(30);

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "backup", "Backups: whether they restore.");
    let ns = &mut namespace;
    native! { ns,
        /// The program (for bash) that restores a dump into a throw-away PostgreSQL and asks it questions. Its first lines say
        /// how it is called, and how a dump of pgstac is restored by hand.
        ///
        /// ```rhai
        /// backup::program().contains("pg_restore -f - --no-owner --no-acl")
        /// //=> true
        /// ```
        read fn program(call) -> "string" {
            let _ = call;
            PROGRAM
        }

        /// Restores a dump of the store into a throw-away PostgreSQL on this machine, with the programs that are installed
        /// here, and asks it questions. Gives the program's own `lines`, each `@word` and JSON (see `backup::program`); its
        /// other lines go to stderr. Nothing of it is left.
        ///
        /// ```rhai
        /// let lines = backup::rehearse("s3://backups/pgstac/" + s3::list("s3://backups/pgstac/").collect()[0].key.split("/")[1], #{label: "pgstac"}).lines;
        /// lines[lines.len() - 1].starts_with("@failed ")
        /// //=> true
        /// ```
        write fn rehearse(call, uri: ImmutableString) -> "map"
            options as options {
                /// What the dump is of: for `pgstac` the catalogue is looked at, for anything else the tables are counted.
                label: Text = "pgstac",
                /// Where the programs of PostgreSQL are. Default: found.
                postgres_bin: Text,
                /// How long it may take.
                timeout: Duration = "30m",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let dump = call.session().lake()?.locate(&uri)?;
                call.reads(&dump.to_string())?;
                // One that is not there is told now.
                call.wait(call.session().s3()?.head(&dump.bucket, &dump.key))?;
                let label = options.text("label").map_or_else(|| "pgstac".to_owned(), |label| label.to_string());
                let change = Change::RehearseRestore {
                    dump,
                    label,
                    programs: options.text("postgres_bin").map(|path| PathBuf::from(path.as_str())),
                    timeout: options.duration("timeout")?.unwrap_or(TIMEOUT).as_secs(),
                };
                call.change(change, &options)?
            }
    }
    namespace
}
