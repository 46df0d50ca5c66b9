//! A path that could not be placed, and the suffix rule by which it still keeps objects.
//!
//! A host that nobody declared may be the store under one more name; then the object's key stands at the end of the path.

use std::fmt;

use super::place::covers;

/// A path at an unknown host, or a path without any host. It keeps every key that equals a suffix of it of at least
/// two segments, and what lies below such a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Foreign {
    host: Option<String>,
    path: String,
}

impl Foreign {
    /// The path at this host (`[user@]host[:port]`, of which credentials are dropped), or with no host.
    #[must_use]
    pub fn new(host: Option<&str>, path: impl Into<String>) -> Foreign {
        let host = host.map(|host| host.rsplit('@').next().unwrap_or(host).to_lowercase());
        let path = path.into();
        Foreign { host, path }
    }

    /// The host and port, where the text named one: what an operator may have to declare in `s3.aliases`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The path, as this reading has it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Every suffix of at least two segments, shortest first. Segments that are empty (`//`) do not count.
    ///
    /// A key that is one of them, or lies below one, is kept. A set of them answers the same for many paths at once:
    /// probe it with the key and each of its ancestors, with and without the slash.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        let slashes = self.path.rmatch_indices('/').map(|(slash, _)| slash + 1);
        let starts = slashes.chain(std::iter::once(0));
        let begun = starts.scan((self.path.len() + 1, 0), |(end, segments), start| {
            if start + 1 < *end {
                *segments += 1;
            }
            *end = start;
            Some((start, *segments))
        });
        begun
            .filter(|(start, segments)| *segments >= 2 && *start < self.path.len())
            .map(|(start, _)| &self.path[start..])
    }

    /// Whether this path keeps an object with that key, in whatever bucket.
    #[must_use]
    pub fn covers(&self, key: &str) -> bool {
        self.suffixes().any(|suffix| covers(suffix, key))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        match &self.host {
            Some(host) => write!(f, "//{host}{slash}{}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Foreign;

    fn suffixes(path: &str) -> Vec<String> {
        let foreign = Foreign::new(None, path);
        foreign.suffixes().map(str::to_owned).collect()
    }

    #[test]
    fn a_suffix_has_at_least_two_segments() {
        assert_eq!(
            suffixes("/a/b/c.tif"),
            ["b/c.tif", "a/b/c.tif", "/a/b/c.tif"]
        );
        assert_eq!(suffixes("/c.tif"), Vec::<String>::new());
        assert_eq!(suffixes("c.tif"), Vec::<String>::new());
        assert_eq!(suffixes(""), Vec::<String>::new());
        assert_eq!(suffixes("///"), Vec::<String>::new());
    }

    #[test]
    fn a_final_or_doubled_slash_is_no_segment() {
        assert_eq!(suffixes("a/b/"), ["a/b/"]);
        assert_eq!(suffixes("b/"), Vec::<String>::new());
        assert_eq!(suffixes("a//b"), ["a//b"]);
    }

    #[test]
    fn a_key_is_kept_when_it_equals_a_suffix_of_two_segments() {
        let foreign = Foreign::new(Some("other:9000"), "/processed/domain/set/scene.tif");
        assert!(foreign.covers("domain/set/scene.tif"));
        assert!(foreign.covers("set/scene.tif"));
        assert!(!foreign.covers("scene.tif"));
        assert!(!foreign.covers("elsewhere/set/scene.tif"));
        assert!(!foreign.covers("t/scene.tif"));
        assert!(!foreign.covers("domain/set/scene.tif.aux"));
    }

    #[test]
    fn a_directory_keeps_what_lies_below_it_with_or_without_its_slash() {
        for path in [
            "/processed/domain/set/vector/",
            "/processed/domain/set/vector",
        ] {
            let foreign = Foreign::new(Some("other"), path);
            assert!(foreign.covers("domain/set/vector/h3=1/part.parquet"));
            assert!(foreign.covers("set/vector/part.parquet"));
            assert!(!foreign.covers("vector/part.parquet"));
            assert!(!foreign.covers("domain/set/vectors/part.parquet"));
        }
    }
}
