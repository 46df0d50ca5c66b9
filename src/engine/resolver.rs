//! Where `import` looks: `std/…` in the shipped library, `./…` and `../…` beside the importing script, anything else
//! in the operator's library folder. Cycles are errors that name their way; every module is evaluated once a run.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use rhai::{AST, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::raise::{Raised, raise_unplaced};
use crate::error::{Error, Kind, Result, nearest};
use crate::script::{library, trust};
use crate::session::Session;

/// The resolver of one run. Clones share what was loaded.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    session: Session,
    loaded: Mutex<BTreeMap<String, Shared<Module>>>,
    /// The modules being evaluated, by thread: `parallel` may load two chains at once.
    loading: Mutex<Vec<(ThreadId, String)>>,
}

impl Resolver {
    pub(crate) fn new(session: Session) -> Resolver {
        Resolver(Arc::new(Inner {
            session,
            loaded: Mutex::default(),
            loading: Mutex::default(),
        }))
    }

    /// The name and text of what `path` means in a script called `source`.
    pub(crate) fn read(&self, source: Option<&str>, path: &str) -> Result<(String, String)> {
        let id = self.locate(source, path)?;
        let text = self.text(&id)?;
        Ok((id, text))
    }

    /// The text of a located module.
    fn text(&self, id: &str) -> Result<String> {
        let session = &self.0.session;
        let text = if let Some(name) = id.strip_prefix("std/") {
            library::standard(name).ok_or_else(|| unknown_standard(id))?
        } else if let Ok(file) = Path::new(id).strip_prefix(trust::LOCAL_FOLDER) {
            trust::imported(session.environment(), Path::new(trust::LOCAL_FOLDER), file)?
        } else {
            let path = session.folder().join(id);
            std::fs::read_to_string(&path)
                .map_err(|error| Error::io("read", Path::new(id), &error))?
        };
        session.sources().remember(id, &text);
        Ok(text)
    }

    fn locate(&self, source: Option<&str>, path: &str) -> Result<String> {
        if path.starts_with("std/") {
            return Ok(path.to_owned());
        }
        let file = if library::has_ending(Path::new(path)) {
            path.to_owned()
        } else {
            format!("{path}.rhai")
        };
        let path_is_relative = path.starts_with("./") || path.starts_with("../");
        let folder = if path_is_relative {
            self.beside(source)
        } else {
            self.0.session.environment().config_dir()?.join("lib")
        };
        let mut path = normal(&folder.join(&file));
        if !path.exists()
            && let Some(real) = self.really_beside(source).filter(|_| path_is_relative)
        {
            path = normal(&real.join(file));
        }
        self.check_bounds(source, &path)?;
        // Below the working folder a name is shown, and remembered, as it would be typed there.
        let shown = path.strip_prefix(self.0.session.folder()).unwrap_or(&path);
        Ok(shown.display().to_string())
    }

    /// A trusted script may import what was trusted with it, and nothing else of that folder's owner.
    fn check_bounds(&self, source: Option<&str>, path: &Path) -> Result<()> {
        let trusted = self.0.session.folder().join(trust::LOCAL_FOLDER);
        let imports =
            source.is_some_and(|source| Path::new(source).starts_with(trust::LOCAL_FOLDER));
        let own = self
            .0
            .session
            .environment()
            .config_dir()
            .is_ok_and(|own| path.starts_with(own));
        if !imports || own || path.starts_with(&trusted) {
            return Ok(());
        }
        let message = format!("{} is outside the folder that was trusted", path.display());
        Err(Error::new(Kind::Forbidden, message).hint(format!(
            "move it below {}, and trust that again",
            trust::LOCAL_FOLDER
        )))
    }

    /// The folder of the importing script; of a text that is in no file, the working folder.
    fn beside(&self, source: Option<&str>) -> PathBuf {
        let here = self.0.session.folder();
        match source.filter(|source| !source.starts_with('<') && !source.starts_with("std/")) {
            Some(source) => here
                .join(source)
                .parent()
                .map(Path::to_path_buf)
                .unwrap_or_default(),
            None => here.to_path_buf(),
        }
    }

    /// The folder in which the importing script really is, where its path leads over a link.
    fn really_beside(&self, source: Option<&str>) -> Option<PathBuf> {
        let path = self.0.session.folder().join(source?);
        Some(path.canonicalize().ok()?.parent()?.to_owned())
    }

    /// Forgets what was loaded: it is read again when it is imported next.
    pub(crate) fn forget(&self) {
        lock(&self.0.loaded).clear();
    }

    /// The parsed text of a module, for the static check.
    pub(crate) fn parse(
        &self,
        engine: &rhai::Engine,
        source: Option<&str>,
        path: &str,
    ) -> Result<AST> {
        let (id, text) = self.read(source, path)?;
        let mut ast = engine
            .compile(&text)
            .map_err(|error| super::raise::caught(&EvalAltResult::from(error), &id))?;
        ast.set_source(id);
        Ok(ast)
    }

    fn load(
        &self,
        engine: &rhai::Engine,
        source: Option<&str>,
        path: &str,
    ) -> Raised<Shared<Module>> {
        let id = self
            .locate(source, path)
            .map_err(|error| raise_unplaced(&error))?;
        if let Some(module) = lock(&self.0.loaded).get(&id) {
            return Ok(Shared::clone(module));
        }
        let text = self.text(&id).map_err(|error| raise_unplaced(&error))?;
        let _mark = self.mark(&id).map_err(|error| raise_unplaced(&error))?;
        let mut ast = engine.compile(&text).map_err(EvalAltResult::from)?;
        ast.set_source(id.as_str());
        // A fresh scope: with the importer's, its variables would leak in.
        let mut module = Module::eval_ast_as_new(Scope::new(), &ast, engine)?;
        module.set_id(id.as_str());
        let module: Shared<Module> = module.into();
        lock(&self.0.loaded).insert(id, Shared::clone(&module));
        Ok(module)
    }

    /// Notes that a module is being evaluated on this thread, or names the cycle it closes.
    fn mark(&self, id: &str) -> Result<Mark<'_>> {
        let mut loading = lock(&self.0.loading);
        let here = thread::current().id();
        let mine: Vec<&str> = loading
            .iter()
            .filter(|(thread, _)| *thread == here)
            .map(|(_, id)| id.as_str())
            .collect();
        if let Some(start) = mine.iter().position(|loading| *loading == id) {
            return Err(cycle(mine[start..].iter().copied().chain([id])));
        }
        loading.push((here, id.to_owned()));
        Ok(Mark(&self.0.loading))
    }
}

/// The error of files of which each imports the next, and the last the first.
pub(crate) fn cycle<'a>(way: impl Iterator<Item = &'a str>) -> Error {
    let way: Vec<&str> = way.collect();
    let message = format!("import cycle: {}", way.join(" → "));
    Error::new(Kind::Script, message).hint("move what both need to a third file")
}

/// Takes a mark back when the module is loaded, or failed to.
struct Mark<'a>(&'a Mutex<Vec<(ThreadId, String)>>);

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        let here = thread::current().id();
        let mut loading = lock(self.0);
        if let Some(last) = loading.iter().rposition(|(thread, _)| *thread == here) {
            loading.remove(last);
        }
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &rhai::Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Raised<Shared<Module>> {
        // `ErrorModuleNotFound` would be reworded to "not found" by the engine: wrap everything. Errors inside the module
        // are placed by the name it is remembered under.
        let id = self
            .locate(source, path)
            .unwrap_or_else(|_| path.to_owned());
        self.load(engine, source, path)
            .map_err(|error| EvalAltResult::ErrorInModule(id, error, position).into())
    }
}

/// The path without `.` and `..`, so that one file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

fn unknown_standard(path: &str) -> Error {
    let known: Vec<String> = library::standard_names()
        .into_iter()
        .map(|name| format!("std/{name}"))
        .collect();
    Error::new(Kind::NotFound, format!("there is no library '{path}'"))
        .suggest(nearest(path, known.iter().map(String::as_str)))
        .hint(format!("the shipped libraries are: {}", known.join(", ")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
