//! The prose of a header: its lines made paragraphs.

/// Prose whose paragraphs are one line each, for who wraps it to the width there is. A line that begins with a space, a
/// dash or a star (a list, an example) stays a line of its own.
pub(super) fn flowing(text: &str) -> String {
    let mut flowing = String::new();
    for line in text.trim().lines() {
        let goes_on = !flowing.is_empty()
            && !flowing.ends_with('\n')
            && !line.is_empty()
            && !line.starts_with([' ', '-', '*']);
        if goes_on {
            flowing.push(' ');
        } else if !flowing.is_empty() {
            flowing.push('\n');
        }
        flowing.push_str(line.trim_end());
    }
    flowing
}

#[cfg(test)]
mod tests {
    use super::flowing;

    #[test]
    fn a_paragraph_is_one_line_and_a_list_is_not() {
        let text = "One\ntwo.\n\nThree\n- a\n- b\n  code\n";
        assert_eq!(flowing(text), "One two.\n\nThree\n- a\n- b\n  code");
    }
}
