//! A command line as words, as a shell splits it without expanding anything, and a word as a shell takes it.

/// The words of a command, quoted as in the POSIX shell: blanks separate, `'..'` keeps all, a backslash keeps the next
/// character, inside `".."` only before `"`, `\`, `$` and a backtick. Nothing is expanded. The error says what is left
/// open.
pub(crate) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let kept = rest.next().ok_or("ends in a backslash")?;
                word.get_or_insert_default().push(kept);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(rest: &mut std::str::Chars, word: &mut String) -> Result<(), &'static str> {
    for c in rest {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err("has a ' that is never closed")
}

fn double_quoted(rest: &mut std::str::Chars, word: &mut String) -> Result<(), &'static str> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match rest.next() {
                Some(kept @ ('"' | '\\' | '$' | '`')) => word.push(kept),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("has a \" that is never closed")
}

/// A word as a shell takes it: in quotes where it has anything in it that a shell would read.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_blanks_and_kept_in_quotes() {
        let cases: [(&str, &[&str]); 8] = [
            ("pass show dashi/s3", &["pass", "show", "dashi/s3"]),
            ("  op\tread \n 'op://a b/c' ", &["op", "read", "op://a b/c"]),
            (
                r#"sh -c "echo \"hi\" \n \$""#,
                &["sh", "-c", r#"echo "hi" \n $"#],
            ),
            (r"a\ b \'c", &["a b", "'c"]),
            ("pre'fix'ed\"word\"", &["prefixedword"]),
            ("say ''", &["say", ""]),
            ("echo $HOME *", &["echo", "$HOME", "*"]),
            ("", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn a_quoted_word_is_split_to_itself() {
        for word in [
            "prod",
            "a b",
            "it's",
            "",
            "$HOME",
            "k8s://dashi/stac:80",
            "'",
            "\\",
        ] {
            assert_eq!(split(&quoted(word)).unwrap(), [word]);
        }
        assert_eq!(quoted("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
    }

    #[test]
    fn what_is_left_open_is_named() {
        for line in ["a 'b", "a \"b", "a \"b\\", "a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
