//! `fs::` — files below the working folder. A script is given a path by an operator or a service; neither may lead it
//! elsewhere.

use std::path::{Component, Path, PathBuf};

use rhai::ImmutableString;

use crate::effects::{Change, Payload};
use crate::engine::call::Call;
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "fs", "Files below the working folder.");
    let ns = &mut namespace;
    native! { ns,
        /// The text of a file below the working folder.
        ///
        /// ```rhai
        /// fs::write("ids.txt", "a\nb\n");
        /// fs::read("ids.txt")
        /// //=> "a\nb\n"
        /// ```
        read fn read(call, path: ImmutableString) -> "string" {
            let path = below(call, &path)?;
            call.reads(&format!("file {}", path.display()))?;
            std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?
        }

        /// Writes a text to a file below the working folder, whole or not at all. Folders on the way are made.
        ///
        /// ```rhai
        /// fs::write("reports/today.md", "# Today\n");
        /// fs::exists("reports/today.md")
        /// //=> true
        /// ```
        write fn write(call, path: ImmutableString, text: ImmutableString) -> "()"
            options as options {
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                let content = Payload::new(text.as_bytes().to_vec());
                call.change(Change::WriteFile { path: below(call, &path)?, content }, &options)?
            }

        /// Whether there is a file or folder of that name below the working folder.
        ///
        /// ```rhai
        /// fs::exists("no-such-file")
        /// //=> false
        /// ```
        read fn exists(call, path: ImmutableString) -> "bool" {
            let path = below(call, &path)?;
            call.reads(&format!("file {}", path.display()))?;
            path.try_exists().map_err(|error| Error::io("look for", &path, &error))?
        }
    }
    namespace
}

/// The path, if it stays below the working folder, links followed.
fn below(call: &Call, path: &str) -> Result<PathBuf> {
    let outside = || {
        Error::new(Kind::Forbidden, format!("'{path}' is outside the working folder"))
            .hint("fs:: works on relative paths without '..'; start dashictl in the folder that holds the file")
    };
    let relative = Path::new(path);
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(outside());
    }
    let folder = call.session().folder();
    let here = folder
        .canonicalize()
        .map_err(|error| Error::io("find", folder, &error))?;
    // What exists of the path decides: a link on the way may lead out.
    let existing = relative
        .ancestors()
        .find_map(|part| here.join(part).canonicalize().ok());
    if existing.is_some_and(|existing| !existing.starts_with(&here)) {
        return Err(outside());
    }
    Ok(here.join(relative))
}
