//! The run's way to the Iceberg catalogue, and what is known of its tables, as it was read last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Session, once};
use crate::clients::iceberg::Tables;
use crate::clients::iceberg_folders::Folders;
use crate::error::Result;

/// What is known of the tables, as far as it was read.
#[derive(Default)]
pub(super) struct Known(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    folders: Option<Arc<Folders>>,
    #[cfg(feature = "iceberg")]
    names: Option<Arc<crate::warehouse::Names>>,
}

impl Session {
    /// The client of the Iceberg catalogue.
    pub fn iceberg(&self) -> Result<&Tables> {
        once(&self.0.iceberg, || {
            let mut settings = self.endpoints()?.iceberg()?;
            let client = settings.client.iter().flat_map(|(id, secret)| [id, secret]);
            self.reach(&mut settings.service, client)?;
            Ok(Tables::new(settings, self.tracer().clone()))
        })
    }

    /// The folders that tables write to: read when that is first asked for in a pass of the script.
    pub fn table_folders(&self) -> Result<Arc<Folders>> {
        if let Some(known) = &self.tables().folders {
            return Ok(Arc::clone(known));
        }
        let (catalogue, lake) = (self.iceberg()?, self.lake()?);
        let read = Arc::new(self.wait(Folders::of_all(catalogue, lake))?);
        self.tables().folders = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Forgets what is known of the tables: it is read anew when it is asked for.
    pub fn forget_tables(&self) {
        *self.tables() = Memory::default();
    }

    fn tables(&self) -> MutexGuard<'_, Memory> {
        let known = &self.0.tables.0;
        known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "iceberg")]
mod named {
    use std::sync::Arc;

    use super::Session;
    use crate::error::Result;
    use crate::inventory::KNOWN_FOR;
    use crate::warehouse::{Names, Ways};

    impl Session {
        /// The way to the tables.
        pub fn warehouse(&self) -> Result<Ways> {
            Ok(Ways {
                catalogue: self.iceberg()?.clone(),
                s3: self.s3()?.clone(),
                lake: self.lake()?.clone(),
            })
        }

        /// What the tables of the catalogue name: read whole when it is first asked for in a pass of the script, and again
        /// where that is long ago.
        pub fn table_names(&self) -> Result<Arc<Names>> {
            let known = self.tables().names.clone();
            if let Some(known) = known.filter(|known| known.age() < KNOWN_FOR) {
                return Ok(known);
            }
            let ways = self.warehouse()?;
            let read = Arc::new(self.wait(Names::of_all(&ways))?);
            self.know_names(&read);
            Ok(read)
        }

        /// The same as it is now: where a table has changed since it was read, it is read again.
        pub fn table_names_now(&self) -> Result<Arc<Names>> {
            let known = self.tables().names.clone();
            if let Some(known) = known {
                let ways = self.warehouse()?;
                if self.wait(known.are_current(&ways))? {
                    return Ok(known);
                }
                self.forget_tables();
            }
            self.table_names()
        }

        /// Takes over what the tables name, as it was just read for something else.
        pub fn know_names(&self, read: &Arc<Names>) {
            self.tables().names = Some(Arc::clone(read));
        }
    }
}
