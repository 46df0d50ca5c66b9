//! Authelia's users, wherever they are kept: in a file on this machine, or in a ConfigMap of the cluster with the Deployment
//! that reads it. What the text of either means is `users_file`. A change is made to the text as it is at that moment, and
//! tried anew where somebody else has changed it meanwhile: no change of anybody is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::k8s_changes::{replace, restart};
use super::k8s_objects::get;
use super::k8s_place::Place;
use super::k8s_wait::{self, Wish};
use super::users_file::{users, with_member};
use crate::config::UsersMap;
use crate::effects::Permit;
use crate::error::{Error, Kind, Result, nearest};
use crate::file;

/// A file of users is no larger.
const LARGEST: u64 = 16 << 20;
/// So often a change is tried anew where others change the users at the same time.
const TRIES: usize = 20;
/// So long is waited for others who change the file.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at whether they are done.
const LOOK: Duration = Duration::from_millis(20);
/// Authelia's new pods may take so long.
const RESTART: Duration = Duration::from_mins(5);

/// Who keeps the users. Clones are the same.
#[derive(Clone)]
pub struct Authelia(Kept);

#[derive(Clone)]
enum Kept {
    File(Arc<PathBuf>),
    Map(Cluster, Arc<UsersMap>),
}

/// The users as they were read: their text, and the object that holds it.
struct Read {
    text: String,
    object: Value,
}

impl Authelia {
    /// A file on this machine.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Authelia {
        Authelia(Kept::File(Arc::new(path)))
    }

    /// A ConfigMap.
    #[must_use]
    pub fn of_map(cluster: Cluster, map: UsersMap) -> Authelia {
        Authelia(Kept::Map(cluster, Arc::new(map)))
    }

    /// What keeps them: `kind`, and `file` or `configmap`.
    #[must_use]
    pub fn described(&self) -> Value {
        match &self.0 {
            Kept::File(path) => json!({"kind": "authelia", "file": path.display().to_string()}),
            Kept::Map(_, map) => json!({"kind": "authelia", "configmap": map.to_string()}),
        }
    }

    /// All users, by name: `user`, `name`, `email`, `enabled`, `groups`.
    pub async fn users(&self) -> Result<Vec<Value>> {
        users(&self.read().await?.text).map_err(|error| self.named(error))
    }

    /// The user of this name. One that is not there is told with the nearest.
    pub async fn user(&self, name: &str) -> Result<Value> {
        let users = self.users().await?;
        if let Some(user) = users.iter().find(|user| user["user"] == name) {
            return Ok(user.clone());
        }
        let known = users.iter().filter_map(|user| user["user"].as_str());
        let message = format!("there is no user '{name}' in {}", self.place());
        Err(Error::new(Kind::NotFound, message)
            .suggest(nearest(name, known))
            .hint("see who there is: dashictl eval 'identity::users()'"))
    }

    /// Puts a user into a group, or takes one out of it.
    pub async fn set(&self, permit: Permit, user: &str, group: &str, is: bool) -> Result<()> {
        match &self.0 {
            Kept::File(path) => {
                self.set_in_file(path, |text| with_member(text, user, group, is))
                    .await
            }
            Kept::Map(cluster, map) => {
                let change = |text: &str| with_member(text, user, group, is);
                self.set_in_map(permit, (cluster, map), change).await
            }
        }
        .map_err(|error| self.named(error))
    }

    /// Has Authelia read what was changed, where it does not do so by itself, and waits until it has.
    pub async fn settle(&self, permit: Permit) -> Result<()> {
        let Kept::Map(cluster, map) = &self.0 else {
            return Ok(());
        };
        let Some(target) = map.target() else {
            return Ok(());
        };
        let namespace = Some(map.namespace.as_str());
        let why = |error: Error| {
            error.hint(format!(
                "the users are changed, and Authelia has not read them yet: dashictl k8s restart {target} -n {}",
                map.namespace
            ))
        };
        let at = Place::meant(cluster, &target, namespace)
            .await
            .map_err(why)?;
        restart(cluster, permit, &at, &jiff::Timestamp::now().to_string())
            .await
            .map_err(why)?;
        let wish = Wish {
            target: target.clone(),
            namespace: Some(map.namespace.clone()),
            condition: "available".to_owned(),
            timeout: RESTART,
            patience: RESTART,
        };
        k8s_wait::wait(cluster, &wish).await.map_err(why).map(drop)
    }

    async fn read(&self) -> Result<Read> {
        let read = match &self.0 {
            Kept::File(path) => Read {
                text: text_of(path)?,
                object: Value::Null,
            },
            Kept::Map(cluster, map) => {
                let target = format!("configmap/{}", map.name);
                let object = get(cluster, &target, Some(&map.namespace)).await?;
                let text = object["data"][&map.key].as_str().map(str::to_owned);
                let missing = || {
                    let keys = object["data"].as_object().into_iter().flatten();
                    let known: Vec<&str> = keys.map(|(key, _)| key.as_str()).collect();
                    let message = format!("{map} has no key '{}'", map.key);
                    Error::config(message)
                        .suggest(nearest(&map.key, known))
                        .hint("set identity.users_key")
                };
                Read {
                    text: text.ok_or_else(missing)?,
                    object,
                }
            }
        };
        Ok(read)
    }

    /// Changes the file while nobody else of this program does. Authelia itself takes no lock when somebody sets a
    /// password: what it has written meanwhile is changed instead.
    async fn set_in_file(
        &self,
        path: &Path,
        change: impl Fn(&str) -> Result<String>,
    ) -> Result<()> {
        // A link stays one.
        let path = path
            .canonicalize()
            .map_err(|error| Error::io("find", path, &error))?;
        let _turn = turn(&path).await?;
        for _ in 0..TRIES {
            let before = text_of(&path)?;
            let after = change(&before)?;
            if after == before {
                return Ok(());
            }
            if file::replace_if(&path, after.as_bytes(), before.as_bytes())? {
                return Ok(());
            }
        }
        Err(self.too_busy())
    }

    async fn set_in_map(
        &self,
        permit: Permit,
        (cluster, map): (&Cluster, &UsersMap),
        change: impl Fn(&str) -> Result<String>,
    ) -> Result<()> {
        find_reader(cluster, map).await?;
        let target = format!("configmap/{}", map.name);
        let at = Place::meant(cluster, &target, Some(&map.namespace)).await?;
        for _ in 0..TRIES {
            let Read { text, mut object } = self.read().await?;
            let after = change(&text)?;
            if after == text {
                return Ok(());
            }
            let version = object["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            object["data"][&map.key] = after.into();
            match replace(cluster, permit, &at, &object, &version).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                other => return other.map(drop),
            }
        }
        Err(self.too_busy())
    }

    fn too_busy(&self) -> Error {
        let message = format!("others change {} all the time", self.place());
        Error::new(Kind::Conflict, message).hint("run it again")
    }

    fn place(&self) -> String {
        match &self.0 {
            Kept::File(path) => path.display().to_string(),
            Kept::Map(_, map) => map.to_string(),
        }
    }

    /// An error about what is in it, with where that is.
    fn named(&self, mut error: Error) -> Error {
        let is_about_it = matches!(error.kind(), Kind::Invalid | Kind::NotFound);
        if is_about_it && error.detail().service.is_none() {
            let message = format!("{}: {error}", self.place());
            error.detail_mut().message = message;
        }
        error
    }
}

/// Fails where the Deployment is not there that is to read what is changed: before anything is.
async fn find_reader(cluster: &Cluster, map: &UsersMap) -> Result<()> {
    let Some(target) = map.target() else {
        return Ok(());
    };
    let found = get(cluster, &target, Some(&map.namespace)).await;
    found.map(drop).map_err(|error| {
        error.hint("identity.deployment names Authelia's Deployment; none: it reads its users anew by itself")
    })
}

fn text_of(path: &Path) -> Result<String> {
    let bytes = file::read(path, LARGEST).map_err(|error| {
        let error = Error::io("read", path, &error);
        error.hint("set identity.users_file to Authelia's file of users")
    })?;
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("{} is no UTF-8", path.display());
        Error::new(Kind::Invalid, message)
            .hint("identity.users_file is to be Authelia's file of users")
    })
}

/// The file that is locked, made where it is missing: for everybody who may read the one that it is for.
fn lock_file(path: &Path, beside: &Path) -> std::io::Result<std::fs::File> {
    match std::fs::File::open(beside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        other => return other,
    }
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(beside)?;
    // Reading is all that it takes to lock it.
    lock.set_permissions(std::fs::metadata(path)?.permissions())?;
    Ok(lock)
}

/// This program's turn at a file: held while it is there.
async fn turn(path: &Path) -> Result<std::fs::File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let lock = lock_file(path, &beside).map_err(|error| {
        Error::io("open the lock", &beside, &error)
            .hint("who may write the file of users must be able to read its lock, or to make one beside it")
    })?;
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(std::fs::TryLockError::WouldBlock) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(LOOK).await;
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let message = format!(
                    "another dashictl has held {} for {} s",
                    beside.display(),
                    PATIENCE.as_secs()
                );
                return Err(Error::new(Kind::Conflict, message).hint("end it, and run this again"));
            }
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(Error::io("lock", &beside, &error));
            }
        }
    }
}
