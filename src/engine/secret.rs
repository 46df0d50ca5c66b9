//! A secret as a value of a script: it can be handed to a function that sends it, and to nothing else.

use crate::config::Secret;

/// A secret in a script. It cannot be printed, joined to text, compared or turned to JSON; its text is masked.
#[derive(Clone)]
pub struct SecretValue(pub(crate) Secret);

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
