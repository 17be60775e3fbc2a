//! What a claim and a settle carry of the lease by which a channel is worked.

/// A lease by its name and the number that it was acquired under, which every later holder's exceeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FencingToken {
    pub lease: String,
    /// 0 where the store is held by one daemon, so that nothing is to be checked.
    pub number: i64,
}

/// What a token must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// To begin an attempt, its lease must still run.
    Claim,
    /// To end one, nobody may have acquired it since: then nobody has taken the attempt up.
    Settle,
}
