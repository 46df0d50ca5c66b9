//! A condition on the rows of a table, as SQL writes it behind WHERE: read from text, each column and value with its type.
//! What rows it means is `rows`' to say, what a file's bounds tell of it `bounds`'.

use iceberg::spec::{Datum, PrimitiveType, Schema};
use sqlparser::ast::{BinaryOperator, Expr, Ident, InTarget, TypedString, UnaryOperator, Value};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::literal::{Written, no_primitive, value};
use crate::error::{Error, Result, nearest};

/// What rows are meant. As in SQL, a comparison with what is null is neither true nor false, and means no row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Each of them.
    All(Vec<Condition>),
    /// One of them at least.
    Any(Vec<Condition>),
    /// The other way round.
    Not(Box<Condition>),
    /// The column stands so to the value.
    Compare(Column, Order, Datum),
    /// The column has no value.
    IsNull(Column),
    /// The column's text begins so.
    Begins(Column, String),
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// Its number in the schema, which it keeps when it is renamed.
    pub(super) id: i32,
    /// Its name.
    pub(super) name: String,
}

/// How one value stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// How deep conditions may be nested.
const DEEPEST: usize = 40;

impl Condition {
    /// The condition that a text writes, on the columns of a schema.
    pub(super) fn of(text: &str, schema: &Schema) -> Result<Condition> {
        let wrong = |why: String| {
            Error::usage(format!("'{text}' is no condition: {why}"))
                .hint("write it as in SQL: dataset_id = 'abc' AND jahr < 2020")
        };
        let parser = Parser::new(&GenericDialect {}).with_recursion_limit(DEEPEST);
        let mut parser = parser
            .try_with_sql(text)
            .map_err(|error| wrong(error.to_string()))?;
        let read = parser.parse_expr();
        let read = read.map_err(|error| wrong(error.to_string()))?;
        let rest = parser.peek_token().token;
        if rest != Token::EOF {
            return Err(wrong(format!("it does not end before '{rest}'")));
        }
        Reading { schema }.condition(&read)
    }

    /// The numbers of the columns that it asks about.
    pub(super) fn columns(&self) -> Vec<i32> {
        let mut ids = match self {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().flat_map(Condition::columns).collect()
            }
            Condition::Not(inner) => inner.columns(),
            Condition::Compare(column, ..)
            | Condition::IsNull(column)
            | Condition::Begins(column, _) => vec![column.id],
        };
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// How a condition is read on the columns of a schema.
struct Reading<'a> {
    schema: &'a Schema,
}

impl Reading<'_> {
    fn condition(&self, read: &Expr) -> Result<Condition> {
        let negated = |is: bool, condition: Condition| {
            if is { not(condition) } else { condition }
        };
        match read {
            Expr::Nested(inner) => self.condition(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok(not(self.condition(expr)?)),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::IsNull(column) => Ok(Condition::IsNull(self.column(column)?.0)),
            Expr::IsNotNull(column) => Ok(not(Condition::IsNull(self.column(column)?.0))),
            Expr::In {
                expr,
                target: InTarget::List(list),
                negated: is_not,
                global: false,
            } => {
                let equal = list.iter().map(|one| self.compare(expr, Order::Equal, one));
                let equal = equal.collect::<Result<Vec<_>>>()?;
                Ok(negated(*is_not, one_of(equal)))
            }
            Expr::Between {
                expr,
                negated: is_not,
                low,
                high,
            } => {
                let above = self.compare(expr, Order::AtLeast, low)?;
                let below = self.compare(expr, Order::AtMost, high)?;
                Ok(negated(*is_not, Condition::All(vec![above, below])))
            }
            Expr::Like {
                negated: is_not,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => Ok(negated(*is_not, self.begins(expr, pattern)?)),
            Expr::Identifier(_) => self.compare(read, Order::Equal, &truth()),
            _ => Err(unknown(read)),
        }
    }

    fn binary(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Condition> {
        let order = match op {
            BinaryOperator::And => return Ok(Condition::All(self.chain(left, op, right)?)),
            BinaryOperator::Or => return Ok(Condition::Any(self.chain(left, op, right)?)),
            BinaryOperator::NotEq => {
                return Ok(not(self.sided(left, Order::Equal, right)?));
            }
            BinaryOperator::Eq => Order::Equal,
            BinaryOperator::Lt => Order::Less,
            BinaryOperator::LtEq => Order::AtMost,
            BinaryOperator::Gt => Order::More,
            BinaryOperator::GtEq => Order::AtLeast,
            other => {
                return Err(
                    Error::usage(format!("'{other}' compares nothing here")).hint(
                        "=, <>, <, <=, >, >=, IN, BETWEEN, LIKE 'a%', IS NULL, AND, OR, NOT do",
                    ),
                );
            }
        };
        self.sided(left, order, right)
    }

    /// What is joined by the same word over and over: a condition may have thousands of such parts.
    fn chain(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Vec<Condition>> {
        let (mut parts, mut rest) = (vec![right], left);
        while let Expr::BinaryOp {
            left,
            op: same,
            right,
        } = rest
            && same == op
        {
            parts.push(right);
            rest = left;
        }
        parts.push(rest);
        parts
            .iter()
            .rev()
            .map(|part| self.condition(part))
            .collect()
    }

    /// A comparison, whichever side the column stands on.
    fn sided(&self, left: &Expr, order: Order, right: &Expr) -> Result<Condition> {
        if matches!(left, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            return self.compare(left, order, right);
        }
        let turned = match order {
            Order::Equal => Order::Equal,
            Order::Less => Order::More,
            Order::AtMost => Order::AtLeast,
            Order::More => Order::Less,
            Order::AtLeast => Order::AtMost,
        };
        self.compare(right, turned, left)
    }

    fn compare(&self, column: &Expr, order: Order, against: &Expr) -> Result<Condition> {
        let (column, kind) = self.column(column)?;
        let against = value(&column.name, &kind, &written(against)?)?;
        Ok(Condition::Compare(column, order, against))
    }

    /// `LIKE 'text%'`. Other patterns are refused: no bound of a file tells of them.
    fn begins(&self, column: &Expr, pattern: &Expr) -> Result<Condition> {
        let (column, kind) = self.column(column)?;
        let pattern = written(pattern)?;
        let begin = match &pattern {
            Written::Text(text) if kind == PrimitiveType::String => text.strip_suffix('%'),
            _ => None,
        };
        match begin {
            Some(begin) if !begin.contains(['%', '_', '\\']) => {
                Ok(Condition::Begins(column, begin.to_owned()))
            }
            _ => Err(Error::usage(format!("LIKE {pattern} cannot be asked"))
                .hint("LIKE 'text%' can, on a column of texts: what begins so")),
        }
    }

    fn column(&self, read: &Expr) -> Result<(Column, PrimitiveType)> {
        let name = match read {
            Expr::Identifier(name) => name,
            Expr::Nested(inner) => return self.column(inner),
            Expr::CompoundIdentifier(_) => {
                return Err(Error::usage(format!("'{read}' is a column within another"))
                    .hint("only the columns of the table itself can be asked about"));
            }
            _ => {
                return Err(Error::usage(format!("'{read}' is no column"))
                    .hint("compare a column with a value: jahr >= 2020"));
            }
        };
        let field = self.named(name)?;
        let kind = field
            .field_type
            .as_primitive_type()
            .ok_or_else(|| no_primitive(&field.name))?;
        let (id, name) = (field.id, field.name.clone());
        Ok((Column { id, name }, kind.clone()))
    }

    /// The column of that name; without quotes also one that is written in other letters, where it is the only one.
    fn named(&self, name: &Ident) -> Result<&iceberg::spec::NestedField> {
        let fields = self.schema.as_struct().fields();
        let exact = fields.iter().find(|field| field.name == name.value);
        let mut alike = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(&name.value));
        let found = match (exact, alike.next(), alike.next()) {
            (Some(exact), ..) => Some(exact),
            (None, Some(alike), None) if name.quote_style.is_none() => Some(alike),
            _ => None,
        };
        found.map(AsRef::as_ref).ok_or_else(|| {
            let known = fields.iter().map(|field| field.name.as_str());
            let all: Vec<&str> = known.clone().collect();
            Error::usage(format!("the table has no column '{}'", name.value))
                .suggest(nearest(&name.value, known))
                .hint(format!("its columns: {}", all.join(", ")))
        })
    }
}

fn one_of(mut parts: Vec<Condition>) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => Condition::Any(parts.into_iter().chain(last).collect()),
    }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn truth() -> Expr {
    Expr::Value(Value::Boolean(true).into())
}

fn written(read: &Expr) -> Result<Written> {
    match read {
        Expr::Nested(inner) => written(inner),
        Expr::Value(value) | Expr::TypedString(TypedString { value, .. }) => match &value.value {
            Value::SingleQuotedString(text) => Ok(Written::Text(text.clone())),
            Value::Number(text, _) => Ok(Written::Number(text.clone())),
            Value::Boolean(is) => Ok(Written::Truth(*is)),
            Value::Null => Err(
                Error::usage("nothing is equal to NULL, nor different from it")
                    .hint("write IS NULL or IS NOT NULL"),
            ),
            _ => Err(no_value(read)),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match written(expr)? {
            Written::Number(text) => Ok(Written::Number(format!("-{text}"))),
            _ => Err(no_value(read)),
        },
        _ => Err(no_value(read)),
    }
}

fn no_value(read: &Expr) -> Error {
    let error = Error::usage(format!("'{read}' is no value that a column could have"));
    if matches!(read, Expr::Identifier(_)) {
        return error.hint("write texts in single quotes: dataset_id = 'abc'");
    }
    error.hint("write a text in single quotes, a number, true or false")
}

fn unknown(read: &Expr) -> Error {
    Error::usage(format!("'{read}' cannot be asked of a row"))
        .hint("=, <>, <, <=, >, >=, IN, BETWEEN, LIKE 'a%', IS NULL, AND, OR, NOT can")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        let fields = json!({"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "dataset_id", "type": "string", "required": false},
            {"id": 2, "name": "jahr", "type": "int", "required": false},
            {"id": 3, "name": "Stand", "type": "timestamp", "required": false},
            {"id": 4, "name": "ok", "type": "boolean", "required": false},
            {"id": 5, "name": "lage", "required": false, "type": {"type": "struct", "fields": [
                {"id": 6, "name": "x", "type": "double", "required": false}]}}]});
        serde_json::from_value(fields).unwrap()
    }

    fn read(text: &str) -> Result<Condition> {
        Condition::of(text, &schema())
    }

    #[test]
    fn the_spellings_of_sql_come_to_the_same() {
        let same = |one: &str, other: &str| assert_eq!(read(one).unwrap(), read(other).unwrap());
        same("jahr <> 3", "NOT jahr = 3");
        same("jahr != 3", "NOT (jahr = 3)");
        same("jahr BETWEEN 1 AND 3", "jahr >= 1 AND jahr <= 3");
        same("jahr IN (1, 2)", "jahr = 1 OR jahr = 2");
        same("jahr NOT IN (1)", "NOT jahr = 1");
        same("3 < jahr", "jahr > 3");
        same("DATASET_ID = 'a'", "\"dataset_id\" = 'a'");
        same("ok", "ok = true");
        same("jahr IS NOT NULL", "NOT jahr IS NULL");
        same(
            "stand > TIMESTAMP '2020-01-01 00:00:00'",
            "stand > '2020-01-01T00:00'",
        );
        let many = (0..3000).map(|n| format!("jahr = {n}")).collect::<Vec<_>>();
        let numbers = (0..3000).map(|n| n.to_string()).collect::<Vec<_>>();
        same(
            &many.join(" OR "),
            &format!("jahr IN ({})", numbers.join(", ")),
        );
        assert_eq!(
            read("dataset_id = 'a' OR jahr = -1 AND ok")
                .unwrap()
                .columns(),
            [1, 2, 4]
        );
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_can() {
        for (text, part) in [
            ("", "is no condition"),
            ("jahr = 3 extra", "does not end before 'extra'"),
            ("jahr =", "is no condition"),
            ("dataset = 'a'", "no column 'dataset'"),
            ("\"JAHR\" = 1", "no column 'JAHR'"),
            ("dataset_id = abc", "'abc' is no value"),
            ("jahr = NULL", "nothing is equal to NULL"),
            ("jahr + 1 = 3", "is no column"),
            ("lower(dataset_id) = 'a'", "is no column"),
            ("lage.x = 1", "a column within another"),
            ("lage = 1", "holds several values"),
            ("dataset_id LIKE '%a'", "cannot be asked"),
            ("dataset_id LIKE 'a_%'", "cannot be asked"),
            ("jahr LIKE '1%'", "cannot be asked"),
            ("1 = 1", "'1' is no column"),
            ("EXISTS (SELECT 1)", "cannot be asked"),
            ("jahr", "no value of the column 'jahr'"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!error.detail().hints.is_empty(), "{text}: {error}");
        }
        assert!(read(&"(".repeat(5000)).is_err());
    }
}
