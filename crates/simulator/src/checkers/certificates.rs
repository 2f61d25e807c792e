//! Certificates verify: enough distinct members signed, and every honest one of them really sent or
//! made that vote.

use std::collections::BTreeSet;

use types::{BlockHash, Certificate, VoteKind, encode, vote::vote_signing_bytes};

use super::{Checker, Facts};
use crate::observation::Observation;

#[derive(Default)]
pub(super) struct Certificates {
    made: BTreeSet<(usize, VoteKind, BlockHash)>,
    /// Certificates that were checked, by their encoding.
    checked: BTreeSet<Vec<u8>>,
}

impl Certificates {
    fn check(&self, facts: &Facts, certificate: &Certificate) -> Result<(), String> {
        let (kind, height) = (certificate.kind, certificate.height);
        let what = format!("the {kind:?} certificate of block {height}");
        let voters: BTreeSet<usize> = certificate
            .votes
            .iter()
            .map(|share| share.voter.as_usize())
            .collect();
        if voters.len() != certificate.votes.len() {
            return Err(format!("{what} names a voter twice"));
        }
        if voters.len() < facts.quorum {
            return Err(format!(
                "{what} has {} voters; {} of {} make a quorum",
                voters.len(),
                facts.quorum,
                facts.members
            ));
        }
        if voters.iter().any(|voter| *voter >= facts.members) {
            return Err(format!("{what} names somebody who is not a member"));
        }
        let block = &certificate.block;
        let bytes = vote_signing_bytes(kind, &facts.chain, certificate.epoch, height, block);
        for share in &certificate.votes {
            let key = &facts.cards[share.voter.as_usize()].identity_key;
            if !facts
                .signatures
                .verify_identity(key, &bytes, &share.signature)
            {
                return Err(format!("{what} is not signed by those it names"));
            }
        }
        for voter in voters.into_iter().filter(|voter| facts.honest[*voter]) {
            if !self.made.contains(&(voter, kind, *block)) {
                return Err(format!(
                    "{what} names member {voter}, who never voted for it"
                ));
            }
        }
        Ok(())
    }
}

impl Checker for Certificates {
    fn name(&self) -> &'static str {
        "certificates"
    }

    fn observe(&mut self, facts: &Facts, seen: &Observation) -> Result<(), String> {
        match seen {
            Observation::VoteMade { host, vote, .. } => {
                self.made.insert((*host, vote.kind, vote.block));
            }
            Observation::Certificate { certificate, .. }
                if self.checked.insert(encode(certificate)) =>
            {
                return self.check(facts, certificate);
            }
            _ => {}
        }
        Ok(())
    }
}
