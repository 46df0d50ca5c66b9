//! Log lines of the seeded lake: three days of what its pods said, in three namespaces.

use rusqlite::Transaction;

use crate::sandbox::clock::HOUR;
use crate::sandbox::loki::{self, Labels};

/// Hours that the lines reach back.
const HOURS: i64 = 72;

/// A pod that logs: where it runs, every how many hours, what it says in turn.
struct Voice {
    namespace: &'static str,
    app: &'static str,
    every: i64,
    says: &'static [&'static str],
}

const VOICES: [Voice; 5] = [
    Voice {
        namespace: "dashi-data",
        app: "prefect-worker",
        every: 3,
        says: &[
            "level=info msg=\"polling for scheduled flow runs\" pool=dashi",
            "level=info msg=\"flow run finished\" flow=dashi-ingest state=COMPLETED",
            "level=warn msg=\"object store is slow\" op=PutObject seconds=4.1",
        ],
    },
    Voice {
        namespace: "dashi-data",
        app: "stac-fastapi",
        every: 2,
        says: &[
            "INFO:     10.42.0.17:51544 - \"POST /search HTTP/1.1\" 200 OK",
            "INFO:     10.42.0.17:51550 - \"GET /collections HTTP/1.1\" 200 OK",
            "INFO:     10.42.0.31:40112 - \"GET /collections/none/items HTTP/1.1\" 404 Not Found",
        ],
    },
    Voice {
        namespace: "dashi-web",
        app: "ingest-api",
        every: 5,
        says: &[
            "level=info msg=presigned user=operator domain=gelaende-umwelt",
            "level=info msg=triggered user=operator domain=klima-historisch",
            "level=error msg=\"s3 object not found\" status=404 user=operator",
        ],
    },
    Voice {
        namespace: "dashi-ops",
        app: "backup",
        every: 24,
        says: &[
            "level=info msg=\"dump written\" service=pgstac bytes=31111",
            "level=info msg=\"dump written\" service=prefect bytes=12708",
        ],
    },
    Voice {
        namespace: "dashi-ops",
        app: "gc",
        every: 24,
        says: &["level=info msg=\"3 orphans, nothing deleted\" bucket=processed"],
    },
];

/// Writes the lines.
pub(crate) fn fill(database: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    for voice in &VOICES {
        let labels = Labels::from(
            [
                ("namespace", voice.namespace.to_owned()),
                ("app", voice.app.to_owned()),
                ("service_name", voice.app.to_owned()),
                ("pod", format!("{}-7c9d5b6f4-x2v8k", voice.app)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let mut says = voice.says.iter().cycle();
        // The newest line is some minutes old, so that a query of the last hour finds something.
        let mut at = now - HOUR / 6;
        while at > now - HOURS * HOUR {
            for line in says.by_ref().take(2) {
                loki::insert_line(database, &labels, at * 1000, line)?;
                at -= HOUR / 60;
            }
            at -= voice.every * HOUR;
        }
    }
    Ok(())
}
