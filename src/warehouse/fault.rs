//! What the library of Iceberg, Arrow and Parquet fail with, as errors of this program. What the store failed with on the way
//! comes out as it was.

use crate::error::{Error, Kind};

/// The library's error about this; the store's own where that is what it was.
pub(super) fn fault(what: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    let mut inner = Some(error);
    while let Some(at) = inner {
        if let Some(own) = at.downcast_ref::<Error>() {
            return own.clone();
        }
        inner = at.source();
    }
    Error::new(Kind::Protocol, format!("{what} cannot be read or written"))
        .caused_by(error)
        .hint("is it as its writer made it? Another snapshot may still be whole: dashictl table snapshots TABLE")
}

/// An error of this program on its way through the library.
pub(super) fn within(error: Error) -> iceberg::Error {
    iceberg::Error::new(iceberg::ErrorKind::Unexpected, error.to_string()).with_source(error)
}
