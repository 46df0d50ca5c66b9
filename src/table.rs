//! Tables for people: which columns a list of records has, how wide they may be, and how one record is laid out.
//! An id is never cut: other text wraps, and where even that does not fit the line runs over. Where a row would not
//! fit, or with chosen columns take more than two lines, each record stands by itself, a line for each field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tabled::builder::Builder;
use tabled::settings::object::{Cell, Columns, Rows};
use tabled::settings::{Color, Modify, Padding, Style, Width};
use unicode_width::UnicodeWidthStr;

/// Units of 1024.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes for people.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    reason = "one digit after the point is shown"
)]
pub fn size(count: i64) -> String {
    let (mut size, mut unit) = (count as f64, 0);
    // What would be shown as 1024.0 is one of the next.
    while (size.abs() >= 1024.0 || (unit > 0 && size.abs() >= 1023.95)) && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{size:.1} {}", UNITS[unit])
    }
}

/// Text is not wrapped to less than this.
const NARROWEST: usize = 16;

/// A list of records as a table, drawn as the records come: the first rows decide on columns and widths, later ones keep
/// to them.
pub struct Table {
    columns: Vec<String>,
    /// How wide each column has been so far.
    widths: Vec<usize>,
    width: Option<usize>,
    coloured: bool,
    begun: bool,
    /// Whether a row is too wide to be one.
    stacked: bool,
    /// Fields that hold lists or maps, and got no column.
    left_out: Vec<String>,
}

impl Table {
    /// A table whose columns are these paths into the records; without any, every plain field of the first is one.
    #[must_use]
    pub fn new(columns: &[String], width: Option<usize>, coloured: bool) -> Table {
        Table {
            columns: columns.to_vec(),
            widths: Vec::new(),
            width,
            coloured,
            begun: false,
            stacked: false,
            left_out: Vec::new(),
        }
    }

    /// The fields that got no column, because they hold lists or maps.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The next rows, with the header before the first.
    pub fn draw(&mut self, rows: &[Value]) -> String {
        let is_chosen = !self.columns.is_empty();
        if !is_chosen && !self.begun {
            (self.columns, self.left_out) = columns_of(rows);
        }
        let header: Vec<String> = self.columns.iter().map(|path| heading(path)).collect();
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                self.columns
                    .iter()
                    .map(|path| self.in_one_row(cell(at(row, path))))
                    .collect()
            })
            .collect();
        let mut natural = natural_widths(Some(&header), &cells, self.columns.len());
        for (width, before) in natural.iter_mut().zip(&self.widths) {
            *width = (*width).max(*before);
        }
        self.widths = natural;
        let is_first = !std::mem::replace(&mut self.begun, true);
        let layout = Layout {
            columns: &self.columns,
            widths: &self.widths,
            width: self.width,
            coloured: self.coloured,
        };
        if is_first {
            // Columns that somebody chose stand side by side as long as a row can be followed.
            let lines = if is_chosen { 2 } else { 1 };
            self.stacked = layout.is_too_wide(&header, &cells, lines);
        }
        if self.stacked {
            return self.stack(rows, is_first);
        }
        layout.draw(is_first.then_some(&header), &cells)
    }

    /// A cell, which off a terminal has one line, as its row has.
    fn in_one_row(&self, cell: String) -> String {
        if self.width.is_none() && cell.contains('\n') {
            return cell.replace('\n', "\\n");
        }
        cell
    }

    /// Each record by itself, with an empty line between two.
    fn stack(&self, rows: &[Value], is_first: bool) -> String {
        let records: Vec<String> = rows
            .iter()
            .map(|row| record(row, &self.columns, self.width, self.coloured))
            .collect();
        let before = if is_first { "" } else { "\n" };
        format!("{before}{}", records.join("\n"))
    }
}

/// A whole list of records as a table.
#[must_use]
pub fn draw(rows: &[Value], columns: &[String], width: Option<usize>, coloured: bool) -> String {
    Table::new(columns, width, coloured).draw(rows)
}

/// One record as lines of field and value. Fields that hold lists or maps are shown as JSON.
#[must_use]
pub fn record(record: &Value, columns: &[String], width: Option<usize>, coloured: bool) -> String {
    let fields: Vec<String> = if columns.is_empty() {
        record
            .as_object()
            .map(|fields| fields.keys().cloned().collect())
            .unwrap_or_default()
    } else {
        columns.to_vec()
    };
    let exact = |path: &String| record.get(path).or_else(|| at(record, path));
    let cells: Vec<Vec<String>> = fields
        .iter()
        .map(|path| vec![visible(path), cell(exact(path))])
        .collect();
    let columns = ["field".to_owned(), "value".to_owned()];
    let widths = natural_widths(None, &cells, columns.len());
    Layout {
        columns: &columns,
        widths: &widths,
        width,
        coloured,
    }
    .draw(None, &cells)
}

/// How rows are laid out.
struct Layout<'a> {
    columns: &'a [String],
    widths: &'a [usize],
    width: Option<usize>,
    coloured: bool,
}

impl Layout<'_> {
    /// Whether a row would take more than so many lines of the terminal, however it is wrapped.
    fn is_too_wide(&self, header: &[String], cells: &[Vec<String>], lines: usize) -> bool {
        let Some(terminal) = self.width else {
            return false;
        };
        let rows: Vec<&[String]> = std::iter::once(header)
            .chain(cells.iter().map(Vec::as_slice))
            .collect();
        let mut widths = self.widths.to_vec();
        for (column, width) in fit(self.widths, self.columns, &rows, terminal) {
            widths[column] = width;
        }
        total(&widths).saturating_sub(2) > lines * terminal
    }

    fn draw(&self, header: Option<&Vec<String>>, cells: &[Vec<String>]) -> String {
        let rows: Vec<&[String]> = header
            .into_iter()
            .map(Vec::as_slice)
            .chain(cells.iter().map(Vec::as_slice))
            .collect();
        let fits = self
            .width
            .map(|width| fit(self.widths, self.columns, &rows, width))
            .unwrap_or_default();
        let mut widths = self.widths.to_vec();
        for (column, width) in &fits {
            widths[*column] = *width;
        }
        let mut builder = Builder::default();
        for row in &rows {
            builder.push_record(
                row.iter()
                    .zip(&widths)
                    .map(|(text, width)| padded(text, *width)),
            );
        }
        let mut drawn = builder.build();
        drawn.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
        for (column, width) in fits {
            drawn.with(Modify::new(Columns::one(column)).with(Width::wrap(width).keep_words(true)));
        }
        if self.coloured {
            self.colour(&mut drawn, header.is_some(), cells);
        }
        drawn
            .to_string()
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }

    /// Bold headings, and states in the colour of what they mean.
    fn colour(&self, drawn: &mut tabled::Table, has_header: bool, cells: &[Vec<String>]) {
        let is_record = self.columns.first().is_some_and(|column| column == "field");
        if has_header {
            drawn.with(Modify::new(Rows::first()).with(Color::BOLD));
        } else if is_record {
            drawn.with(Modify::new(Columns::first()).with(Color::BOLD));
        }
        let states = self
            .columns
            .iter()
            .position(|column| ["status", "state"].contains(&column.as_str()));
        let Some(column) = states else { return };
        for (row, cells) in cells.iter().enumerate() {
            if let Some(color) = state_colour(&cells[column]) {
                drawn.with(
                    Modify::new(Cell::new(row + usize::from(has_header), column)).with(color),
                );
            }
        }
    }
}

/// What a state means: well, look at it, or wrong.
fn state_colour(state: &str) -> Option<Color> {
    match state.to_lowercase().as_str() {
        "ok" | "completed" | "deleted" => Some(Color::FG_GREEN),
        "warning" | "late" | "skipped" | "cancelled" => Some(Color::FG_YELLOW),
        "failed" | "crashed" => Some(Color::FG_RED),
        _ => None,
    }
}

/// Text as wide as its column, so that rows drawn later stand under it.
fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0));
    format!("{text}{}", " ".repeat(missing))
}

fn natural_widths(header: Option<&[String]>, cells: &[Vec<String>], count: usize) -> Vec<usize> {
    let mut widths = vec![0; count];
    for row in header.into_iter().chain(cells.iter().map(Vec::as_slice)) {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0));
        }
    }
    widths
}

/// Which columns are to wrap, and at which width, so that a row fits the terminal. The widest gives way first, down to its
/// longest word: a word may be an id, and nothing breaks an id.
fn fit(
    natural: &[usize],
    columns: &[String],
    rows: &[&[String]],
    terminal: usize,
) -> Vec<(usize, usize)> {
    let mut widths = natural.to_vec();
    let narrowest: Vec<usize> = (0..columns.len())
        .map(|column| longest_word(rows, column).max(NARROWEST))
        .collect();
    while total(&widths) > terminal {
        let widest = (0..widths.len())
            .filter(|column| {
                !is_identifier(&columns[*column]) && widths[*column] > narrowest[*column]
            })
            .max_by_key(|column| widths[*column]);
        let Some(widest) = widest else { break };
        let over = total(&widths) - terminal;
        widths[widest] = widths[widest]
            .saturating_sub(over.min(widths[widest] / 4 + 1))
            .max(narrowest[widest]);
    }
    (0..widths.len())
        .filter(|column| widths[*column] < natural[*column])
        .map(|column| (column, widths[column]))
        .collect()
}

/// How wide a row of such columns is.
fn total(widths: &[usize]) -> usize {
    widths.iter().map(|width| width + 2).sum()
}

fn longest_word(rows: &[&[String]], column: usize) -> usize {
    let words = rows
        .iter()
        .filter_map(|row| row.get(column))
        .flat_map(|text| text.split_whitespace());
    words.map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Whether a column holds what people copy: ids, keys, links. It is never wrapped or cut.
fn is_identifier(path: &str) -> bool {
    let last = path
        .rsplit(['.', ':'])
        .next()
        .unwrap_or(path)
        .to_lowercase();
    [
        "id", "name", "key", "bucket", "href", "url", "uri", "field", "check",
    ]
    .contains(&last.as_str())
        || last.ends_with("_id")
}

/// The columns of records, ids first, then in alphabetical order; and the fields that get none because they hold lists or
/// maps. Where there is nothing else, those are the columns.
fn columns_of(rows: &[Value]) -> (Vec<String>, Vec<String>) {
    let fields: BTreeSet<&String> = rows
        .iter()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
        .collect();
    let plain = |field: &&String| {
        !rows
            .iter()
            .any(|row| row[field.as_str()].is_object() || row[field.as_str()].is_array())
    };
    let (mut columns, nested): (Vec<String>, Vec<String>) =
        fields.into_iter().cloned().partition(|field| plain(&field));
    if columns.is_empty() {
        return (nested, Vec::new());
    }
    columns.sort_by_key(|column| (column != "id", column != "name"));
    (columns, nested)
}

/// The heading of a column: the last part of its path, without a vendor prefix.
fn heading(path: &str) -> String {
    let last = path.rsplit(['.', ':']).next().unwrap_or(path);
    visible(&last.replace('_', " ").to_uppercase())
}

/// The value at a path of field names with dots between them. A field whose own name has dots is found first.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    let (field, rest) = path.split_once('.')?;
    at(value.get(field)?, rest)
}

/// Text with its control characters made visible: what a service holds must not steer the terminal. Line ends stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let spelt = |letter: char| match letter {
        '\n' => "\n".to_owned(),
        letter if steers(letter) => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    if text.chars().any(steers) {
        text.chars().map(spelt).collect()
    } else {
        text.to_owned()
    }
}

/// Whether a character steers the terminal, or the direction of the text around it.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value as the text of one cell.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => visible(text),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_in_the_unit_that_it_rounds_to() {
        let sizes = [0, 1023, 1024, 1_048_575, 1_073_741_823, -2048];
        assert_eq!(
            sizes.map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 GiB", "-2.0 KiB"]
        );
    }

    #[test]
    fn an_id_is_never_cut_and_text_wraps() {
        let id = "a-very-long-identifier-that-somebody-will-copy";
        let rows = [json!({"id": id, "title": "words that go on and on and on and on"})];
        let drawn = draw(&rows, &[], Some(70), false);
        assert!(drawn.contains(id), "{drawn}");
        assert!(drawn.lines().all(|line| line.width() <= 70), "{drawn}");
        assert_eq!(drawn.lines().count(), 3, "{drawn}");
    }

    #[test]
    fn rows_that_come_later_stand_under_the_first() {
        let mut table = Table::new(&[], None, false);
        assert_eq!(
            table.draw(&[json!({"id": "long-one", "title": "t"})]),
            "ID        TITLE\nlong-one  t\n"
        );
        assert_eq!(
            table.draw(&[json!({"id": "a", "title": "u"})]),
            "a         u\n"
        );
    }

    #[test]
    fn a_state_has_a_colour_where_colours_are_wanted() {
        let rows = [json!({"check": "x", "status": "ok"})];
        assert!(draw(&rows, &[], None, true).contains("\u{1b}[32mok"));
        assert!(!draw(&rows, &[], None, false).contains('\u{1b}'));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let rows = [json!({"id": "a", "title": "\u{1b}[31mred\u{7}"})];
        assert_eq!(
            draw(&rows, &[], None, false),
            "ID  TITLE\na   \\u{1b}[31mred\\u{7}\n"
        );
    }

    #[test]
    fn what_does_not_fit_stands_record_by_record() {
        let row = |value: &str| -> Value {
            let fields = (0..9).map(|n| (format!("field_{n}"), json!(format!("{value} {n}"))));
            Value::Object(fields.collect())
        };
        let rows = [row("a"), row("b")];
        let chosen: Vec<String> = (0..9).map(|n| format!("field_{n}")).collect();
        assert!(draw(&rows, &chosen, Some(60), false).starts_with("FIELD 0  FIELD 1"));
        assert!(draw(&rows, &[], Some(90), false).starts_with("FIELD 0  FIELD 1"));
        let mut table = Table::new(&[], Some(40), false);
        let drawn = table.draw(&rows) + &table.draw(&rows[..1]);
        assert!(drawn.starts_with("field_0  a 0\nfield_1  a 1\n"), "{drawn}");
        assert_eq!(drawn.matches("\n\nfield_0  ").count(), 2, "{drawn}");
        assert_eq!(drawn.lines().count(), 9 * 3 + 2, "{drawn}");
        assert!(draw(&rows, &[], None, false).starts_with("FIELD 0  FIELD 1"));
    }

    #[test]
    fn off_a_terminal_nothing_wraps() {
        let rows = [json!({"id": "a", "title": "x".repeat(300)})];
        assert_eq!(draw(&rows, &[], None, false).lines().count(), 2);
    }

    #[test]
    fn a_column_is_a_path() {
        let rows = [json!({"id": "a", "properties": {"dashi:kind": "raster"}})];
        let columns = ["id".to_owned(), "properties.dashi:kind".to_owned()];
        assert_eq!(draw(&rows, &columns, None, false), "ID  KIND\na   raster\n");
    }

    #[test]
    fn lists_and_maps_make_no_columns_of_their_own() {
        let rows = [json!({"title": "t", "id": "a", "links": []})];
        assert_eq!(draw(&rows, &[], None, false), "ID  TITLE\na   t\n");
    }
}
