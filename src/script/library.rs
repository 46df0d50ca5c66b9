//! Where scripts live: shipped with the program, in the operator's folder, in a trusted `./.dashi/scripts`. Every file
//! below those folders is a command; its path is the command's words.
//!
//! A debug build reads the shipped ones from the source tree, so that a change needs no compilation; a release build
//! carries them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::header::Header;
use super::trust::{self, LOCAL_FOLDER};
use crate::config::Environment;
use crate::error::{Error, Result};

/// The commands of the host itself, whose names no script or group may have.
pub const HOST_COMMANDS: [&str; 17] = [
    "new", "test", "repl", "run", "eval", "check", "doc", "complete", "trust", "sandbox", "help",
    "apply", "resume", "undo", "log", "trash", "lock",
];

/// Who wrote a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It ships with the program.
    Shipped,
    /// It is in the operator's configuration folder.
    Operator,
    /// It is in the working folder, which the operator trusts.
    Local,
}

/// A script that is a command.
#[derive(Debug, Clone)]
pub struct Script {
    /// The words of the command: `["item", "delete"]`.
    pub words: Vec<String>,
    /// Who wrote it.
    pub owner: Owner,
    /// The name of its file in errors.
    pub source: String,
    /// Its text.
    pub text: Cow<'static, str>,
    /// Whether it stands in for a shipped script.
    pub overrides: bool,
    /// Its absolute path, where it was named by its path and not by the words of a command.
    pub path: Option<PathBuf>,
}

impl Script {
    /// Its header, or what is wrong with it.
    pub fn header(&self) -> Result<Header> {
        Header::parse(&self.source, &self.text)
    }
}

/// All commands that are scripts, by their words.
#[derive(Debug, Default)]
pub struct Library {
    /// The scripts.
    pub scripts: BTreeMap<Vec<String>, Script>,
    /// What a person should know: scripts that were passed over, and why.
    pub warnings: Vec<String>,
    /// Which of the warnings is about a script that would have stood for these words.
    pub hidden: BTreeMap<Vec<String>, String>,
}

impl Library {
    /// Finds all scripts. One that cannot be used is passed over with a warning: the others must work.
    #[must_use]
    pub fn find(environment: &Environment) -> Library {
        let mut library = Library::default();
        for (path, text) in shipped("scripts") {
            library.add(
                Owner::Shipped,
                shipped_source("scripts", &path),
                &path,
                text,
            );
        }
        if let Ok(folder) = environment.config_dir() {
            library.add_folder(Owner::Operator, &folder.join("scripts"));
        }
        let local = Path::new(LOCAL_FOLDER);
        match trust::check(environment, local) {
            trust::Verdict::Absent => {}
            trust::Verdict::Trusted(files) => library.add_trusted(local, files),
            trust::Verdict::Refused(why) => library.warnings.push(why),
        }
        library
    }

    fn add_folder(&mut self, owner: Owner, folder: &Path) {
        for file in files(folder) {
            let Ok(relative) = file.strip_prefix(folder) else {
                continue;
            };
            match fs::read_to_string(&file) {
                Ok(text) => self.add(owner, file.display().to_string(), relative, text.into()),
                Err(error) => self.warnings.push(format!(
                    "cannot read the script {}: {error}",
                    file.display()
                )),
            }
        }
    }

    /// Adds the scripts of a trusted folder, as they were when they were compared with what is trusted.
    fn add_trusted(&mut self, folder: &Path, files: BTreeMap<PathBuf, Vec<u8>>) {
        for (path, bytes) in files.into_iter().filter(|(path, _)| is_script(path)) {
            let source = folder.join(&path).display().to_string();
            match String::from_utf8(bytes) {
                Ok(text) => self.add(Owner::Local, source, &path, text.into()),
                Err(_) => self
                    .warnings
                    .push(format!("{source} is passed over: it is not text")),
            }
        }
    }

    /// Adds one script, unless it may not stand where another does.
    fn add(&mut self, owner: Owner, source: String, path: &Path, text: Cow<'static, str>) {
        let words = words(path);
        if let Some(host) = HOST_COMMANDS
            .iter()
            .find(|host| words.first().is_some_and(|word| word == *host))
        {
            self.warnings.push(format!(
                "{source} is passed over: '{host}' is a command of the host"
            ));
            return;
        }
        let mut script = Script {
            words: words.clone(),
            owner,
            source,
            text,
            overrides: false,
            path: None,
        };
        if let Some(other) = self.scripts.get(&words) {
            script.overrides = other.owner == Owner::Shipped
                && owner == Owner::Operator
                && script.header().is_ok_and(|header| header.overrides);
            if !script.overrides {
                let warning = format!(
                    "{} is passed over: '{}' is {} already{}",
                    script.source,
                    words.join(" "),
                    if other.owner == Owner::Shipped {
                        "a shipped command"
                    } else {
                        "a script of yours"
                    },
                    if owner == Owner::Operator {
                        "; its header may say `override = true`"
                    } else {
                        ""
                    },
                );
                self.warnings.push(warning.clone());
                self.hidden.insert(words, warning);
                return;
            }
        }
        self.scripts.insert(words, script);
    }
}

/// The words of a command: the path without its ending.
fn words(path: &Path) -> Vec<String> {
    path.with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect()
}

/// Whether a path is that of a script: its ending says so, and no part of it is hidden.
fn is_script(path: &Path) -> bool {
    let hidden = path
        .components()
        .any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
    !hidden && has_ending(path)
}

/// Whether a path ends as those of scripts do.
pub(crate) fn has_ending(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rhai")
}

/// The scripts below a folder, in order. What cannot be read is not there; folders are entered once, so that links in a
/// circle come to an end.
fn walk(folder: &Path, below: &Path, seen: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) {
    let Ok(real) = folder.canonicalize() else {
        return;
    };
    if seen.contains(&real) {
        return;
    }
    seen.push(real);
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut names: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| PathBuf::from(entry.file_name()))
        .collect();
    names.sort();
    for name in names {
        let (path, below) = (folder.join(&name), below.join(&name));
        if path.is_dir() && !name.to_string_lossy().starts_with('.') {
            walk(&path, &below, seen, files);
        } else if is_script(&below) && path.is_file() {
            files.push(path);
        }
    }
}

/// The files of a folder of scripts, in order, with their paths below it.
#[must_use]
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(folder, Path::new(""), &mut Vec::new(), &mut files);
    files
}

/// The text of a shipped library by the name after `std/`.
#[must_use]
pub fn standard(name: &str) -> Option<String> {
    let wanted = Path::new(name).with_extension("rhai");
    shipped("stdlib")
        .into_iter()
        .find(|(path, _)| *path == wanted)
        .map(|(_, text)| text.into_owned())
}

/// The names of the shipped libraries.
#[must_use]
pub fn standard_names() -> Vec<String> {
    shipped("stdlib")
        .into_iter()
        .map(|(path, _)| words(&path).join("/"))
        .collect()
}

/// A script by its path, as `dashictl run` takes it.
pub fn read(path: &Path) -> Result<Script> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let words = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .into_iter()
        .collect();
    Ok(Script {
        words,
        owner: Owner::Operator,
        source: path.display().to_string(),
        text: text.into(),
        overrides: false,
        path: Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
    })
}

#[cfg(debug_assertions)]
fn shipped(folder: &str) -> Vec<(PathBuf, Cow<'static, str>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        Some((
            path.strip_prefix(&root).ok()?.to_path_buf(),
            Cow::Owned(text),
        ))
    };
    files(&root).into_iter().filter_map(read).collect()
}

#[cfg(not(debug_assertions))]
fn shipped(folder: &str) -> Vec<(PathBuf, Cow<'static, str>)> {
    embedded(folder)
}

/// The name of a shipped file in errors.
fn shipped_source(folder: &str, path: &Path) -> String {
    format!("{folder}/{}", path.display())
}

/// Whether a place in a source text is in what ships with the program: nobody who calls it has written it.
#[must_use]
pub fn is_shipped(source: &str) -> bool {
    let has = |dir: &include_dir::Dir, path: &str| dir.get_file(path).is_some();
    let library = source.strip_prefix("std/");
    source
        .strip_prefix("scripts/")
        .is_some_and(|path| has(&SCRIPTS, path))
        || library.is_some_and(|name| has(&STDLIB, &format!("{name}.rhai")))
}

static SCRIPTS: include_dir::Dir = include_dir::include_dir!("$CARGO_MANIFEST_DIR/scripts");
static STDLIB: include_dir::Dir = include_dir::include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// The files of `scripts` or `stdlib` that the program carries, in order.
#[must_use]
pub fn embedded(folder: &str) -> Vec<(PathBuf, Cow<'static, str>)> {
    let mut found = Vec::new();
    gather(
        if folder == "scripts" {
            &SCRIPTS
        } else {
            &STDLIB
        },
        &mut found,
    );
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn gather(dir: &include_dir::Dir<'static>, found: &mut Vec<(PathBuf, Cow<'static, str>)>) {
    for file in dir.files() {
        if let (true, Some(text)) = (has_ending(file.path()), file.contents_utf8()) {
            found.push((file.path().to_path_buf(), Cow::Borrowed(text)));
        }
    }
    for inner in dir.dirs() {
        gather(inner, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(scripts: &[(Owner, &str, &str)]) -> Library {
        let mut library = Library::default();
        for (owner, path, text) in scripts {
            library.add(
                *owner,
                format!("here/{path}"),
                Path::new(path),
                (*text).to_owned().into(),
            );
        }
        library
    }

    #[test]
    fn a_path_is_the_words_of_a_command() {
        assert_eq!(words(Path::new("item/delete.rhai")), ["item", "delete"]);
    }

    #[test]
    fn an_operators_script_shadows_a_shipped_one_only_if_it_says_so() {
        let silent = library(&[
            (Owner::Shipped, "gc.rhai", "//! A."),
            (Owner::Operator, "gc.rhai", "//! B."),
        ]);
        assert_eq!(silent.scripts[&vec!["gc".to_owned()]].owner, Owner::Shipped);
        assert!(
            silent.warnings[0].contains("override = true"),
            "{:?}",
            silent.warnings
        );
        let says = "//! B.\n//! ```toml\n//! override = true\n//! ```\n";
        let open = library(&[
            (Owner::Shipped, "gc.rhai", "//! A."),
            (Owner::Operator, "gc.rhai", says),
        ]);
        assert!(open.scripts[&vec!["gc".to_owned()]].overrides);
        let local = library(&[
            (Owner::Shipped, "gc.rhai", "//! A."),
            (Owner::Local, "gc.rhai", says),
        ]);
        assert_eq!(local.scripts[&vec!["gc".to_owned()]].owner, Owner::Shipped);
    }

    #[test]
    fn a_command_can_be_a_group_as_well() {
        let library = library(&[
            (Owner::Shipped, "gc.rhai", ""),
            (Owner::Operator, "gc/deep.rhai", ""),
        ]);
        assert_eq!((library.scripts.len(), library.warnings.len()), (2, 0));
    }
}
