//! `plan::` — plans that are kept in the lake, as scripts see them: what they would do, and whether several of them may be done
//! together. How a plan is made and applied is the host's.

use rhai::{Array, ImmutableString};
use serde_json::{Value, json};

use crate::effects::{Store, Totals};
use crate::engine::registry::{Namespace, native};
use crate::engine::value::to_json;
use crate::error::{Error, Kind, Result};
use crate::inventory::Summary;
use crate::lake::Role;
use crate::session::Session;

/// What a script gave back may be so large.
const LIMIT: usize = 64 << 20;

pub(crate) fn namespace(session: &Session) -> Namespace {
    let mut namespace = Namespace::new(session, "plan", "Plans that are kept in the lake.");
    let ns = &mut namespace;
    native! { ns,
        /// The URI of a name below the lake's state, where plans are kept.
        ///
        /// ```rhai
        /// plan::place("submissions/a/1.jsonl")
        /// //=> "s3://curated/.dashi-state/submissions/a/1.jsonl"
        /// ```
        read fn place(call, name: ImmutableString) -> "string" {
            let store = Store::of(call.session())?;
            store.object(&name).to_string()
        }

        /// What a plan that `--plan-out` has written there says: `command`, `nonce` (it is good for one use), `digest`, `expires`, `partial`, `steps` (one for each
        /// call, with `targets`, `bytes`, `first`, `last`), `targets`, `bytes`, `destroyed` (targets), and `result`, what its script gave
        /// back. Throws `not_found` where there is none, `stale` where it is damaged.
        ///
        /// ```rhai
        /// try { plan::read(plan::place("submissions/none/1.jsonl")) } catch (e) { return e.kind; }
        /// //=> "not_found"
        /// ```
        read fn read(call, uri: ImmutableString) -> "map" {
            told(call.session(), &uri)?
        }

        /// What came of a plan that was applied, by its `nonce`: `run`, `outcome` (`done`, `partly`, `interrupted`, `failed`, or `()` while it is
        /// at it or was killed), `done`, `left`, `failed` (targets). `()` where nobody has begun with it.
        ///
        /// ```rhai
        /// plan::outcome("01M8E1DTV8RN9CTJ1FG6SCWKS2")
        /// //=> ()
        /// ```
        read fn outcome(call, nonce: ImmutableString) -> "map or ()" {
            outcome(call.session(), &nonce)?
        }

        /// What speaks against deleting orphans, each a sentence, where several machines have each swept a share of one bucket: `accounts`
        /// are those of `lake::orphans`. None where nothing does, or where exactly so many were `expected`.
        ///
        /// ```rhai
        /// let account = lake::orphans(#{bucket: "landing"}).account;
        /// plan::guards([account])
        /// //=> []
        /// ```
        read fn guards(call, accounts: Array) -> "array"
            options as options {
                /// So many orphans are meant to go, whatever looks wrong.
                expected: Int
            }
            {
                let accounts: Result<Vec<Summary>> = accounts.iter().map(|account| account_of(&to_json(account)?)).collect();
                guards(call.session(), accounts?, options.int("expected"))?
            }
    }
    namespace
}

fn told(session: &Session, uri: &str) -> Result<Value> {
    let store = Store::of(session)?;
    let at = session.lake()?.locate(uri)?;
    let plan = session.wait(store.plan(&at))?;
    let totals = plan.ledger.totals(false)?;
    let beside = at.key.strip_suffix(".jsonl").unwrap_or(&at.key);
    let beside = format!("{beside}.result.json");
    let result = store.s3().read(&at.bucket, &beside, None, LIMIT);
    let result: Value = match session.wait(result) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(error) if error.kind() == Kind::NotFound => Value::Null,
        Err(error) => return Err(error),
    };
    let sum = |of: fn(&Totals) -> u64| totals.iter().map(of).sum::<u64>();
    Ok(json!({
        "command": plan.header.order.command,
        "nonce": plan.header.nonce,
        "digest": plan.digest,
        "expires": plan.header.expires.to_string(),
        "partial": plan.header.partial,
        "targets": sum(|total| total.targets),
        "bytes": sum(|total| total.bytes),
        "destroyed": plan.ledger.destroyed()?,
        "steps": totals,
        "result": result,
    }))
}

fn outcome(session: &Session, nonce: &str) -> Result<Option<Value>> {
    let store = Store::of(session)?;
    let Some(run) = session.wait(store.user_of(nonce))? else {
        return Ok(None);
    };
    let account = session.wait(store.read(&run))?;
    let [done, left, failed, unknown] = account.counts()?;
    let ended = account
        .finished
        .as_ref()
        .map(|(outcome, _)| outcome.as_str());
    Ok(Some(json!({
        "run": run.as_str(), "outcome": ended, "done": done, "left": left, "failed": failed + unknown,
    })))
}

fn account_of(account: &Value) -> Result<Summary> {
    serde_json::from_value(account.clone()).map_err(|error| {
        Error::usage("this is no account of a bucket")
            .cause(error.to_string())
            .hint("lake::orphans gives one: its `account`")
    })
}

fn guards(session: &Session, accounts: Vec<Summary>, expected: Option<i64>) -> Result<Value> {
    let Some(whole) = Summary::merged(accounts) else {
        return Err(Error::usage("there is no account to be judged"));
    };
    let orphans = whole.orphans().objects;
    if let Some(expected) = expected {
        if u64::try_from(expected) == Ok(orphans) {
            return Ok(json!([]));
        }
        return Ok(json!([format!(
            "{orphans} objects of '{}' are orphans, and {expected} were expected",
            whole.bucket
        )]));
    }
    let is_landing = session
        .lake()?
        .roles(&whole.bucket)
        .any(|role| role == Role::Landing);
    Ok(json!(whole.all_guards(is_landing)))
}
