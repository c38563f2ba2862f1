//! The contributor shows the proof to the escrow, publishes the package's key and is credited.

use provenance::chain::JobState;

use super::run::{ran, statement, upload, word};
use super::{Side, see, template_and_circuit, would};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::network::Network;
use crate::{progress, view};

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
