//! The order in which a store lists its keys. There are two: by their bytes, as S3 says it, and folder by folder, as stores
//! do that keep a tree of folders (SeaweedFS): there `a/b` comes before `a-b`, although `-` is less than `/`.
//!
//! Nothing is decided by order, but a listing that is read in several places at once needs to know where one ends.

use std::cmp::Ordering;

/// In which orders the keys of a listing stand, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    by_bytes: bool,
    by_folders: bool,
    last: Option<String>,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            by_bytes: true,
            by_folders: true,
            last: None,
        }
    }
}

impl Order {
    /// Takes the next key in.
    pub(super) fn see(&mut self, key: &str) {
        if let Some(last) = &mut self.last {
            self.by_bytes &= last.as_str() < key;
            self.by_folders &= by_folders(last, key) == Ordering::Less;
            key.clone_into(last);
        } else {
            self.last = Some(key.to_owned());
        }
    }

    /// Whether all keys stood in one of the two orders.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.by_bytes || self.by_folders
    }

    /// Whether two parts of one bucket may be of one store: there is an order that both are in.
    #[must_use]
    pub fn and(&self, other: &Order) -> Order {
        Order {
            by_bytes: self.by_bytes && other.by_bytes,
            by_folders: self.by_folders && other.by_folders,
            last: None,
        }
    }

    /// Whether a page that begins with this key gives again what was given, in a listing that was in order until then.
    pub(super) fn goes_back(&self, key: &str) -> bool {
        let last = self.last.as_deref();
        self.is_known() && last.is_some_and(|last| Order::is_after_nowhere(key, last))
    }

    /// Whether a key comes after another in neither order.
    #[must_use]
    pub fn is_after_nowhere(key: &str, other: &str) -> bool {
        key <= other && by_folders(key, other) != Ordering::Greater
    }

    /// Whether a key comes after another in both orders.
    #[must_use]
    pub fn is_after_everywhere(key: &str, other: &str) -> bool {
        key > other && by_folders(key, other) == Ordering::Greater
    }
}

/// Compares as a walk through folders meets two keys: a slash is less than any other character.
fn by_folders(one: &str, other: &str) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    one.bytes().map(rank).cmp(other.bytes().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&str]) -> Order {
        let mut order = Order::default();
        for key in keys {
            order.see(key);
        }
        order
    }

    #[test]
    fn a_listing_by_bytes_and_one_by_folders_are_both_in_order() {
        let by_bytes = order(&["a b", "a-b", "a/b", "a/c", "a0"]);
        let by_folders = order(&["a/b", "a/c", "a b", "a-b", "a0"]);
        assert!(by_bytes.is_known() && by_folders.is_known());
        assert!(
            !by_bytes.and(&by_folders).is_known(),
            "no store lists in both"
        );
        assert!(by_bytes.and(&order(&["b", "c"])).is_known());
        for keys in [&["b", "a"][..], &["a", "a"], &["a/b", "a-b", "a/c"]] {
            assert!(!order(keys).is_known(), "{keys:?}");
        }
    }

    #[test]
    fn what_the_two_orders_see_differently_is_neither_before_nor_after() {
        for (key, other) in [("a/b", "a-b"), ("a-b", "a/b")] {
            assert!(
                !Order::is_after_everywhere(key, other) && !Order::is_after_nowhere(key, other)
            );
        }
        assert!(Order::is_after_everywhere("b", "a/b") && Order::is_after_nowhere("a/b", "b"));
        assert!(Order::is_after_nowhere("a", "a"));
    }

    #[test]
    fn a_page_from_behind_goes_back_only_in_a_listing_that_was_in_order() {
        assert!(order(&["a", "c"]).goes_back("b") && order(&["a", "c"]).goes_back("c"));
        assert!(!order(&["a", "c"]).goes_back("d"));
        assert!(
            !order(&["a-b"]).goes_back("a/b"),
            "by folders it was before"
        );
        assert!(!order(&["c", "a"]).goes_back("b"));
        assert!(!Order::default().goes_back("a"));
    }
}
