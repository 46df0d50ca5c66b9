//! What native functions there are: one entry each with name, parameters, options table, effect, text and example.
//!
//! Help, completion, the reference, option checks, the static check and the gate all read these entries. `native!`
//! is the only way to make one, so that none can lack a part or go around the gate.

use std::sync::Arc;

use rhai::{Array, Dynamic, FnPtr, FuncRegistration, ImmutableString, Map, Module};

use super::moment::Moment;
use super::object_set::ObjectSet;
use super::options::OptionRow;
use super::secret::SecretValue;
use super::stream::Stream;
use crate::effects::Effect;
use crate::session::Session;

/// One parameter of a native function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type as scripts know it.
    pub kind: &'static str,
}

/// All that is known of one native function.
#[derive(Debug, Clone)]
pub struct Function {
    /// The namespace, empty for functions without one and for methods.
    pub namespace: &'static str,
    /// The name.
    pub name: &'static str,
    /// The name as a script writes it: `stac::items`, or `map` for a method.
    pub path: String,
    /// Whether the first parameter is what stands before the dot.
    pub method: bool,
    /// The parameters, without the options map.
    pub parameters: Vec<Parameter>,
    /// The options table; empty where there is none.
    pub options: &'static [OptionRow],
    /// What it gives back.
    pub returns: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// The text of its docstring, examples included.
    pub text: String,
}

impl Function {
    /// The name as a script writes it, of a function `name` in `namespace`.
    pub(crate) fn path_of(namespace: &str, name: &str) -> String {
        if namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{namespace}::{name}")
        }
    }

    /// The name as a script writes it: `stac::items`, or `map` for a method.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// The first paragraph of its text.
    #[must_use]
    pub fn summary(&self) -> String {
        self.text
            .lines()
            .take_while(|line| !line.trim().is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The call as it is written: `stac::items(collection: string, #{limit, datetime}) -> Stream`.
    #[must_use]
    pub fn signature(&self) -> String {
        let receiver = if self.method {
            self.parameters.first().map(|receiver| receiver.kind)
        } else {
            None
        };
        let skipped = usize::from(receiver.is_some());
        let mut arguments: Vec<String> = self
            .parameters
            .iter()
            .skip(skipped)
            .map(|p| format!("{}: {}", p.name, p.kind))
            .collect();
        if !self.options.is_empty() {
            let names: Vec<_> = self.options.iter().map(|row| row.name).collect();
            arguments.push(format!("#{{{}}}", names.join(", ")));
        }
        let before = receiver.map_or_else(
            || self.path(),
            |receiver| format!("{receiver}.{}", self.name),
        );
        format!("{before}({}) -> {}", arguments.join(", "), self.returns)
    }

    /// The code blocks of its text, which tests run.
    #[must_use]
    pub fn examples(&self) -> Vec<String> {
        let mut examples = Vec::new();
        let mut open: Option<String> = None;
        for line in self.text.lines() {
            match (&mut open, line.trim_start().starts_with("```")) {
                (None, true) => open = Some(String::new()),
                (Some(_), true) => examples.extend(open.take()),
                (Some(example), false) => {
                    example.push_str(line);
                    example.push('\n');
                }
                (None, false) => {}
            }
        }
        examples
    }

    /// Whether results that are not known yet may stand for its arguments: it has some, and not every type is one of
    /// them already. What has no namespace is left to the engine, which has functions of those names itself.
    pub(crate) fn takes_unknowns(&self) -> bool {
        let typed = self
            .parameters
            .iter()
            .any(|parameter| parameter.kind != "any");
        typed && !self.namespace.is_empty() && !self.method
    }

    /// With how many arguments it can be called, as a free function.
    #[must_use]
    pub fn arities(&self) -> Vec<usize> {
        let count = self.parameters.len();
        if self.options.is_empty() {
            vec![count]
        } else {
            vec![count, count + 1]
        }
    }
}

/// A type that a parameter may have, and its name in scripts.
pub(crate) trait Argument {
    /// The name in scripts.
    const KIND: &'static str;
}

macro_rules! argument {
    ($($type:ty => $kind:literal),* $(,)?) => {$(
        impl Argument for $type {
            const KIND: &'static str = $kind;
        }
        impl Argument for &mut $type {
            const KIND: &'static str = $kind;
        }
    )*};
}

argument! {
    bool => "bool", i64 => "int", f64 => "float", ImmutableString => "string", Array => "array", Map => "map",
    FnPtr => "function", Dynamic => "any", Stream => "Stream", SecretValue => "Secret", Moment => "Moment",
    ObjectSet => "ObjectSet",
}

/// The functions of one namespace while they are being registered.
pub(crate) struct Namespace {
    name: &'static str,
    summary: &'static str,
    session: Session,
    module: Module,
    functions: Vec<Arc<Function>>,
}

impl Namespace {
    /// An empty namespace; the name is empty for what needs no qualification.
    pub(crate) fn new(session: &Session, name: &'static str, summary: &'static str) -> Namespace {
        Namespace {
            name,
            summary,
            session: session.clone(),
            module: Module::new(),
            functions: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn module_mut(&mut self) -> &mut Module {
        &mut self.module
    }

    /// Enters one function and gives the entry back for its closures.
    pub(crate) fn enter(&mut self, function: Function) -> Arc<Function> {
        let function = Arc::new(function);
        self.functions.push(Arc::clone(&function));
        function
    }

    /// The registration of one overload. Functions without a namespace, and methods, are visible everywhere.
    pub(crate) fn registration(&self, function: &Function, with_options: bool) -> FuncRegistration {
        let mut info: Vec<String> = function
            .parameters
            .iter()
            .map(|parameter| format!("{}: {}", parameter.name, parameter.kind))
            .collect();
        if with_options {
            info.push("options: Map".to_owned());
        }
        info.push(function.returns.to_owned());
        let comments: Vec<String> = function
            .text
            .lines()
            .map(|line| format!("/// {line}"))
            .collect();
        let registration = FuncRegistration::new(function.name)
            .with_params_info(info)
            .with_comments(comments);
        if self.name.is_empty() {
            registration.in_global_namespace()
        } else {
            registration.in_internal_namespace()
        }
    }

    /// What is registered, to be put into an engine.
    pub(crate) fn finish(self) -> (NamespaceEntry, Module) {
        (
            NamespaceEntry {
                name: self.name,
                summary: self.summary,
                functions: self.functions,
            },
            self.module,
        )
    }
}

/// One namespace of the reference.
#[derive(Debug, Clone)]
pub struct NamespaceEntry {
    /// Its name; empty for functions and methods without one.
    pub name: &'static str,
    /// What it is for, in a line.
    pub summary: &'static str,
    /// Its functions in the order they were written.
    pub functions: Vec<Arc<Function>>,
}

/// All native functions of an engine.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The namespaces in the order of the reference.
    pub namespaces: Vec<NamespaceEntry>,
}

impl Registry {
    /// Every function.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.namespaces
            .iter()
            .flat_map(|namespace| &namespace.functions)
    }

    /// The namespace of that name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&NamespaceEntry> {
        self.namespaces
            .iter()
            .find(|namespace| namespace.name == name)
    }

    /// The functions that a script means by that path (`stac::items`, `map`).
    pub fn find<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a Arc<Function>> {
        self.functions()
            .filter(move |function| function.path == path)
    }
}

/// Registers native functions in a namespace.
///
/// ```text
/// native! { namespace,
///     /// What it does.
///     ///
///     /// ```rhai
///     /// stac::count("raw")
///     /// ```
///     read fn count(call, collection: ImmutableString) -> "int"
///         options as options { /// What the option does.
///             limit: Int = "100" }
///         { body that may use `?` on `Result<_, Error>` and gives something `IntoValue` }
///     write fn put_item(call, item: Map) -> "map" { call.change(Change::PutItem { … }, &options)? }
/// }
/// ```
/// A `write` or `destroy` function says what it changes: clients change nothing without the leave that only the gate has.
macro_rules! native {
    ($ns:ident, $(
        $(#[doc = $doc:literal])*
        $effect:ident $fn:ident $name:ident ( $call:ident $(, $p:ident : $t:ty)* $(,)? ) -> $returns:literal
        $(options as $options:ident { $( $(#[doc = $odoc:literal])* $oname:ident : $okind:ident $(= $odefault:literal)? ),* $(,)? })?
        $body:block
    )*) => {$({
        #[allow(unused_variables, unused_mut, clippy::unnecessary_wraps, clippy::needless_pass_by_ref_mut)]
        fn body(
            $call: &$crate::engine::call::Call<'_>,
            $($p: $t,)*
            options: $crate::engine::options::Options,
        ) -> std::result::Result<rhai::Dynamic, $crate::engine::raise::Failure> {
            $(let $options = options;)?
            Ok($crate::engine::value::IntoValue::into_value($body))
        }
        const OPTIONS: &[$crate::engine::options::OptionRow] = &[$($($crate::engine::options::OptionRow {
            name: stringify!($oname),
            kind: $crate::engine::options::OptionKind::$okind,
            default: $crate::engine::registry::native!(@default $($odefault)?),
            doc: concat!($($odoc, "\n"),*),
        },)*)?];
        let function = $ns.enter($crate::engine::registry::Function {
            namespace: $ns.name(),
            name: stringify!($name),
            path: $crate::engine::registry::Function::path_of($ns.name(), stringify!($name)),
            method: $crate::engine::registry::native!(@method $fn),
            parameters: vec![$($crate::engine::registry::Parameter {
                name: stringify!($p),
                kind: <$t as $crate::engine::registry::Argument>::KIND,
            }),*],
            options: OPTIONS,
            returns: $returns,
            effect: $crate::engine::registry::native!(@effect $effect),
            text: $crate::engine::registry::unindented(&[$($doc),*]),
        });
        {
            let (session, entry) = ($ns.session().clone(), std::sync::Arc::clone(&function));
            let registration = $ns.registration(&function, false);
            registration.set_into_module($ns.module_mut(), move |cx: rhai::NativeCallContext $(, $p: $t)*| {
                $crate::engine::call::Call::enter(&session, &entry, &cx, |call| {
                    body(call, $($p,)* $crate::engine::options::Options::default())
                })
            });
        }
        $crate::engine::registry::native!(@overload $ns, function, body, ($($p: $t),*), $($options)?);
        $crate::engine::registry::native!(@unknown $ns, function, ($($p),*), $($options)?);
    })*};
    (@overload $ns:ident, $function:ident, $body:ident, ($($p:ident : $t:ty),*), $options:ident) => {{
        let (session, entry) = ($ns.session().clone(), std::sync::Arc::clone(&$function));
        let registration = $ns.registration(&$function, true);
        registration.set_into_module($ns.module_mut(), move |cx: rhai::NativeCallContext $(, $p: $t)*, map: rhai::Map| {
            $crate::engine::call::Call::enter(&session, &entry, &cx, |call| {
                $body(call, $($p,)* $crate::engine::options::Options::read(entry.options, map)?)
            })
        });
    }};
    (@overload $ns:ident, $function:ident, $body:ident, ($($p:ident : $t:ty),*), ) => {};
    (@method fn) => { false };
    (@method method) => { true };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@effect read) => { $crate::effects::Effect::Read };
    (@effect write) => { $crate::effects::Effect::Write };
    (@effect destroy) => { $crate::effects::Effect::Destroy };
    (@unknown $ns:ident, $function:ident, ($($p:ident),*), $($options:ident)?) => {
        if $function.takes_unknowns() {
            let (session, entry) = ($ns.session().clone(), std::sync::Arc::clone(&$function));
            let registration = $ns.registration(&$function, false);
            registration.set_into_module($ns.module_mut(), move |cx: rhai::NativeCallContext $(, $p: rhai::Dynamic)*| {
                $crate::engine::call::Call::enter(&session, &entry, &cx, |call| call.with_unknowns(&[$(&$p),*]))
            });
            $crate::engine::registry::native!(@unknown_options $ns, $function, ($($p),*), $($options)?);
        }
    };
    (@unknown_options $ns:ident, $function:ident, ($($p:ident),*), $options:ident) => {
        let (session, entry) = ($ns.session().clone(), std::sync::Arc::clone(&$function));
        let registration = $ns.registration(&$function, true);
        registration.set_into_module($ns.module_mut(), move |cx: rhai::NativeCallContext $(, $p: rhai::Dynamic)*, _: rhai::Map| {
            $crate::engine::call::Call::enter(&session, &entry, &cx, |call| call.with_unknowns(&[$(&$p),*]))
        });
    };
    (@unknown_options $ns:ident, $function:ident, ($($p:ident),*), ) => {};
}
pub(crate) use native;

/// The lines of a doc comment without the space that stands before each.
pub(crate) fn unindented(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_blocks_of_a_text_are_its_examples() {
        let text = "Says.\n\n```rhai\na();\nb()\n```\n\nMore.\n```rhai\nc()\n```".to_owned();
        let function = Function {
            namespace: "x",
            name: "say",
            path: Function::path_of("x", "say"),
            method: false,
            parameters: vec![Parameter {
                name: "id",
                kind: "string",
            }],
            options: &[],
            returns: "map",
            effect: Effect::Read,
            text,
        };
        assert_eq!(function.examples(), ["a();\nb()\n", "c()\n"]);
        assert_eq!(function.summary(), "Says.");
        assert_eq!(function.signature(), "x::say(id: string) -> map");
    }
}
