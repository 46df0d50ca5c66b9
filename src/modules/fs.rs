//! `fs::` — local files, read and written. Which ones a script may touch is `paths`'s to say.

use std::path::Path;

use futures::StreamExt;
use futures::stream;
use rhai::ImmutableString;
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::paths::local;
use crate::clients::Pages;
use crate::effects::{Change, Payload};
use crate::engine::registry::{Namespace, native};
use crate::error::{Error, Kind, Result};
use crate::local_file::LocalFile;
use crate::session::Session;

/// Files of one page.
const PAGE: usize = 500;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(
        session,
        "fs",
        "Local files: below the working folder, and where the operator typed a path.",
    );
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
            let path = local(call.session(), &path)?;
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
                call.change(Change::WriteFile { path: local(call.session(), &path)?, content }, &options)?
            }

        /// Removes a file below the working folder.
        ///
        /// ```rhai
        /// fs::write("gone.txt", "");
        /// fs::remove("gone.txt");
        /// fs::exists("gone.txt")
        /// //=> false
        /// ```
        destroy fn remove(call, path: ImmutableString) -> "()"
            options as options {
                /// Only where this run made it.
                own: Bool = "false",
                /// The result of a change that must be wholly done before.
                after: Any
            }
            {
                call.change(Change::RemoveFile { path: local(call.session(), &path)? }, &options)?
            }

        /// Whether there is a file or folder of that name below the working folder.
        ///
        /// ```rhai
        /// fs::exists("no-such-file")
        /// //=> false
        /// ```
        read fn exists(call, path: ImmutableString) -> "bool" {
            let path = local(call.session(), &path)?;
            call.reads(&format!("file {}", path.display()))?;
            path.try_exists().map_err(|error| Error::io("look for", &path, &error))?
        }

        /// Whether there is a folder of that name.
        ///
        /// ```rhai
        /// fs::write("reports/today.md", "# Today\n");
        /// [fs::is_folder("reports"), fs::is_folder("reports/today.md")]
        /// //=> [true, false]
        /// ```
        read fn is_folder(call, path: ImmutableString) -> "bool" {
            let path = local(call.session(), &path)?;
            call.reads(&format!("file {}", path.display()))?;
            path.is_dir()
        }

        /// The files below a folder, by name, read as they come: `path`, `name` (the path below the folder, with slashes),
        /// `size` (bytes), `modified` (RFC 3339), and `error` where one cannot be read. Links to files are files; links to
        /// folders are not followed, and are errors like pipes and devices.
        ///
        /// ```rhai
        /// fs::write("minutes/2026/may.md", "# May\n");
        /// fs::files("minutes").map(|f| f.name).collect()
        /// //=> ["2026/may.md"]
        /// ```
        read fn files(call, folder: ImmutableString) -> "Stream" {
            let folder = local(call.session(), &folder)?;
            call.reads(&format!("file {}", folder.display()))?;
            call.stream("files", files(&folder))
        }
    }
    namespace
}

/// The files below a folder, page by page.
fn files(folder: &Path) -> Pages {
    let folder = folder.to_owned();
    let walk = WalkDir::new(&folder).sort_by_file_name().into_iter();
    let rows = walk.filter_map(move |entry| row(&folder, entry).transpose());
    stream::iter(rows)
        .chunks(PAGE)
        .map(|rows| rows.into_iter().collect())
        .boxed()
}

fn row(folder: &Path, entry: walkdir::Result<walkdir::DirEntry>) -> Result<Option<Value>> {
    let path = match &entry {
        Ok(entry) => entry.path().to_owned(),
        Err(error) => error.path().unwrap_or(folder).to_owned(),
    };
    let row = entry
        .map_err(|error| Error::io("read", &path, &error.into()))
        .and_then(|entry| readable(folder, &entry));
    match row {
        // The folder itself.
        Err(error) if path == folder => Err(error),
        Err(error) => Ok(Some(json!({
            "path": path.to_string_lossy(),
            "name": path.strip_prefix(folder).unwrap_or(&path).to_string_lossy(),
            "size": null,
            "modified": null,
            "error": error.to_string(),
        }))),
        row => row,
    }
}

fn readable(folder: &Path, entry: &walkdir::DirEntry) -> Result<Option<Value>> {
    let kind = entry.file_type();
    if kind.is_dir() {
        return Ok(None);
    }
    if kind.is_symlink() && entry.path().is_dir() {
        let message = format!(
            "{} is a link to a folder, which is not followed",
            entry.path().display()
        );
        return Err(Error::new(Kind::Invalid, message));
    }
    let file = LocalFile::look(entry.path())?;
    let name = entry.path().strip_prefix(folder).unwrap_or(entry.path());
    let text = |path: &Path| {
        let wrong = || Error::usage(format!("the name of {} is no text", path.display()));
        path.to_str().map(str::to_owned).ok_or_else(wrong)
    };
    Ok(Some(json!({
        "path": text(entry.path())?,
        "name": text(name)?,
        "size": file.size,
        "modified": file.modified.to_string(),
        "error": null,
    })))
}
