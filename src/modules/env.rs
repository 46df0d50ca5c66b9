//! `env::` — environment variables, as text or as secrets.

use rhai::ImmutableString;

use crate::config::{Key, Secret};
use crate::engine::registry::{Namespace, native};
use crate::engine::secret::SecretValue;
use crate::error::{Error, Kind, Result};
use crate::session::Session;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "env", "Environment variables.");
    let ns = &mut namespace;
    native! { ns,
        /// The text of a variable. Throws `not_found` where it is not set.
        ///
        /// ```rhai
        /// try { env::get("NO_SUCH_VARIABLE") } catch (e) { return e.kind; }
        /// //=> "not_found"
        /// ```
        read fn get(call, name: ImmutableString) -> "string" {
            call.session().environment().get(plain(&name)?).ok_or_else(|| unset(&name))?
        }

        /// The text of a variable, or `()` where it is not set.
        ///
        /// ```rhai
        /// env::try_get("NO_SUCH_VARIABLE") ?? "fallback"
        /// //=> "fallback"
        /// ```
        read fn try_get(call, name: ImmutableString) -> "string or ()" {
            call.session().environment().get(plain(&name)?).map(str::to_owned)
        }

        /// A variable as a secret: it can be handed to a function that sends it, but not printed, joined to text or
        /// turned to JSON. Throws `not_found` where it is not set.
        ///
        /// ```rhai
        /// try { env::secret("NO_SUCH_VARIABLE") } catch (e) { return e.message; }
        /// //=> "the environment variable NO_SUCH_VARIABLE is not set"
        /// ```
        read fn secret(call, name: ImmutableString) -> "Secret" {
            let value = call.session().environment().get(&name).ok_or_else(|| unset(&name))?;
            let secret = Secret::text(name.as_str(), value);
            call.session().hide(&secret);
            SecretValue(secret)
        }
    }
    namespace
}

/// The name, unless it is that of a variable which sets a secret of the configuration.
fn plain(name: &str) -> Result<&str> {
    if Key::is_secret_variable(name) {
        return Err(Error::usage(format!("{name} holds a secret"))
            .hint(format!("take it as one: env::secret(\"{name}\")")));
    }
    Ok(name)
}

fn unset(name: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("the environment variable {name} is not set"),
    )
}
