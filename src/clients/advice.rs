//! What to do next when a service cannot be used: which setting says where it is, how long it may take, who asks.

use crate::config::{Key, Origin, Transport};
use crate::time;

/// The service is not where it was looked for.
#[must_use]
pub fn address(setting: &str, origin: &Origin) -> String {
    let ways = match Key::at(setting) {
        Some(Key {
            variable,
            flag: Some(flag),
            ..
        }) => format!("{setting}, {variable} or --{flag}"),
        Some(Key { variable, .. }) => format!("{setting} or {variable}"),
        None => setting.to_owned(),
    };
    format!("is it running? its address is from {origin}; another is set by {ways}")
}

/// The service takes its time.
#[must_use]
pub fn timeout(transport: &Transport) -> String {
    let (setting, now) = (transport.timeout_setting, time::spell(transport.timeout));
    format!(
        "the service accepts connections but does not answer: look at its logs, or raise {setting} (now {now})"
    )
}

/// The service does not know who asks, or does not allow it.
#[must_use]
pub fn credentials(service: &str) -> String {
    match service {
        "s3" => "check s3.access_key and s3.secret_key; `dashictl config --origin` shows where they come from".to_owned(),
        _ => format!("check {service}.token and {service}.headers; `dashictl config --origin` shows what is set"),
    }
}
