//! The configuration file: parsed, checked against the table of keys, each value with its line.
//!
//! Which of its values hold is decided in `mod`; here every block is read, whichever context is in use, so that a
//! mistake shows before it matters.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Layer;
use super::context::SANDBOX;
use super::fault::Fault;
use super::keys::{self, KEYS, Key};
use super::origin::Origin;
use super::value::{Base, Value};
use crate::error::{Error, Kind, Place, Result, nearest};

/// The name of the file in its folder.
pub(crate) const NAME: &str = "config.toml";

/// The table that holds the contexts' blocks.
const CONTEXTS: &str = "contexts";

/// No configuration is larger than this many bytes.
const LARGEST: u64 = 16 << 20;

type Entry<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

/// A configuration file that holds nothing wrong.
#[derive(Debug)]
pub(crate) struct File {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it sets outside the blocks.
    pub(crate) top: Layer,
    /// What each block sets.
    pub(crate) contexts: BTreeMap<String, Layer>,
    /// What is unsafe about the file itself.
    pub(crate) warning: Option<String>,
}

impl File {
    /// Reads the file; none when there is none.
    pub(crate) fn read(path: &Path, home: Option<&str>) -> Result<Option<File>> {
        let unreadable = |error: std::io::Error| {
            Error::config(format!("cannot read {}", path.display())).cause(error.to_string())
        };
        let bytes = match crate::file::read(path, LARGEST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(unreadable)?,
        };
        let text =
            String::from_utf8(bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
        let mut file = File::parse(path, &text, home)?;
        file.warning = file.exposure(mode(path));
        Ok(Some(file))
    }

    /// Checks the text of a file that stands at `path`.
    pub(crate) fn parse(path: &Path, text: &str, home: Option<&str>) -> Result<File> {
        let base = Base {
            folder: path.parent(),
            home,
        };
        let reader = Reader { path, text, base };
        let document = DeTable::parse(text).map_err(|error| {
            let place = reader.place(error.span().map_or(0, |span| span.start));
            Error::config(format!("{place} is no valid TOML: {}", error.message()))
        })?;
        reader.document(document.get_ref())
    }

    /// All that it sets: outside the blocks, and in each of them.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(&self.top).chain(self.contexts.values())
    }

    /// The warning about a file that others can read although it holds secrets.
    fn exposure(&self, mode: Option<u32>) -> Option<String> {
        let mode = mode.filter(|mode| mode & 0o044 != 0)?;
        let mut held: Vec<&str> = self
            .layers()
            .flatten()
            .filter(|(_, (value, _))| value.secrets().iter().any(|s| s.known().is_some()))
            .map(|(path, _)| *path)
            .collect();
        held.sort_unstable();
        held.dedup();
        let path = self.path.display();
        (!held.is_empty()).then(|| {
            format!(
                "{path} holds {} and can be read by others (mode {:04o}): chmod 600 {path}",
                held.join(", "),
                mode & 0o7777
            )
        })
    }
}

/// The mode of a file. One that root has given to a group, as a kubelet gives a Secret to the pod's, is meant to be read by it.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    let is_given = metadata.uid() == 0 && metadata.gid() != 0;
    Some(metadata.mode() & if is_given { !0o040 } else { u32::MAX })
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

/// A file while it is read.
#[derive(Clone, Copy)]
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    base: Base<'a>,
}

impl Reader<'_> {
    fn document(self, table: &DeTable) -> Result<File> {
        let mut file = File {
            path: self.path.to_owned(),
            top: Layer::new(),
            contexts: BTreeMap::new(),
            warning: None,
        };
        for entry @ (name, value) in in_order(table) {
            if name.get_ref() == CONTEXTS {
                file.contexts = self.contexts(value)?;
            } else {
                self.entry(entry, None, &mut file.top)?;
            }
        }
        Ok(file)
    }

    fn contexts(self, value: &Spanned<DeValue>) -> Result<BTreeMap<String, Layer>> {
        in_order(self.table(CONTEXTS, value)?)
            .into_iter()
            .map(|(name, value)| {
                let path = format!("{CONTEXTS}.{}", name.get_ref());
                if name.get_ref() == SANDBOX {
                    return Err(self.reserved(name.span().start));
                }
                let mut layer = Layer::new();
                for entry in in_order(self.table(&path, value)?) {
                    self.entry(entry, Some(name.get_ref()), &mut layer)?;
                }
                Ok((name.get_ref().clone().into_owned(), layer))
            })
            .collect()
    }

    fn reserved(self, offset: usize) -> Error {
        Error::config(format!(
            "[{CONTEXTS}.{SANDBOX}] at {} cannot be: '{SANDBOX}' is the embedded lake, and no setting applies to it",
            self.place(offset)
        ))
        .hint("give the context another name")
    }

    /// An entry of the file's top or of a context's block: a key, or a table of keys.
    fn entry(self, entry: Entry, context: Option<&str>, layer: &mut Layer) -> Result<()> {
        let (name, value) = entry;
        let Some(section) = keys::sections().find(|section| section == name.get_ref()) else {
            return self.key(None, entry, context, layer);
        };
        for entry in in_order(self.table(section, value)?) {
            self.key(Some(section), entry, context, layer)?;
        }
        Ok(())
    }

    fn key(
        self,
        section: Option<&'static str>,
        (name, value): Entry,
        context: Option<&str>,
        layer: &mut Layer,
    ) -> Result<()> {
        let key = keys::keys_of(section)
            .find(|key| key.name() == name.get_ref())
            .ok_or_else(|| self.unknown(section, name, context))?;
        let value =
            Value::of_toml(key, value, self.base).map_err(|fault| self.fault(key, fault))?;
        let origin = Origin::File {
            path: self.path.to_owned(),
            line: self.place(name.span().start).line,
            context: context.map(str::to_owned),
        };
        layer.insert(key.path, (value, origin));
        Ok(())
    }

    fn fault(self, key: &Key, fault: Fault) -> Error {
        let place = self.place(fault.offset.unwrap_or(0));
        fault.into_error(Kind::Config, &format!("{} at {place}", key.path))
    }

    fn unknown(
        self,
        section: Option<&'static str>,
        name: &Spanned<DeString>,
        context: Option<&str>,
    ) -> Error {
        let table = match (context, section) {
            (Some(context), Some(section)) => format!(" in [{CONTEXTS}.{context}.{section}]"),
            (Some(context), None) => format!(" in [{CONTEXTS}.{context}]"),
            (None, Some(section)) => format!(" in [{section}]"),
            (None, None) => String::new(),
        };
        let place = self.place(name.span().start);
        let error = Error::config(format!(
            "unknown key '{}'{table} at {place}",
            name.get_ref()
        ));
        match suggestion(section, name.get_ref(), context.is_some()) {
            Some(near) => error.suggest(Some(&near)),
            None => error.hint(format!(
                "known here: {}",
                known(section, context.is_some())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
    }

    fn table<'v>(self, name: &str, value: &'v Spanned<DeValue<'v>>) -> Result<&'v DeTable<'v>> {
        value.get_ref().as_table().ok_or_else(|| {
            let place = self.place(value.span().start);
            Error::config(format!("{name} at {place} must be a table, as in [{name}]"))
        })
    }

    /// The line and column of a byte.
    fn place(self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            source: self.path.display().to_string(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The entries of a table as they stand in the file, so that the first mistake is the one reported.
fn in_order<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// The key that was probably meant: one that stands in the wrong table, else the nearest of this one.
fn suggestion(section: Option<&str>, name: &str, in_context: bool) -> Option<String> {
    let misplaced = match section {
        None => KEYS
            .iter()
            .find(|key| key.name() == name || key.path.replace('.', "_") == name),
        Some(section) => Key::at(&format!("{section}_{name}")).or_else(|| Key::at(name)),
    };
    if let Some(key) = misplaced {
        return Some(key.path.to_owned());
    }
    nearest(name, known(section, in_context)).map(str::to_owned)
}

/// The names that may stand in a table, or at the top of the file or of a context's block.
fn known(section: Option<&str>, in_context: bool) -> impl Iterator<Item = &'static str> {
    let at_top = section.is_none();
    keys::keys_of(section)
        .map(Key::name)
        .chain(keys::sections().filter(move |_| at_top))
        .chain((at_top && !in_context).then_some(CONTEXTS))
}
