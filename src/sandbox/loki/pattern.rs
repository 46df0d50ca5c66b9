//! Regular expressions for label matchers and line filters, in RE2's syntax and in time linear in the text, as Loki's are.

use regex_lite::Regex;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    anywhere: Regex,
    whole: Regex,
}

impl Pattern {
    /// Compiles a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
        let compiled = |text: &str| Regex::new(text).map_err(|error| error.to_string());
        // Loki lets a dot match line ends in label values and lines alike.
        Ok(Pattern {
            anywhere: compiled(&format!("(?s){text}"))?,
            whole: compiled(&format!("(?s)^(?:{text})$"))?,
        })
    }

    /// Whether the pattern is anywhere in the text: line filters.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.anywhere.is_match(text)
    }

    /// Whether the pattern is the whole text: label matchers.
    pub(crate) fn covers(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_matcher_covers_the_whole_value_and_a_line_filter_any_part() {
        let pattern = Pattern::parse("dashi-(data|web)").expect("a pattern");
        assert!(pattern.covers("dashi-web") && !pattern.covers("dashi-web2"));
        assert!(pattern.finds("a dashi-data line") && !pattern.finds("dashi-ops"));
        assert!(Pattern::parse("(").is_err());
    }
}
