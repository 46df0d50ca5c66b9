//! Where in a script its named functions stand. A closure is part of what it stands in, whose variables it sees.

use rhai::{AST, Position};

/// A line and a column, from 1.
pub(super) type Place = (usize, usize);

/// The text of each named function: where it begins and ends.
pub(super) struct Spans(Vec<(String, Place, Place)>);

impl Spans {
    pub(super) fn of(ast: &AST) -> Spans {
        Spans::where_name(ast, |name| !name.contains('$'))
    }

    /// The text of each closure, by the name that the engine gives it.
    pub(super) fn of_closures(ast: &AST) -> Spans {
        Spans::where_name(ast, |name| name.contains('$'))
    }

    fn where_name(ast: &AST, is_wanted: impl Fn(&str) -> bool) -> Spans {
        let named = ast
            .iter_fn_def()
            .filter(|function| is_wanted(&function.name));
        let spans = named.map(|function| {
            let body = &function.body;
            let (start, end) = (place(body.start_position()), place(body.end_position()));
            // Of a body that is one expression, only the beginning is known.
            (function.name.to_string(), start, end.max(start))
        });
        Spans(spans.collect())
    }

    /// The function that this is in, among all; none at the top of the script.
    pub(super) fn at(&self, position: Position) -> Option<usize> {
        let at = place(position);
        self.0
            .iter()
            .position(|(_, start, end)| *start <= at && at <= *end)
    }

    /// The names of all that this is in.
    pub(super) fn all_at(&self, position: Position) -> impl Iterator<Item = &str> {
        let at = place(position);
        let around = self
            .0
            .iter()
            .filter(move |(_, start, end)| *start <= at && at <= *end);
        around.map(|(name, _, _)| name.as_str())
    }

    /// The name of the function that this is in.
    pub(super) fn name_at(&self, position: Position) -> Option<&str> {
        self.at(position).map(|at| self.0[at].0.as_str())
    }
}

/// The line and the column of a position.
pub(super) fn place(position: Position) -> Place {
    (
        position.line().unwrap_or(0),
        position.position().unwrap_or(0),
    )
}
