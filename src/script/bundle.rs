//! A script with all that it imports, to be run where this machine's files are not: in a pod. What ships with the program is
//! there already, and no part of it.

use std::path::{Path, PathBuf};

use rhai::{ASTNode, Stmt};

use super::literal::literal;
use super::walk::walk;
use crate::engine::resolver::Resolver;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// The folder of what is in no configuration folder.
const ELSEWHERE: &str = "runbook";

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledFile {
    /// Where it is, below the configuration folder of where it will be run.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A script and what it imports, the script first. What is below the operator's configuration folder keeps its place in it;
/// everything else keeps its place below the folder that holds all of it.
pub fn bundle(session: &Session, source: &str, text: &str) -> Result<Vec<BundledFile>> {
    let mut found = vec![(source.to_owned(), text.to_owned())];
    let resolver = Resolver::new(session.clone());
    let engine = session
        .engine()
        .ok_or_else(|| Error::internal("a bundle is made without an engine"))?;
    let mut next = 0;
    while next < found.len() {
        let (source, text) = found[next].clone();
        for path in imports(&engine, &source, &text)? {
            let read = resolver.read(Some(&source), &path);
            let (id, text) =
                read.map_err(|error| error.cause(format!("{source} imports '{path}'")))?;
            if !id.starts_with("std/") && found.iter().all(|(known, _)| *known != id) {
                found.push((id, text));
            }
        }
        next += 1;
    }
    let folder = session.environment().config_dir()?;
    let placed = |(source, text): (String, String)| (session.folder().join(source), text);
    Ok(arranged(found.into_iter().map(placed).collect(), &folder))
}

/// The paths that a script imports, as they are written.
fn imports(engine: &rhai::Engine, source: &str, text: &str) -> Result<Vec<String>> {
    let text = super::parse::without_shebang(text);
    let ast = engine.compile(text).map_err(|error| {
        Error::new(Kind::Script, format!("{source} cannot be read")).cause(error.to_string())
    })?;
    let (mut paths, mut computed) = (Vec::new(), None);
    walk(&ast, |nodes| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, position))) = nodes.last() {
            match literal(&import.0) {
                Some(path) => paths.push(path),
                None => computed = Some(*position),
            }
        }
    });
    match computed {
        None => Ok(paths),
        Some(position) => Err(Error::usage(format!(
            "{source} imports at line {} what is only known when it runs",
            position.line().unwrap_or_default()
        ))
        .hint("write the path as a text, so that what it needs can be sent along")),
    }
}

/// Their places below a configuration folder.
fn arranged(files: Vec<(PathBuf, String)>, config: &Path) -> Vec<BundledFile> {
    let outside = files
        .iter()
        .map(|(path, _)| path)
        .filter(|path| !path.starts_with(config));
    let root = common_folder(outside);
    let placed = |(path, text): (PathBuf, String)| {
        let path = match (path.strip_prefix(config), path.strip_prefix(&root)) {
            (Ok(inside), _) => inside.to_owned(),
            (_, Ok(below)) => Path::new(ELSEWHERE).join(below),
            _ => Path::new(ELSEWHERE).join(path.file_name().unwrap_or_default()),
        };
        BundledFile { path, text }
    };
    files.into_iter().map(placed).collect()
}

/// The deepest folder that holds all of these.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let folder = |path: &Path| path.parent().map(Path::to_path_buf).unwrap_or_default();
    let Some(first) = paths.next() else {
        return PathBuf::new();
    };
    paths.fold(folder(first), |common, path| {
        let shared = common
            .components()
            .zip(path.components())
            .take_while(|(a, b)| a == b);
        shared.map(|(part, _)| part).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(paths: &[&str]) -> Vec<String> {
        let files = paths
            .iter()
            .map(|path| (PathBuf::from(path), String::new()))
            .collect();
        let arranged = arranged(files, Path::new("/home/ada/.config/dashi"));
        arranged
            .iter()
            .map(|file| file.path.display().to_string())
            .collect()
    }

    #[test]
    fn files_keep_their_places_to_each_other() {
        assert_eq!(places(&["/work/fix.rhai"]), ["runbook/fix.rhai"]);
        assert_eq!(
            places(&[
                "/work/books/fix.rhai",
                "/work/common/lake.rhai",
                "/home/ada/.config/dashi/lib/own.rhai"
            ]),
            [
                "runbook/books/fix.rhai",
                "runbook/common/lake.rhai",
                "lib/own.rhai"
            ]
        );
        assert_eq!(
            places(&["/home/ada/.config/dashi/scripts/sweep.rhai"]),
            ["scripts/sweep.rhai"]
        );
    }
}
