//! Configuration: the file, its contexts, the environment and the flags become one [`Config`], in which every value knows
//! where it came from.
//!
//! | file | what it knows |
//! |---|---|
//! | `keys` | the table of all keys; everything else reads it |
//! | `value`, `endpoint`, `secret`, `command`, `words` | what the text of a value means |
//! | `file`, `variables`, `flags` | each a source of values: a `Layer` |
//! | `environment`, `context` | the variables and folders of the process; which context is in use |
//! | `setting`, `origin`, `services` | what comes out: values with origins, and what a client needs |
//!
//! Precedence: compiled defaults, the file, the context's block, the environment, the flags; the later wins. Loading
//! reads the configuration file and nothing else: no service, no secret's file, no program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod command;
mod context;
mod endpoint;
mod environment;
mod fault;
mod file;
mod flags;
mod iceberg;
mod identity;
mod keys;
mod origin;
mod pair;
mod secret;
mod services;
mod setting;
mod value;
mod variables;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use context::SANDBOX;
pub use endpoint::{CLUSTER_DOMAIN, Endpoint};
pub use environment::Environment;
pub use flags::Flags;
pub use iceberg::IcebergSettings;
pub use identity::{IdentitySettings, KeycloakSettings, UsersMap};
pub use keys::{IN_CLUSTER_S3, KEYS, Key, Shape};
pub use origin::Origin;
pub use secret::Secret;
pub use services::{
    ClusterSettings, Entrance, S3Settings, Service, ServiceSettings, Transport, Tunnel,
};
pub use setting::Setting;
pub use words::quoted;
pub(crate) use words::split;

use crate::error::{Error, Kind, Result};
use context::Choice;
use file::File;
use value::{Base, Value};

/// The values that one source sets, by the path of their key.
pub(crate) type Layer = BTreeMap<&'static str, (Value, Origin)>;

/// The configuration that holds for this run.
#[derive(Debug, Clone)]
pub struct Config {
    choice: Choice,
    /// Whether the file has a block for the context.
    has_block: bool,
    /// One for each of [`KEYS`], in its order.
    settings: Vec<Setting>,
    warnings: Vec<String>,
    /// The secrets that stand in the file.
    held: Vec<Secret>,
    context_names: Vec<String>,
    file: Option<PathBuf>,
}

impl Config {
    /// The compiled defaults alone, for what deals with scripts and asks no service: a wrong file must not stop it.
    pub fn compiled() -> Result<Config> {
        let choice = Choice {
            name: context::DEFAULT.to_owned(),
            named_by: None,
        };
        Config::merge(
            choice,
            None,
            &Flags::default(),
            &Environment::from_iter(Vec::<(String, String)>::new()),
        )
    }

    /// Reads the configuration. Fails on anything that is wrong in the file (also in blocks of other contexts), in a
    /// variable or a flag, and on a context that does not exist.
    pub fn load(flags: &Flags, env: &Environment) -> Result<Config> {
        let choice = Choice::of(flags, env)?;
        let looked = match env.config_dir() {
            Ok(dir) => Some(dir.join(file::NAME)),
            // The sandbox takes nothing from the file, so it does not need to know where that would be.
            Err(_) if choice.is_sandbox() => None,
            Err(error) => return Err(error),
        };
        let file = match &looked {
            Some(path) => File::read(path, env.get("HOME"))?,
            None => None,
        };
        choice.check(file.as_ref(), looked.as_deref())?;
        Config::merge(choice, file, flags, env)
    }

    fn merge(
        choice: Choice,
        file: Option<File>,
        flags: &Flags,
        env: &Environment,
    ) -> Result<Config> {
        let mut config = Config {
            has_block: false,
            settings: defaults(choice.is_sandbox())?,
            warnings: Vec::new(),
            held: file.as_ref().map(held).unwrap_or_default(),
            context_names: context::names(file.as_ref()),
            file: file.as_ref().map(|file| file.path.clone()),
            choice,
        };
        let flags = flags::layer(flags)?;
        if config.is_sandbox() {
            flags::refuse_endpoints(&flags)?;
            config.warnings.extend(file.and_then(|file| file.warning));
        } else {
            config.take_file(file);
            config.take(variables::layer(env)?);
            config.warnings.extend(variables::strangers(env));
        }
        config.take(flags);
        Ok(config)
    }

    fn take_file(&mut self, file: Option<File>) {
        let Some(mut file) = file else { return };
        let block = file.contexts.remove(self.context());
        self.has_block = block.is_some();
        self.warnings.extend(file.warning);
        self.take(file.top);
        self.take(block.unwrap_or_default());
    }

    /// Lays the values of a source over what is there.
    fn take(&mut self, mut layer: Layer) {
        for setting in &mut self.settings {
            if let Some((value, origin)) = layer.remove(setting.key.path) {
                setting.value = Some(value);
                setting.origin = origin;
            }
        }
    }

    /// Puts the endpoints and keys of the running sandbox in, by the path of their key. Fails outside the sandbox.
    pub fn sandbox_endpoints<'a>(
        &mut self,
        values: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Result<()> {
        if !self.is_sandbox() {
            return Err(Error::internal(format!(
                "the endpoints of a sandbox were given to the context '{}'",
                self.context()
            )));
        }
        let mut layer = Layer::new();
        for (path, text) in values {
            let key = Key::at(path)
                .ok_or_else(|| Error::internal(format!("the table of keys has no {path}")))?;
            let value = Value::of_text(key, &text, Base::default())
                .map_err(|fault| fault.into_error(Kind::Internal, path))?;
            layer.insert(key.path, (value, Origin::Sandbox));
        }
        self.take(layer);
        Ok(())
    }

    /// The context in use; `default` when none was named.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.choice.name
    }

    /// Whether `--context` or `DASHI_CONTEXT` named the context.
    #[must_use]
    pub fn context_is_named(&self) -> bool {
        self.choice.named_by.is_some()
    }

    /// A command line that finds the same lake: with the context and the settings that flags gave this one.
    #[must_use]
    pub fn command_line(&self, command: &str) -> String {
        let mut words = vec!["dashictl".to_owned()];
        if self.choice.named_by == Some(context::FLAG) {
            words.extend([context::FLAG.to_owned(), quoted(self.context())]);
        }
        for setting in self.settings() {
            if let Origin::Flag(flag) = &setting.origin {
                words.extend([flag.clone(), quoted(&setting.display())]);
            }
        }
        words.push(command.to_owned());
        words.join(" ")
    }

    /// What a service at this URL is remembered by: the embedded lake's are elsewhere every time, and are the same.
    #[must_use]
    pub fn remembered(&self, url: &str) -> String {
        if self.is_sandbox() {
            return context::SANDBOX.to_owned();
        }
        url.to_owned()
    }

    /// Whether this is the embedded lake.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.choice.is_sandbox()
    }

    /// Every setting, in the order of [`KEYS`]; also those that nobody set and that have no default.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings.iter()
    }

    /// The setting at a path such as `s3.endpoint`.
    #[must_use]
    pub fn setting(&self, path: &str) -> Option<&Setting> {
        self.settings
            .iter()
            .find(|setting| setting.key.path == path)
    }

    /// The endpoints that a named context did not set itself but that are in use beside it: those from the environment
    /// and from compiled defaults. Empty when no context was named. (`default` without a block *is* the compiled
    /// defaults, so they are not foreign to it.)
    #[must_use]
    pub fn mixed_endpoints(&self) -> Vec<&Setting> {
        let defaults_are_own = self.context() == context::DEFAULT && !self.has_block;
        let is_foreign = |origin: &Origin| match origin {
            Origin::Variable(_) => true,
            Origin::Default => !defaults_are_own,
            _ => false,
        };
        self.settings()
            .filter(|_| self.context_is_named())
            .filter(|setting| setting.key.is_endpoint() && setting.is_set() && !setting.is_off())
            .filter(|setting| is_foreign(&setting.origin))
            .collect()
    }

    /// Every secret in use, to be kept out of traces: see [`Secret::known`].
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.settings.iter().flat_map(Setting::secrets)
    }

    /// The secrets that stand in the file, of whatever context: none of them is to be shown either.
    pub fn held_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.held.iter()
    }

    /// What is odd but no error, each a sentence.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The contexts that can be named, sorted; `default` and `sandbox` among them.
    pub fn context_names(&self) -> impl Iterator<Item = &str> {
        self.context_names.iter().map(String::as_str)
    }

    /// The configuration file, when there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// The secrets that are written out in a file.
fn held(file: &File) -> Vec<Secret> {
    let values = file.layers().flat_map(|layer| layer.values());
    let secrets = values.flat_map(|(value, _)| value.secrets());
    let known = secrets.filter(|secret| secret.known().is_some());
    known.cloned().collect()
}

/// The compiled defaults. The sandbox has no endpoint until it runs: one on localhost could be somebody's real lake.
fn defaults(sandbox: bool) -> Result<Vec<Setting>> {
    KEYS.iter()
        .map(|key| {
            let text = key.default.filter(|_| !(sandbox && key.is_endpoint()));
            let value = text
                .map(|text| Value::of_text(key, text, Base::default()))
                .transpose()
                .map_err(|fault| fault.into_error(Kind::Internal, key.path))?;
            Ok(Setting {
                key,
                value,
                origin: Origin::Default,
            })
        })
        .collect()
}
