//! What a script is: its header, where scripts live, how they are checked before they run. What they may call is in
//! `modules`; how a header becomes a command line is in `cli`.

mod arity;
mod bodies;
pub(crate) mod bundle;
pub mod check;
mod checked;
mod fields;
mod findings;
pub mod header;
mod header_lines;
mod header_text;
mod hidden_look;
mod idle;
mod import_tree;
mod imported;
pub mod library;
pub(crate) mod library_doc;
mod literal;
mod lost;
mod native_call;
mod own_chain;
pub(crate) mod parse;
pub mod program;
mod prose;
pub(crate) mod reach;
mod results;
pub mod run;
mod scopes;
pub mod shape;
mod spans;
mod stream_chain;
pub(crate) mod syntax;
pub(crate) mod test;
pub(crate) mod tokens;
pub mod trust;
pub(crate) mod walk;
