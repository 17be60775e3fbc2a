//! What a claim and a settle carry of the lease by which a channel is worked.

/// A lease by its name and the number that it was acquired under, which every later holder's exceeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FencingToken {
    pub lease: String,
    /// 0 where the store is held by one daemon, so that nothing is to be checked.
    pub number: i64,
}
