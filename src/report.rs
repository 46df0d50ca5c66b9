//! Draws an [`Error`] for stderr: heading, place with excerpt and caret, call trace, causes, hints; or as one JSON
//! object a line for who asked for `--json`. Wording is not decided here.

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::error::{Detail, Error, Kind, Place, Trace};
use crate::script::library;
use crate::table::visible;

/// Longer excerpts would flood the screen: a line of a script, not a document.
const EXCERPT: usize = 160;

/// The error as a person reads it.
#[must_use]
pub fn draw(error: &Error, coloured: bool) -> String {
    let paint = Paint { coloured };
    let detail = error.detail();
    let mut drawn = format!(
        "{}: {}\n",
        paint.heading(heading(detail.kind)),
        visible(&detail.message)
    );
    if let Some(trace) = detail
        .trace
        .as_ref()
        .filter(|trace| !is_elsewhere(detail, trace))
    {
        draw_trace(&mut drawn, trace, &paint);
    }
    if let Some(request) = request(detail) {
        drawn.push_str(&format!("  {} {request}\n", paint.faint("asked")));
    }
    for cause in &detail.causes {
        drawn.push_str(&format!(
            "  {} {}\n",
            paint.faint("because"),
            indented(cause)
        ));
    }
    for hint in &detail.hints {
        drawn.push_str(&format!("  {} {}\n", paint.hint("hint"), indented(hint)));
    }
    drawn
}

/// The error as one JSON object.
#[must_use]
pub fn json(error: &Error) -> Value {
    let detail = error.detail();
    let at = detail
        .trace
        .as_ref()
        .and_then(|trace| trace.at.as_ref())
        .map(ToString::to_string);
    json!({"error": {
        "kind": detail.kind.name(),
        "message": detail.message,
        "service": detail.service,
        "method": detail.method,
        "url": detail.url,
        "status": detail.status,
        "at": at,
        "causes": detail.causes,
        "hints": detail.hints,
        "exit_code": detail.kind.exit_code(),
    }})
}

/// Whether the place is in a command that ships with the program, and what is wrong is not the command: whoever called it has not
/// written it.
fn is_elsewhere(detail: &Detail, trace: &Trace) -> bool {
    let is_shipped = |at: &Place| library::is_shipped(&at.source);
    !matches!(detail.kind, Kind::Script | Kind::Internal)
        && trace.at.as_ref().is_some_and(is_shipped)
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Usage | Kind::EffectRefused => "usage error",
        Kind::Config => "configuration error",
        Kind::Interrupted => "stopped",
        Kind::Internal => "internal error (a fault of dashictl: please report it)",
        _ => "error",
    }
}

/// The request that failed, unless the message names it already.
fn request(detail: &Detail) -> Option<String> {
    let url = detail
        .url
        .as_ref()
        .filter(|url| !detail.message.contains(url.as_str()))?;
    let service = detail.service.as_deref().unwrap_or("the service");
    let status = detail
        .status
        .map(|status| format!(" (status {status})"))
        .unwrap_or_default();
    Some(format!(
        "{service}: {} {url}{status}",
        detail.method.as_deref().unwrap_or("GET")
    ))
}

fn draw_trace(drawn: &mut String, trace: &Trace, paint: &Paint) {
    if let Some(at) = &trace.at {
        drawn.push_str(&format!("  {} {at}\n", paint.faint("-->")));
        if let Some(line) = &trace.excerpt {
            draw_excerpt(drawn, at, line, paint);
        }
    }
    for (function, place) in &trace.calls {
        drawn.push_str(&format!(
            "  {} {function}, called at {place}\n",
            paint.faint("in")
        ));
    }
}

/// The line with its number, and a caret line under the word at the column.
fn draw_excerpt(drawn: &mut String, at: &Place, line: &str, paint: &Paint) {
    let line = visible(&line.replace('\t', " "));
    let shown: String = line.chars().take(EXCERPT).collect();
    let number = at.line.to_string();
    drawn.push_str(&format!(
        "  {} {} {shown}\n",
        paint.faint(&number),
        paint.faint("|")
    ));
    if at.column == 0 || at.column > shown.chars().count() + 1 {
        return;
    }
    let before: String = shown.chars().take(at.column - 1).collect();
    let carets = "^".repeat(word_at(&shown, at.column).width().max(1));
    let margin = " ".repeat(number.len());
    let blank = " ".repeat(before.width());
    drawn.push_str(&format!(
        "  {margin} {} {blank}{}\n",
        paint.faint("|"),
        paint.heading(&carets)
    ));
}

/// The word that begins at a column, namespaces included; the engine gives only where something starts.
fn word_at(line: &str, column: usize) -> String {
    line.chars()
        .skip(column - 1)
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-'))
        .collect()
}

/// Further lines of a text stand under its first.
fn indented(text: &str) -> String {
    visible(text.trim_end()).replace('\n', "\n    ")
}

struct Paint {
    coloured: bool,
}

impl Paint {
    fn heading(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default().bold())
    }

    fn hint(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Cyan.on_default().bold())
    }

    fn faint(&self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.coloured {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_script_is_drawn_with_a_caret_and_its_calls() {
        let place = |line, column| Place {
            source: "gc.rhai".to_owned(),
            line,
            column,
        };
        let trace = Trace {
            at: Some(place(14, 5)),
            excerpt: Some("let x = stac::item(\"ä\")".to_owned()),
            calls: vec![("sweep".to_owned(), place(3, 1))],
        };
        let error = Error::new(Kind::NotFound, "no item 'ä'")
            .request("stac", "GET", "http://127.0.0.1:1/x")
            .status(404)
            .cause("NotFoundError")
            .hint("look at `stac::items`")
            .traced(trace);
        assert_eq!(
            draw(&error, false),
            "error: no item 'ä'\n  --> gc.rhai:14:5\n  14 | let x = stac::item(\"ä\")\n     |     ^\n  in sweep, called at \
             gc.rhai:3:1\n  asked stac: GET http://127.0.0.1:1/x (status 404)\n  because NotFoundError\n  hint look at \
             `stac::items`\n"
        );
    }

    #[test]
    fn without_colours_there_is_no_escape() {
        assert!(!draw(&Error::usage("x").hint("y"), false).contains('\u{1b}'));
        assert!(draw(&Error::usage("x").hint("y"), true).contains('\u{1b}'));
    }
}
