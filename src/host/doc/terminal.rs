//! Markdown as a terminal shows it: paragraphs as wide as there is room, code indented, tables in columns. Off a terminal it stays as
//! it is.

use unicode_width::UnicodeWidthStr;

/// Lines longer than this are hard to read.
const WIDEST: usize = 100;

/// A line that is longer than this was broken by who wrote it: what follows belongs to it.
const BROKEN: usize = 60;

/// Lines that stand by themselves, by what they begin with.
const ALONE: [&str; 6] = [
    "effect: ",
    "needs: ",
    "script: ",
    "import ",
    "Usage: ",
    "Examples:",
];

/// Lays a text out.
pub(super) fn laid_out(text: &str, width: usize, coloured: bool) -> String {
    let mut page = Laying {
        width: width.min(WIDEST),
        coloured,
        out: String::new(),
        paragraph: String::new(),
        table: Vec::new(),
    };
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            page.end();
            is_code = !is_code;
        } else if is_code {
            page.line(&format!("    {line}"));
        } else {
            page.take(line);
        }
    }
    page.end();
    page.out
}

struct Laying {
    width: usize,
    coloured: bool,
    out: String,
    /// What was gathered of a paragraph, with its indentation.
    paragraph: String,
    /// The rows of a table.
    table: Vec<Vec<String>>,
}

impl Laying {
    fn take(&mut self, line: &str) {
        if line.starts_with('|') {
            return self.row(line);
        }
        if let Some(title) = line.strip_prefix('#') {
            self.end();
            let title = title.trim_start_matches('#').trim();
            let title = if self.coloured {
                format!("\u{1b}[1m{title}\u{1b}[0m")
            } else {
                title.to_owned()
            };
            return self.line(&title);
        }
        let begins_anew = line.trim().is_empty()
            || line.starts_with([' ', '-'])
            || ALONE.iter().any(|word| line.starts_with(word));
        let indent = |text: &str| text.len() - text.trim_start().len();
        let goes_on = self.paragraph.lines().last().is_some_and(|last| {
            let is_one = indent(&self.paragraph) == indent(line);
            last.width() > BROKEN && is_one && !ALONE.iter().any(|word| last.starts_with(word))
        });
        let is_item = self.paragraph.starts_with("- ") && line.starts_with("  ");
        if (goes_on && !begins_anew) || is_item {
            self.paragraph.push('\n');
            self.paragraph.push_str(line.trim_start());
            return;
        }
        self.end();
        if line.trim().is_empty() {
            self.line("");
        } else {
            line.clone_into(&mut self.paragraph);
        }
    }

    fn row(&mut self, line: &str) {
        if !self.paragraph.is_empty() {
            self.end();
        }
        let cells = line.trim().trim_matches('|').replace("\\|", "\u{0}");
        let cells = cells
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"));
        let cells: Vec<String> = cells.collect();
        let is_rule = |cell: &String| !cell.is_empty() && cell.chars().all(|c| "-: ".contains(c));
        if !cells.iter().all(is_rule) {
            self.table.push(cells);
        }
    }

    /// Writes what was gathered.
    fn end(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if !paragraph.is_empty() {
            let indent = paragraph.len() - paragraph.trim_start().len();
            let hanging = indent + if paragraph.starts_with("- ") { 2 } else { 0 };
            let words = paragraph.split_whitespace().collect::<Vec<_>>();
            let first = " ".repeat(indent);
            // What is short, or aligned by who wrote it, stays as it is.
            if paragraph.width() <= self.width && !paragraph.contains('\n') {
                self.line(&paragraph);
            } else {
                self.wrapped(&words, &first, hanging);
            }
        }
        let table = std::mem::take(&mut self.table);
        let count = table.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = table.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let before: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
        if before + 20 <= self.width {
            for row in &table {
                self.cells(row, before, &widths);
            }
        } else if let Some((header, rows)) = table.split_first() {
            for row in rows {
                self.record(header, row);
            }
        }
    }

    /// A row that does not fit in columns: a line for each of its cells, with what the column is called.
    fn record(&mut self, header: &[String], row: &[String]) {
        for (at, (name, cell)) in header.iter().zip(row).enumerate() {
            let words: Vec<&str> = cell.split_whitespace().collect();
            if at == 0 {
                self.wrapped(&words, "", 2);
            } else if !words.is_empty() {
                self.wrapped(&words, &format!("  {name}: "), 4);
            }
        }
        self.line("");
    }

    /// A row of a table in columns; where it is too wide, the last goes over lines below its beginning.
    fn cells(&mut self, row: &[String], before: usize, widths: &[usize]) {
        let Some(last) = row.last() else { return };
        let cells = row[..row.len() - 1].iter().zip(widths);
        let first: String = cells
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width + 2 - cell.width())))
            .collect();
        let words: Vec<&str> = last.split_whitespace().collect();
        self.wrapped(&words, &first, before);
    }

    /// Words in lines, the first behind a beginning, the others indented.
    fn wrapped(&mut self, words: &[&str], first: &str, hanging: usize) {
        let (mut line, mut is_begun) = (first.to_owned(), false);
        for word in words {
            if is_begun && line.width() + 1 + word.width() > self.width {
                self.line(&line);
                (line, is_begun) = (" ".repeat(hanging), false);
            }
            if is_begun {
                line.push(' ');
            }
            line.push_str(word);
            is_begun = true;
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_code_lists_and_tables_fit_the_width() {
        let text = "# Title\n\nA paragraph that somebody has broken at a place which is far enough to the right\nto be one.\n\n\
                    ```rhai\nlet x = 1;\n```\n\n- an item that goes on and on until it is much longer than the line\n  and goes on\n\n\
                    | word | meaning |\n|---|---|\n| a | what it means, told at some length here |\n";
        expect_test::expect![[r"
            Title

            A paragraph that somebody has broken at
            a place which is far enough to the right
            to be one.

                let x = 1;

            - an item that goes on and on until it
              is much longer than the line and goes
              on

            word  meaning
            a     what it means, told at some length
                  here
        "]]
        .assert_eq(&laid_out(text, 40, false));
    }

    #[test]
    fn a_row_that_does_not_fit_has_a_line_for_each_cell() {
        let text = "| kind | code | what it means |\n|---|---|---|\n| `effect_refused_of_all` | 2 | a change |\n| b | | c |\n";
        expect_test::expect![[r"
            `effect_refused_of_all`
              code: 2
              what it means: a change

            b
              what it means: c

        "]]
        .assert_eq(&laid_out(text, 40, false));
    }

    #[test]
    fn each_signature_of_a_list_has_a_line_of_its_own() {
        let text = "s3::buckets() -> array\n    The buckets that the credentials may see, which is a long sentence.\ns3::list(uri: string) -> Stream\n    What there is.\n";
        assert_eq!(laid_out(text, 100, false), text);
    }

    #[test]
    fn what_is_aligned_and_short_stays() {
        let text = "stac::count(collection: string) -> int\neffect: read\n\nSays how many.\n  name: int\n      about it\n";
        assert_eq!(laid_out(text, 80, false), text);
    }
}
