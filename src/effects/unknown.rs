//! Steps whose end nobody told: the run was killed, or the answer was lost. A look at the target tells what came of them.

use super::Account;
use super::batch::ends_all;
use super::call::ended;
use super::hands::{Hands, Number};
use super::journal::{Begun, Ended};
use super::judge::{Judged, judge};
use super::row::{Row, State};
use crate::error::Result;
use crate::session::Session;

/// Finds out what came of every step of a run that was begun and is not known to be done, and takes it into the account.
/// A step whose target has become something else since stays as it is.
pub fn find_out(session: &Session, account: &Account) -> Result<()> {
    let mut unknown = Vec::new();
    account.steps(false, |_, step| {
        let is_told = step.ended.is_some_and(|ended| ended.state != State::Failed);
        unknown.extend(step.begun.filter(|_| !is_told));
        Ok(())
    })?;
    for begun in unknown {
        match looked_up(session, account, &begun) {
            Ok(Some(ended)) => account.take_ended(&ended)?,
            Err(error) if ends_all(&error) => return Err(error),
            // What cannot be looked at stays unknown, and the others are none the worse for it.
            Ok(None) | Err(_) => {}
        }
    }
    Ok(())
}

fn looked_up(session: &Session, account: &Account, begun: &Begun) -> Result<Option<Ended>> {
    let row = Row {
        state: State::Begun,
        ..begun.row.clone()
    };
    let number = Number {
        run: &account.run()?.id,
        effect: row.number,
    };
    let hands = Hands::of(session, &row.change)?;
    session.wait(async {
        let seen = hands.look_again(number.run, &row).await?;
        Ok(match judge(&row, &seen) {
            Judged::DoneAlready => {
                let done = hands.found(number, &row.change, &seen).await?;
                Some(ended(&row, State::Done, None, Some(done)))
            }
            Judged::AsPlanned => Some(Ended::left(&row, "it was begun and not done")),
            Judged::Gone | Judged::SoAlready | Judged::Changed(_) => None,
        })
    })
}
