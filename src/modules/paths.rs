//! Which local paths a script may touch: what is below the working folder, and what the operator typed as an argument of
//! type `path`, with all below it. A script is given paths by services and files as well; those lead it nowhere else.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::session::Session;

/// The absolute path that a script names, links followed as far as it exists, if the script may touch it.
pub(super) fn local(session: &Session, path: &str) -> Result<PathBuf> {
    let folder = session.folder();
    let here = folder
        .canonicalize()
        .map_err(|error| Error::io("find", folder, &error))?;
    let wanted = resolved(&here.join(path));
    let named = || {
        let named = session.named_paths().all();
        named
            .iter()
            .filter_map(|named| resolved(&here.join(named)))
            .collect::<Vec<_>>()
    };
    match wanted {
        Some(wanted) if wanted.starts_with(&here) => Ok(wanted),
        Some(wanted) if named().iter().any(|named| wanted.starts_with(named)) => Ok(wanted),
        _ => Err(Error::new(Kind::Forbidden, format!("'{path}' is outside the working folder"))
            .hint("a script touches files below the folder that dashictl was started in, and those that were typed as an argument of type path")),
    }
}

/// A path with its links followed as far as it exists. None where what does not exist leads upwards.
fn resolved(path: &Path) -> Option<PathBuf> {
    let existing = path
        .ancestors()
        .find_map(|part| Some((part, part.canonicalize().ok()?)));
    let (part, existing) = existing?;
    let rest = path.strip_prefix(part).ok()?;
    let goes_down = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !rest.components().all(goes_down) {
        return None;
    }
    // Without a rest, joining would add a slash.
    if rest.as_os_str().is_empty() {
        return Some(existing);
    }
    Some(existing.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_what_is_not_there_leads_only_down() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        std::fs::create_dir(here.join("a")).unwrap();
        std::os::unix::fs::symlink("/", here.join("root")).unwrap();
        let of = |path: &str| resolved(&here.join(path));
        assert_eq!(of("a/x/y"), Some(here.join("a/x/y")));
        assert_eq!(of("a"), Some(here.join("a")));
        assert_eq!(of("a/.."), Some(here.clone()));
        assert_eq!(of("root/etc"), Some(PathBuf::from("/etc")));
        assert_eq!(of("none/../../x"), None);
    }
}
