//! What a value is that nobody has evaluated: by the values of the session's variables, and by what functions say that they give
//! back. Nothing is run and nothing is asked.

use std::any::TypeId;

use rhai::{Array, Dynamic, Map};

use super::receiver::{Receiver, Root, Step};
use super::shell::Shell;
use super::vocabulary::Vocabulary;

/// Methods that give back a list of what they were given.
const KEEPING: [&str; 5] = ["collect", "filter", "sorted_by", "take", "unique"];

/// Methods that give back one of what they were given.
const PICKING: [&str; 5] = ["find", "first", "last", "pop", "shift"];

/// What is known of a value.
#[derive(Debug, Clone)]
pub(super) enum Guess {
    /// The value, or one like it.
    Value(Dynamic),
    /// Its type.
    Kind(TypeId),
    /// Nothing.
    Nothing,
}

impl Guess {
    /// What a value is.
    pub(super) fn of(shell: &Shell, receiver: &Receiver) -> Guess {
        let mut guess = match &receiver.root {
            Root::Variable(name) => shell
                .scope
                .get(name)
                .map_or(Guess::Nothing, |value| Guess::Value(value.clone())),
            Root::Each(held) => Guess::of(shell, held).element(),
            Root::Call(path) => Guess::returned(shell, path),
            Root::Literal(kind) => Guess::named(kind),
            Root::Unknown => Guess::Nothing,
        };
        for step in &receiver.steps {
            guess = match step {
                Step::Property(name) => guess.property(name),
                Step::Index => guess.element(),
                Step::Method(name) => guess.method(shell, name),
            };
        }
        guess
    }

    /// Its type.
    pub(super) fn kind(&self) -> Option<TypeId> {
        match self {
            Guess::Value(value) => Some(value.type_id()),
            Guess::Kind(kind) => Some(*kind),
            Guess::Nothing => None,
        }
    }

    /// The names of its properties.
    pub(super) fn properties(&self) -> Vec<String> {
        let Guess::Value(value) = self else {
            return Vec::new();
        };
        let map = value.read_lock::<Map>();
        map.map(|map| map.keys().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    /// A value of a type that is called so.
    fn named(kind: &str) -> Guess {
        Vocabulary::kind(kind).map_or(Guess::Nothing, Guess::Kind)
    }

    /// What a function gives back.
    fn returned(shell: &Shell, path: &str) -> Guess {
        let mut known = shell.started.engine.registry.find(path);
        known.next().map_or(Guess::Nothing, |known| {
            Guess::named(known.returns.split(' ').next().unwrap_or_default())
        })
    }

    /// One of those that it holds.
    fn element(self) -> Guess {
        let Guess::Value(value) = self else {
            return Guess::Nothing;
        };
        if let Some(map) = value.read_lock::<Map>() {
            return map
                .values()
                .next()
                .cloned()
                .map_or(Guess::Nothing, Guess::Value);
        }
        let first = value
            .read_lock::<Array>()
            .and_then(|values| values.first().cloned());
        first.map_or(Guess::Nothing, Guess::Value)
    }

    fn property(self, name: &str) -> Guess {
        let Guess::Value(value) = self else {
            return Guess::Nothing;
        };
        let property = value
            .read_lock::<Map>()
            .and_then(|map| map.get(name).cloned());
        property.map_or(Guess::Nothing, Guess::Value)
    }

    fn method(self, shell: &Shell, name: &str) -> Guess {
        let is_array = matches!(&self, Guess::Value(value) if value.is_array());
        if is_array && KEEPING.contains(&name) {
            return self;
        }
        if is_array && PICKING.contains(&name) {
            return self.element();
        }
        let kind = self
            .kind()
            .and_then(|kind| shell.vocabulary.gives(kind, name));
        kind.map_or(Guess::Nothing, Guess::Kind)
    }
}
