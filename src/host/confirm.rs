//! What must be so before anything is destroyed: somebody types the thing's name, or said yes beforehand, and then the
//! endpoints are those of the context that was named.

use crate::cli::Globals;
use crate::config::Config;
use crate::effects::Totals;
use crate::error::{Error, Kind, Result};
use crate::session::Session;
use crate::{prompt, table};

use super::plan_view;

/// Refuses at once what could not be confirmed later: nothing has been asked of any service.
/// `look` is how the plan is looked at instead.
pub(super) fn refuse_unconfirmed(
    globals: &Globals,
    config: &Config,
    command: &str,
    look: &str,
) -> Result<()> {
    if !globals.yes && !prompt::is_possible() {
        return Err(Error::usage(format!(
            "{command} must be confirmed, and there is no terminal to ask on"
        ))
        .hint("say yes beforehand: --yes, or DASHICTL_YES=1")
        .hint(format!("or look at the plan first: {look}")));
    }
    if globals.yes {
        refuse_mixed(globals, config, command)?;
    }
    Ok(())
}

/// Refuses a run that nobody is asked about where endpoints are not those of the context that was named.
pub(super) fn refuse_mixed(globals: &Globals, config: &Config, command: &str) -> Result<()> {
    let mixed = config.mixed_endpoints();
    if !mixed.is_empty() && !globals.changes.env_override {
        let error = Error::new(
            Kind::EffectRefused,
            format!(
                "{command} would reach beyond the context '{}': not all of its endpoints are its own",
                config.context()
            ),
        );
        let error = mixed.iter().fold(error, |error, setting| {
            error.cause(format!(
                "{} is {} ({})",
                setting.key().path,
                setting.display(),
                setting.origin()
            ))
        });
        return Err(error
            .hint("unset the variables, or set the endpoints in the context's block of the configuration file")
            .hint("if they are meant: --env-override"));
    }
    Ok(())
}

/// Refuses a plan that destroys more than was allowed.
pub(super) fn refuse_too_many(globals: &Globals, destroyed: u64) -> Result<()> {
    match too_many(globals, destroyed) {
        Some(told) => Err(
            Error::new(Kind::EffectRefused, format!("{told}: nothing was done"))
                .hint("look at the plan (without --apply), and raise --max-delete if it is meant"),
        ),
        None => Ok(()),
    }
}

/// That a plan destroys more than was allowed.
pub(super) fn too_many(globals: &Globals, destroyed: u64) -> Option<String> {
    let most = globals
        .changes
        .max_delete
        .filter(|most| destroyed > *most)?;
    let things = if destroyed == 1 { "thing" } else { "things" };
    Some(format!(
        "the plan destroys {destroyed} {things}, and --max-delete is {most}"
    ))
}

/// Shows the plan and asks for the thing's name.
pub(super) fn ask(
    session: &Session,
    globals: &Globals,
    totals: &[Totals],
    word: &str,
) -> Result<()> {
    let console = session.console();
    let config = session.config();
    let targets: u64 = totals.iter().map(|total| total.targets).sum();
    let bytes: u64 = totals.iter().map(|total| total.bytes).sum();
    let size = table::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    console.note(&plan_view::text(totals));
    console.note(&format!(
        "context {}: {targets} target{}, {size}; {}",
        config.context(),
        if targets == 1 { "" } else { "s" },
        endpoints(session.endpoints()?, totals)
    ));
    for setting in config.mixed_endpoints() {
        console.warn(&format!(
            "{} is not the context's own: {} ({})",
            setting.key().path,
            setting.display(),
            setting.origin()
        ));
    }
    if globals.yes {
        return Ok(());
    }
    let question = format!("Type '{}' to do this:", short(word));
    prompt::demand(session, &question, short(word), word)
}

/// The last part of a path such as `domain/id`, which is what a person calls it.
fn short(word: &str) -> &str {
    word.rsplit('/')
        .next()
        .filter(|last| !last.is_empty())
        .unwrap_or(word)
}

/// Where the lake is: its catalogue, its store, and whatever else the plan changes.
fn endpoints(config: &Config, totals: &[Totals]) -> String {
    let changes = |service: &str| {
        let namespaces = totals.iter().map(|total| total.function.split("::").next());
        namespaces.flatten().any(|namespace| namespace == service)
    };
    let is_told = |path: &str| match path.strip_suffix("_url") {
        Some(service) => service == "stac" || changes(service),
        None => path == "s3.endpoint",
    };
    let known: Vec<String> = config
        .settings()
        .filter(|setting| is_told(setting.key().path))
        .map(|setting| format!("{} {}", setting.key().path, setting.display()))
        .collect();
    known.join(", ")
}
