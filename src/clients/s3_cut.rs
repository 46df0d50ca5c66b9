//! Where the keys of a bucket are cut into ranges: at keys that every store sees on the same side of every other cut,
//! whichever order it lists in.

use super::s3_order::Order;

/// Those of the cuts that stand in one order whichever it is, each made a key that no store can have.
pub(super) fn apart(mut cuts: Vec<String>) -> Vec<String> {
    cuts.sort_unstable();
    let mut apart: Vec<String> = Vec::new();
    for cut in cuts {
        if apart
            .last()
            .is_none_or(|last| Order::is_after_everywhere(&cut, last))
        {
            apart.push(marked(&cut));
        }
    }
    apart
}

/// A key right behind this one and what lies below it. A store that keeps folders would leave out the folder whose name a
/// listing starts after; nothing has this name.
fn marked(key: &str) -> String {
    format!("{key}~{:08x}", rand::random::<u32>())
}

/// Whether both orders see a key on the same side of another.
pub(super) fn is_told_apart(key: &str, other: &str) -> bool {
    Order::is_after_everywhere(key, other) || Order::is_after_nowhere(key, other)
}

/// A key between two others in both orders, somewhere in the middle; the end of all keys where there is no second.
pub(super) fn between(last: &str, end: Option<&str>) -> Option<String> {
    let shared = end.map_or(0, |end| {
        let pairs = last.chars().zip(end.chars());
        pairs
            .take_while(|(a, b)| a == b)
            .map(|(a, _)| a.len_utf8())
            .sum()
    });
    let (mut head, mut rest) = (last[..shared].to_owned(), last[shared..].chars());
    let mut high = end.and_then(|end| end[shared..].chars().next());
    loop {
        let low = rest.next();
        let from = low.map_or(0x20, u32::from);
        let to = high.take().map_or(0x7f, u32::from);
        if to > from + 1 {
            let middle = char::from_u32(from + (to - from) / 2).filter(|middle| *middle != '/');
            let key = marked(&format!("{head}{}", middle?));
            let fits = Order::is_after_everywhere(&key, last)
                && end.is_none_or(|end| Order::is_after_everywhere(end, &key));
            return fits.then_some(key);
        }
        head.push(low?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_between_two_others_is_between_them_in_both_orders() {
        for (last, end) in [
            ("a", Some("c")),
            ("a/b", Some("a/z")),
            ("a", None),
            ("", None),
            ("a/b/000123", Some("a/b/000999")),
            ("domain/x", Some("domain/y")),
            ("a/zzz", None),
        ] {
            let key = between(last, end).unwrap();
            assert!(Order::is_after_everywhere(&key, last), "{last} {key}");
            assert!(
                end.is_none_or(|end| Order::is_after_everywhere(end, &key)),
                "{key} {end:?}"
            );
        }
    }

    #[test]
    fn cuts_that_an_order_may_turn_around_are_left_out() {
        let cuts = ["b", "a/b", "a-b", "a"].map(str::to_owned).to_vec();
        let kept: Vec<String> = apart(cuts)
            .into_iter()
            .map(|cut| cut.split('~').next().unwrap_or_default().to_owned())
            .collect();
        assert!(kept.first().is_some_and(|first| first == "a"), "{kept:?}");
        assert!(kept.last().is_some_and(|last| last == "b"), "{kept:?}");
        assert!(
            !(kept.contains(&"a-b".to_owned()) && kept.contains(&"a/b".to_owned())),
            "{kept:?}"
        );
    }
}
