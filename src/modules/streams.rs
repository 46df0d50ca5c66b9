//! Methods of streams, and of the sets of objects that are taken from them. Those that give a stream back are lazy:
//! nothing is read before it is asked for.

use rhai::{Array, Dynamic, FnPtr, ImmutableString};

use crate::engine::call::Call;
use crate::engine::object_set::{ObjectSet, object_of};
use crate::engine::raise::{Raised, caught, raise, raise_unplaced};
use crate::engine::registry::{Namespace, native};
use crate::engine::stream::{self, Source, Stream};
use crate::engine::value::type_name;
use crate::error::Error;
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut ns = Namespace::new(session, "", "Methods of streams and of sets of objects.");
    lazy(&mut ns);
    eager(&mut ns);
    searching(&mut ns);
    sets(&mut ns);
    ns
}

fn lazy(ns: &mut Namespace) {
    native! { ns,
        /// A stream of what a closure makes of each value.
        ///
        /// ```rhai
        /// stac::collections().map(|c| c.id).first().type_of()
        /// //=> "string"
        /// ```
        read method map(call, stream: Stream, with: FnPtr) -> "Stream" {
            stream::mapped(call.context(), call.session(), &stream, with)?
        }

        /// A stream of the values for which a closure says true.
        ///
        /// ```rhai
        /// stac::collections().filter(|c| c.id == "no-such").count()
        /// //=> 0
        /// ```
        read method filter(call, stream: Stream, keep: FnPtr) -> "Stream" {
            stream::filtered(call.context(), call.session(), &stream, keep)?
        }

        /// A stream of the objects that are not in a set: what `lake::references` gives, or an array or stream of URIs or rows,
        /// of which only fingerprints are kept.
        ///
        /// ```rhai
        /// let all = s3::list("s3://processed/gelaende-umwelt/").map(|o| o.uri).collect();
        /// s3::list("s3://processed/gelaende-umwelt/").minus(all.extract(1)).map(|o| o.uri).collect() == [all[0]]
        /// //=> true
        /// ```
        read method minus(call, stream: Stream, set: Dynamic) -> "Stream" {
            let (set, session) = (objects(call, set)?, call.session().clone());
            stream.through(|source| source.filter_map(move |value| {
                let outside = value.and_then(|value| {
                    let at = session.lake().and_then(|lake| object_of(lake, &value));
                    let at = at.map_err(|error| raise_unplaced(&error))?;
                    Ok((!set.has(&at)).then_some(value))
                });
                outside.transpose()
            }))?
        }

        /// A stream of arrays of up to `size` values each, in their order.
        ///
        /// ```rhai
        /// stac::items("gelaende-umwelt").chunks(2).map(|some| some.len()).first()
        /// //=> 2
        /// ```
        read method chunks(call, stream: Stream, size: i64) -> "Stream" {
            let size = usize::try_from(size).ok().filter(|size| *size > 0);
            let size = size.ok_or_else(|| Error::usage("chunks takes a size of at least 1"))?;
            stream.through(|source| Chunks { source, size })?
        }

        /// A stream of the first `count` values. Of what comes after them, at most one page is read.
        ///
        /// ```rhai
        /// stac::items("gelaende-umwelt").take(2).count()
        /// //=> 2
        /// ```
        read method take(call, stream: Stream, count: i64) -> "Stream" {
            let count = usize::try_from(count).unwrap_or(0);
            stream.through(|source| source.take(count))?
        }
    }
}

fn eager(ns: &mut Namespace) {
    native! { ns,
        /// All values in an array. The whole list is in memory then.
        ///
        /// ```rhai
        /// stac::collections().collect().type_of()
        /// //=> "array"
        /// ```
        read method collect(call, stream: Stream) -> "array" {
            stream.into_iter().collect::<Raised<Array>>()?
        }

        /// How many values there are. Reads all of them and keeps none.
        ///
        /// ```rhai
        /// stac::collections().count() > 1
        /// //=> true
        /// ```
        read method count(call, stream: Stream) -> "int" {
            counted(stream)?
        }

        /// Reads all values and keeps none, for a stream whose closures do the work. (A `for` with an empty body
        /// would hide errors.)
        ///
        /// ```rhai
        /// stac::collections().map(|c| out::note(c.id)).drain()
        /// ```
        read method drain(call, stream: Stream) -> "()" {
            counted(stream)?;
        }

        /// The first value, or `()` of an empty stream. Of what comes after it, at most one page is read.
        ///
        /// ```rhai
        /// stac::collections().filter(|c| c.id == "no-such").first()
        /// //=> ()
        /// ```
        read method first(call, stream: Stream) -> "any" {
            stream.into_iter().next().transpose()?
        }
    }
}

fn searching(ns: &mut Namespace) {
    native! { ns,
        /// Whether a closure says true for at least one value. Stops reading there.
        ///
        /// ```rhai
        /// stac::collections().some(|c| c.id == "klima-historisch")
        /// //=> true
        /// ```
        read method some(call, stream: Stream, holds: FnPtr) -> "bool" {
            found(call, stream, holds, true)?.is_some()
        }

        /// Whether a closure says true for every value. Stops reading where it says false.
        ///
        /// ```rhai
        /// stac::collections().all(|c| c.type == "Collection")
        /// //=> true
        /// ```
        read method all(call, stream: Stream, holds: FnPtr) -> "bool" {
            found(call, stream, holds, false)?.is_none()
        }

        /// The first value for which a closure says true, or `()`.
        ///
        /// ```rhai
        /// stac::collections().find(|c| c.id == "klima-historisch").id
        /// //=> "klima-historisch"
        /// ```
        read method find(call, stream: Stream, holds: FnPtr) -> "any" {
            found(call, stream, holds, true)?
        }
    }
}

/// The set that a value is, or of the objects that it holds.
fn objects(call: &Call, value: Dynamic) -> Raised<ObjectSet> {
    call.refuse_unknown(&value)
        .map_err(|error| raise(call.context(), &error))?;
    if let Some(set) = value.read_lock::<ObjectSet>() {
        return Ok(set.clone());
    }
    let raised = |error: &Error| raise(call.context(), error);
    let lake = call.session().lake().map_err(|error| raised(&error))?;
    let set = if let Some(stream) = value.read_lock::<Stream>() {
        let values = stream.clone().into_iter();
        ObjectSet::of(
            values.map(|value| object_of(lake, &value.map_err(|error| caught(&error, ""))?)),
        )
    } else if let Some(all) = value.read_lock::<Array>() {
        ObjectSet::of(all.iter().map(|value| object_of(lake, value)))
    } else {
        Err(Error::usage(format!(
            "minus takes lake::references(), an array or a stream, not {}",
            type_name(&value)
        )))
    };
    set.map_err(|error| raised(&error))
}

/// Values of a source, some at a time.
struct Chunks {
    source: Source,
    size: usize,
}

impl Iterator for Chunks {
    type Item = Raised<Dynamic>;

    fn next(&mut self) -> Option<Raised<Dynamic>> {
        let some: Raised<Array> = self.source.by_ref().take(self.size).collect();
        match some {
            Ok(some) if some.is_empty() => None,
            some => Some(some.map(Dynamic::from_array)),
        }
    }
}

fn sets(ns: &mut Namespace) {
    native! { ns,
        /// Whether a set has an object, whatever its URI's spelling.
        ///
        /// ```rhai
        /// lake::references().has("s3://processed/no/such/object")
        /// //=> false
        /// ```
        read method has(call, set: ObjectSet, uri: ImmutableString) -> "bool" {
            set.has(&call.session().lake()?.locate(&uri)?)
        }
    }
}

/// The first value for which a closure gives `wanted`.
fn found(call: &Call, stream: Stream, holds: FnPtr, wanted: bool) -> Raised<Option<Dynamic>> {
    let callback = call.callback(holds);
    for value in stream {
        let value = value?;
        if callback.call::<bool>((value.clone(),))? == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn counted(stream: Stream) -> Raised<i64> {
    let mut count = 0_i64;
    for value in stream {
        let _ = value?;
        count += 1;
    }
    Ok(count)
}
