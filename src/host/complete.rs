//! Completion in shells: what they source once (`dashictl complete bash`), and the answers to what they ask at each Tab.
//! Live names (domains, buckets) have 200 ms; then an older answer, or none, is better than a prompt that hangs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::complete_bash::Question;
use crate::cli::{self, LiveNames, Wanted};
use crate::clients::Pages;
use crate::clients::iceberg::Tables;
use crate::clients::k8s_objects::{self, Selection};
use crate::clients::prefect::Prefect;
use crate::config::{Config, Environment, Flags, KEYS, Secret};
use crate::effects::{Gate, Journals};
use crate::engine::interrupt::Interrupt;
use crate::error::{Error, Result};
use crate::output::{Colour, Console};
use crate::script::library::Library;
use crate::session::{Session, Setup};

/// The variable by which a shell's completion asks: its value is the shell, the words follow `--`.
pub const VARIABLE: &str = "DASHICTL_COMPLETE";

/// How long a service may take before an older answer is given.
const DEADLINE: Duration = Duration::from_millis(140);

/// An answer this young is given without asking again.
const FRESH: Duration = Duration::from_secs(30);

/// nushell has no place to register one command's completer: the snippet puts itself before the one that is there.
const NUSHELL: &str = r#"# dashictl completion: put this into your config.nu
let dashictl_before = $env.config.completions?.external?.completer?
let dashictl_completer = {|spans|
    if ($spans | first) == "dashictl" {
        with-env { DASHICTL_COMPLETE: "nushell" } { ^dashictl -- ...$spans } | from json
    } else if $dashictl_before != null {
        do $dashictl_before $spans
    }
}
$env.config.completions.external = { enable: true, max_results: 100, completer: $dashictl_completer }
"#;

/// Prints what a shell is to source.
pub(super) fn register(shell: &str, console: &Console) -> Result<u8> {
    let mut script = Vec::new();
    match completer(shell) {
        Some(completer) => completer
            .write_registration(VARIABLE, "dashictl", "dashictl", "dashictl", &mut script)
            .map_err(|error| Error::internal(error.to_string()))?,
        None => script.extend_from_slice(NUSHELL.as_bytes()),
    }
    console.print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

fn completer(shell: &str) -> Option<&'static dyn EnvCompleter> {
    match shell {
        "bash" => Some(&Bash),
        "zsh" => Some(&Zsh),
        "fish" => Some(&Fish),
        "powershell" => Some(&Powershell),
        _ => None,
    }
}

/// Answers a shell that asks what could stand at the cursor.
pub fn answer(shell: &str, arguments: &[OsString], environment: &Environment) -> Result<u8> {
    let words: Vec<OsString> = arguments
        .iter()
        .skip_while(|word| *word != "--")
        .skip(1)
        .cloned()
        .collect();
    let number = |name: &str| environment.get(name).and_then(|text| text.parse().ok());
    let last = words.len().saturating_sub(1);
    let question = Question::of(words, number("_CLAP_COMPLETE_INDEX").unwrap_or(last));
    let words = without_values(question.words.clone());
    let library = Library::find(environment);
    // What stands before the cursor says whose flags are wanted: reading all headers takes a good part of the time there is.
    let before = &words[..words.len().saturating_sub(1)];
    let mut command = with_live_names(cli::command(&library, &Wanted::by(&library, before)));
    let here = std::env::current_dir().ok();
    let mut answer = Vec::new();
    let written = if shell == "bash" {
        let separator = environment.get("_CLAP_IFS").unwrap_or("\n");
        clap_complete::engine::complete(&mut command, words, question.index, here.as_deref())
            .map(|found| answer.extend(question.answer(&found, separator).into_bytes()))
    } else if let Some(completer) = completer(shell) {
        completer.write_complete(&mut command, words, here.as_deref(), &mut answer)
    } else {
        clap_complete::engine::complete(&mut command, words, question.index, here.as_deref())
            .map(|candidates| answer.extend(as_json(&candidates).into_bytes()))
    };
    written.map_err(|error| Error::internal(format!("completion failed: {error}")))?;
    Console::of_process(false, Colour::Never, true).print(&String::from_utf8_lossy(&answer))?;
    Ok(0)
}

/// The tree of commands, with a source of live names at every argument that takes some.
fn with_live_names(command: Command) -> Command {
    let named = |argument: Arg| match argument.get::<LiveNames>().cloned() {
        Some(LiveNames(source)) => argument.add(ArgValueCandidates::new(move || live(&source))),
        None => argument,
    };
    command.mut_args(named).mut_subcommands(with_live_names)
}

/// The candidates as nushell reads them.
fn as_json(candidates: &[CompletionCandidate]) -> String {
    let row = |candidate: &CompletionCandidate| {
        let about = candidate
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        json!({"value": candidate.get_value().to_string_lossy(), "description": about})
    };
    serde_json::Value::Array(candidates.iter().map(row).collect()).to_string()
}

/// The names that a header's `complete` stands for, as they are now: `domains`, `buckets`, `contexts`. Asked while a
/// shell waits, so nothing is said about what fails.
fn live(source: &str) -> Vec<CompletionCandidate> {
    let environment = Environment::of_process();
    let flags = typed_flags();
    let names = match (source, Config::load(&flags, &environment)) {
        ("contexts", _) => contexts(&environment),
        ("runs", _) => runs(&environment),
        (_, Ok(config)) => remembered(source, config, &environment),
        (_, Err(_)) => Vec::new(),
    };
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The flags that set configuration, as typed so far: names must come from the lake that the command would ask.
fn typed_flags() -> Flags {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let typed = |flag: &str| {
        let flag = format!("--{flag}");
        let position = words
            .iter()
            .rposition(|word| *word == flag || word.starts_with(&format!("{flag}=")))?;
        let joined = words[position]
            .strip_prefix(&format!("{flag}="))
            .map(str::to_owned);
        // bash hands over `--flag=value` as three words.
        let value = words[position + 1..].iter().find(|word| *word != "=");
        joined.or_else(|| value.cloned())
    };
    let values = KEYS
        .iter()
        .filter_map(|key| Some((key.path, typed(key.flag?)?)))
        .collect();
    Flags {
        context: typed("context"),
        values,
    }
}

/// The words with a neutral one in place of the values of global flags: the library takes such a word for a command if
/// there is one of that name, as with `--context sandbox`. The word at the cursor stays.
fn without_values(words: Vec<OsString>) -> Vec<OsString> {
    let last = words.len().saturating_sub(1);
    let takes_value = |word: &OsString| {
        let flags = KEYS
            .iter()
            .filter_map(|key| key.flag)
            .chain(["context", "color"]);
        word.to_str()
            .and_then(|word| word.strip_prefix("--"))
            .is_some_and(|word| flags.into_iter().any(|flag| flag == word))
    };
    let is_value: Vec<bool> = (0..words.len())
        .map(|index| index > 0 && index < last && takes_value(&words[index - 1]))
        .collect();
    words
        .into_iter()
        .zip(is_value)
        .map(|(word, is_value)| if is_value { "-".into() } else { word })
        .collect()
}

/// The runs of this machine, the newest first.
fn runs(environment: &Environment) -> Vec<String> {
    let journals = environment
        .state_dir()
        .map(|folder| Journals::below(&folder));
    let runs = journals
        .and_then(|journals| journals.runs())
        .unwrap_or_default();
    runs.iter().rev().map(ToString::to_string).collect()
}

fn contexts(environment: &Environment) -> Vec<String> {
    let config = Config::load(&Flags::default(), environment);
    config
        .map(|config| config.context_names().map(str::to_owned).collect())
        .unwrap_or_default()
}

/// The names out of the cache while it is fresh, else as the service says in time, else an older answer.
fn remembered(source: &str, config: Config, environment: &Environment) -> Vec<String> {
    let cache = Cache::of(source, &config, environment);
    if let Some(names) = cache.as_ref().and_then(|cache| cache.read(Some(FRESH))) {
        return names;
    }
    let names = if asks_a_program(source, &config) {
        None
    } else {
        asked(source.to_owned(), config, environment.clone())
    };
    match names {
        Some(names) => {
            if let Some(cache) = &cache {
                cache.write(&names);
            }
            names
        }
        None => cache.and_then(|cache| cache.read(None)).unwrap_or_default(),
    }
}

/// Whether a program would have to be run for a secret of the service: a password manager that asks somebody at each Tab.
fn asks_a_program(source: &str, config: &Config) -> bool {
    let section = match source {
        "buckets" => "s3.",
        "flow_runs" | "deployments" => "prefect.",
        "users" | "roles" => "identity.",
        "tables" => "iceberg.",
        _ => "stac.",
    };
    let mut own = config
        .secrets()
        .filter(|secret| secret.setting().starts_with(section));
    own.any(Secret::asks_a_program)
}

/// What the service says, if it says it in time. A thread that is late ends with the process.
fn asked(source: String, config: Config, environment: Environment) -> Option<Vec<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(names(&source, config, environment).ok()));
    receiver.recv_timeout(DEADLINE).ok().flatten()
}

fn names(source: &str, config: Config, environment: Environment) -> Result<Vec<String>> {
    let runtime = super::runtime()?;
    let session = Session::new(Setup {
        config,
        environment,
        folder: super::working_folder(),
        gate: Gate::performing(crate::effects::Effect::Read),
        console: Console::of_process(false, Colour::Never, true),
        runtime: runtime.handle()?.clone(),
        interrupt: Interrupt::default(),
        verbosity: 0,
    });
    names_of(&session, source)
}

/// The names of one kind, as the lake has them now: `domains`, `buckets`, `flow_runs`, `deployments`, `users`, `roles`,
/// `tables`, `pods`, and `items/COLLECTION`; of those that there may be many of, the first.
pub(crate) fn names_of(session: &Session, source: &str) -> Result<Vec<String>> {
    let items = source.strip_prefix("items/");
    let records = match source {
        _ if let Some(collection) = items => {
            let page = ("limit".to_owned(), "100".to_owned());
            session.wait(first(session.stac()?.items(collection, vec![page])?))?
        }
        "pods" => {
            let pods =
                k8s_objects::list(session.cluster()?, "pods".to_owned(), Selection::default());
            let named = |pod: Value| json!({"id": format!("pod/{}", pod["metadata"]["name"].as_str().unwrap_or_default())});
            session.wait(first(pods))?.into_iter().map(named).collect()
        }
        "domains" => session.wait(all(session.stac()?.collections(None)))?,
        "buckets" => session.wait(session.s3()?.buckets())?,
        "flow_runs" => session.wait(first(
            session.prefect()?.runs(json!({"flow_runs": {}}), None),
        ))?,
        "deployments" => session.wait(deployments(session.prefect()?))?,
        "users" => {
            let users = session.wait(first(session.identity()?.users(None)?))?;
            let named = |user: Value| json!({"id": user["user"]});
            users.into_iter().map(named).collect()
        }
        "tables" => session.wait(tables(session.iceberg()?))?,
        "roles" => {
            let roles = session.access()?.roles().to_vec();
            roles.into_iter().map(|role| json!({"id": role})).collect()
        }
        _ => Vec::new(),
    };
    let name = |record: &serde_json::Value| {
        record["id"]
            .as_str()
            .or(record["name"].as_str())
            .map(str::to_owned)
    };
    Ok(records.iter().filter_map(name).collect())
}

async fn all(pages: Pages) -> Result<Vec<Value>> {
    pages.try_concat().await
}

/// The latest are enough: who wants another has its id from elsewhere.
async fn first(mut pages: Pages) -> Result<Vec<Value>> {
    pages.next().await.unwrap_or_else(|| Ok(Vec::new()))
}

/// Tables by the name that they are asked for by.
async fn tables(catalogue: &Tables) -> Result<Vec<Value>> {
    let mut named = Vec::new();
    for space in all(catalogue.namespaces()).await? {
        let space = space["namespace"].as_str().unwrap_or_default();
        for table in all(catalogue.tables(space).await?).await? {
            named.push(json!({"id": table["table"]}));
        }
    }
    Ok(named)
}

/// Deployments by the name that they are asked for by, which takes in that of their flow.
async fn deployments(prefect: &Prefect) -> Result<Vec<Value>> {
    let (mut named, mut flows) = (Vec::new(), BTreeMap::new());
    for deployment in all(prefect.deployments()?).await? {
        let id = deployment["flow_id"].as_str().unwrap_or_default();
        // A shell waits: each flow is asked for once.
        let flow = match flows.entry(id.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(prefect.flow(id).await?),
        };
        let text = |record: &Value| record["name"].as_str().unwrap_or_default().to_owned();
        named.push(json!({"id": format!("{}/{}", text(flow), text(&deployment))}));
    }
    Ok(named)
}

/// The last answer for one kind of name of one lake.
struct Cache(PathBuf);

impl Cache {
    fn of(source: &str, config: &Config, environment: &Environment) -> Option<Cache> {
        let endpoints: BTreeMap<_, _> = config
            .settings()
            .map(|setting| (setting.key().path, setting.display()))
            .collect();
        let lake = format!("{} {endpoints:?}", config.context());
        let name = format!(
            "{source}-{}.json",
            &hex::encode(Sha256::digest(lake.as_bytes()))[..16]
        );
        Some(Cache(
            environment.cache_dir().ok()?.join("complete").join(name),
        ))
    }

    /// What it holds, if it is no older than asked for.
    fn read(&self, youngest: Option<Duration>) -> Option<Vec<String>> {
        let written = std::fs::metadata(&self.0)
            .and_then(|file| file.modified())
            .ok()?;
        let age = SystemTime::now()
            .duration_since(written)
            .unwrap_or_default();
        if youngest.is_some_and(|youngest| age > youngest) {
            return None;
        }
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    fn write(&self, names: &[String]) {
        // A cache that cannot be written only makes the next Tab slower.
        let _ = crate::file::replace(&self.0, json!(names).to_string().as_bytes());
    }
}
