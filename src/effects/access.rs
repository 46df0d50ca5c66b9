//! What the catalogue says of who may see a domain: made to say what is so. It is worked out from what is so at that moment
//! and looked at again afterwards, so that of several who change a domain's roles at once the last word is right.

use std::time::Duration;

use super::Permit;
use crate::access::Told;
use crate::clients::identity::Identity;
use crate::clients::stac::Stac;
use crate::error::{Error, Kind, Result};

/// So often it is made right again where others change it at the same time.
const TRIES: u32 = 20;
/// The longest pause before another try, per try that has failed.
const STEP: Duration = Duration::from_millis(40);

/// Makes the catalogue say who has access to a domain. A domain that it does not have has nothing to say it of.
pub(super) async fn publish(
    (stac, identity): (&Stac, &Identity),
    permit: Permit,
    domain: &str,
) -> Result<()> {
    for tried in 0..TRIES {
        let due = identity.due(domain).await?;
        let collection = match stac.collection(domain).await {
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            other => other?,
        };
        if Told::of(&collection).as_ref() == Some(&due) {
            return Ok(());
        }
        match stac
            .replace_collection(permit, due.applied(collection))
            .await
        {
            // Nobody knows whether it was done: the next look tells.
            Err(error) if !is_unclear(&error) || tried > 2 => return Err(error),
            _ => {}
        }
        if tried > 0 {
            tokio::time::sleep(STEP.mul_f64(f64::from(tried) * rand::random::<f64>())).await;
        }
    }
    let message = format!("others change who may see {domain} all the time");
    Err(Error::new(Kind::Conflict, message).hint("run it again"))
}

/// Whether what failed may have been done all the same.
pub(super) fn is_unclear(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout) && error.detail().status.is_none()
}
