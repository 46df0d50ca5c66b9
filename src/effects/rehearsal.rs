//! A backup that is restored on this machine, asked questions, and thrown away. Nothing of it is left.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::hands::{Done, Hands};
use super::{Change, Facts, download};
use crate::clients::local_restore::Running;
use crate::error::{Error, Result};
use crate::lake::ObjectRef;

/// Restores it. Gives the program's own lines; all others are for whoever looks on.
pub(super) async fn perform(hands: &Hands, change: &Change, was: &Facts) -> Result<Done> {
    let Change::RehearseRestore {
        dump,
        label,
        programs,
        timeout,
    } = change
    else {
        return Err(Error::internal("this is no restore"));
    };
    let work = tempfile::Builder::new()
        .prefix("dashictl-restore-")
        .tempdir()
        .map_err(|error| Error::io("make a folder in", &std::env::temp_dir(), &error))?;
    let mut running = Running::start(work.path(), label, programs.as_deref())?;
    let mut told = Vec::new();
    let console = hands.session().console();
    let working = async {
        let lines = running.lines(|line| match line.strip_prefix('@') {
            Some(_) => told.push(Value::from(line)),
            None => console.note(&line),
        });
        let bringing = async {
            match bring(hands, dump, was, work.path()).await {
                // The program takes the folder away when it ends, and says itself why it has.
                Err(_) if !work.path().exists() => std::future::pending().await,
                brought => brought,
            }
        };
        // What is not brought is not waited for; what ends early needs no more.
        tokio::select! {
            ended = lines => ended,
            Err(error) = bringing => Err(error),
        }
    };
    let bound = Duration::from_secs(*timeout);
    let bounded = async { Ok(tokio::time::timeout(bound, working).await) };
    let ended = hands.session().stoppable(bounded).await;
    running.end().await;
    match ended? {
        Ok(worked) => worked?,
        // An answer like the program's own.
        Err(_) => told.push(Value::from(late(bound))),
    }
    Ok(Done {
        value: json!({"lines": told}),
        ..Done::default()
    })
}

fn late(bound: Duration) -> String {
    let bound = crate::time::spell(bound);
    format!("@failed timeout the restore took longer than {bound}")
}

/// Brings the dump to where it is waited for; it gets its name when it is whole.
async fn bring(hands: &Hands, dump: &ObjectRef, was: &Facts, work: &Path) -> Result<()> {
    let mut pieces = download::pieces(hands, dump, was)?;
    let part = work.join("dump.part");
    let failed = |error: std::io::Error| Error::io("write", &part, &error);
    let mut file = tokio::fs::File::create(&part).await.map_err(failed)?;
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece?).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    tokio::fs::rename(&part, work.join("dump"))
        .await
        .map_err(failed)
}
