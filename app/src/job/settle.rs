//! The contributor shows the proof to the escrow, publishes the package's key and is credited.

use provenance::chain::JobState;

use super::run::{ran, statement, upload, word};
use super::{Side, see, template_and_circuit, would};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::network::Network;
use crate::{progress, time, view};

/// Seconds before the deadline after which settling is not begun any more, on a chain where each block may take its time.
/// A settlement publishes the package's key; one that comes too late is refused by the escrow and the key is out all the
/// same. Not beginning loses no more than coming late, and keeps the key.
const MARGIN: u64 = 600;
/// The same on a development chain, which includes a transaction at once.
const DEVELOPMENT_MARGIN: u64 = 30;

/// That a settlement begun at `now` can be included until `by`, both in seconds since 1970.
fn in_time(now: u64, by: u64, margin: u64) -> Result<()> {
    if now + margin <= by {
        return Ok(());
    }
    let when = time::rfc3339(by as i64);
    Err(Error::refused(format!(
        "it is too late to settle: the escrow takes it until {when}, and {margin} seconds are needed"
    ))
    .hint("Settling late would publish the package's key without being paid, so nothing is sent."))
}

/// Settles a job that was accepted, or whose buyer stayed silent past the deadline.
///
/// # Errors
/// `Refused` while the buyer may still reject, or past the time to settle; `Integrity` where the proof does not verify here:
/// then nothing is sent.
pub async fn run(home: &Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Contributor)?;
    seen.in_state(&[JobState::Drawn, JobState::Accepted])?;
    let accept_by = seen.record.accept_by().unwrap_or_default();
    if seen.record.state == JobState::Drawn && seen.now <= accept_by {
        return Err(Error::refused("the buyer has not accepted yet").hint(super::next(&seen)));
    }
    let margin = if network.profile.development { DEVELOPMENT_MARGIN } else { MARGIN };
    in_time(seen.now, seen.record.details.settleBy, margin)?;
    let run = ran(&seen)?;
    let proved = run
        .proof
        .as_ref()
        .ok_or_else(|| Error::refused("the job is not proved yet").hint("`job run` again proves it."))?;
    let mut words = [[0; 32]; 8];
    for (kept, word) in proved.words.chunks_exact(32).zip(&mut words) {
        word.copy_from_slice(kept);
    }
    let proof = zk::proof::Proof::from_words(&words)?;
    let (_, circuit) = template_and_circuit(&seen.record)?;
    zk::proof::verify(&zk::keys::VerifyingKey::pinned(circuit)?, &statement(network, &seen)?, &proof)?;
    if dry_run {
        return would(
            &seen,
            network,
            "the proof and the package's key (of use to the buyer alone) would become public",
        );
    }
    progress::stage(progress::Stage::Settle);
    // The buyer must find the output once the key is public.
    upload(home, network, &seen)?;
    let sent = network.chain.settle(home.person.signer(), seen.record.id, &words, word(&run.key)?).await?;
    see(home, network, job).await?.view(network, Some(sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settlement_is_begun_while_the_margin_is_left() {
        let by = 1_900_000_000;
        for margin in [MARGIN, DEVELOPMENT_MARGIN] {
            in_time(by - margin - 1, by, margin).expect("a second early");
            in_time(by - margin, by, margin).expect("just in time");
            for late in [by - margin + 1, by, by + 1, u64::MAX - margin] {
                let error = in_time(late, by, margin).expect_err("too late");
                assert!(error.message.contains("too late to settle"), "{}", error.message);
            }
        }
    }
}
