//! What to do about an answer: the cause in plain words and what to change, found by what stands in the answer's words.

/// One cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// All of these stand in the answer's words, in small letters.
    pub says: &'static [&'static str],
    /// What is wrong, as the end of a sentence.
    pub cause: &'static str,
    /// What to change, as an order.
    pub change: &'static str,
}

pub const fn advice(says: &'static [&'static str], cause: &'static str, change: &'static str) -> Advice {
    Advice { says, cause, change }
}

/// The first row of a table that fits these words.
pub fn find(table: &'static [Advice], words: &str) -> Option<&'static Advice> {
    let lower = words.to_lowercase();
    table.iter().find(|advice| advice.says.iter().all(|said| lower.contains(said)))
}

/// What can go wrong before a far side has read anything, whatever its kind. The words are those of rustls, of the resolver
/// and of the operating system, as `channel::http` passes them on.
#[rustfmt::skip]
pub const ON_THE_WAY: &[Advice] = &[
    advice(&["certificate not valid for name"], "the server's certificate belongs to another name",
        "write the address with the name that the certificate has, as the words below show it"),
    advice(&["certificate expired"], "the server's certificate has expired",
        "its owner must renew it; if you know that it is fresh, look at this machine's clock (`timedatectl`)"),
    advice(&["certificate not valid yet"], "the server's certificate is not valid yet",
        "look at this machine's clock (`timedatectl`)"),
    advice(&["unknownissuer"], "nobody whom this machine trusts has signed the server's certificate",
        "install the authority's certificate on this machine; if a firewall opens the traffic, its certificate"),
    advice(&["certificate"], "the server's certificate is not accepted",
        "look at the words below, and at what `openssl s_client -connect HOST:443` shows"),
    advice(&["corrupt message"], "the server does not speak TLS at this port",
        "look at the port, and at `https://` or `http://` in the address"),
    advice(&["failed to lookup address"], "the name of the server is not found",
        "look for a typing error in the address, and whether this machine can look up names (`getent hosts NAME`)"),
    advice(&["dns error"], "the name of the server is not found",
        "look for a typing error in the address, and whether this machine can look up names (`getent hosts NAME`)"),
    advice(&["connection refused"], "nothing listens at this address and port",
        "look at the port, and whether the server runs"),
    advice(&["network cannot be reached"], "this machine has no way to that network",
        "look at its connection, or set the way out in the firewall"),
    advice(&["timed out while connecting"], "the server does not take the connection",
        "a firewall on the way may swallow it: allow this machine to reach the address"),
    advice(&["timed out"], "the server took the message and did not answer in time",
        "try again; raise `timeout` if it is known to be slow"),
    advice(&["allow_private"], "the address is on this machine or in a private network, or without TLS",
        "set `allow_private = true` if that is meant"),
    advice(&["no answer"], "the connection ended before the server had answered",
        "try again; a proxy on the way may have cut it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_which_everything_is_said_counts() {
        const TABLE: &[Advice] = &[advice(&["a", "b"], "both", ""), advice(&["a"], "one", "")];
        assert_eq!(find(TABLE, "A and B").map(|advice| advice.cause), Some("both"));
        assert_eq!(find(TABLE, "only A").map(|advice| advice.cause), Some("one"));
        assert_eq!(find(TABLE, "c"), None);
    }
}
