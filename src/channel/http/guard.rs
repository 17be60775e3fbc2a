//! Which addresses a channel may reach: the public ones, unless its configuration allows private ones.
//!
//! An address in a configuration or behind a name could otherwise point the daemon at the machine's own services or at a
//! cloud's metadata. The check has two halves, because the HTTP client asks its resolver for names only: literals are
//! looked at before sending, and names by [`PublicOnly`], whose answers are exactly the addresses that are connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// A name or literal that leads to nothing but private addresses.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum PrivateAddress {
    #[error("it is a private address; set allow_private = true if that is meant")]
    Literal,
    #[error("its name resolves to a private address; set allow_private = true if that is meant")]
    Resolved,
}

/// Looks at an address that needs no resolver. `0x7f.1` and the like have become numbers when the URL was parsed.
///
/// # Errors
/// [`PrivateAddress::Literal`] when the host is a private IP address.
pub fn check_literal(url: &Url) -> Result<(), PrivateAddress> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if is_private(address) { Err(PrivateAddress::Literal) } else { Ok(()) }
}

/// How long a name may be looked up only to see where it leads.
const LOOK_UP: Duration = Duration::from_secs(2);

/// Looks where a name leads that a proxy will look up. A machine behind a proxy may know no names of the internet at all;
/// what it does not know, the proxy answers for.
///
/// # Errors
/// [`PrivateAddress::Resolved`] when one of its addresses is private.
pub async fn check_name(url: &Url) -> Result<(), PrivateAddress> {
    let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
    let Ok(Ok(found)) = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((name, 0))).await else { return Ok(()) };
    // Of several, the proxy may take any.
    match found.map(|address| address.ip()).any(is_private) {
        true => Err(PrivateAddress::Resolved),
        false => Ok(()),
    }
}

/// The system's resolver without its private answers.
#[derive(Debug)]
pub struct PublicOnly {
    /// The host of a configured proxy: it may be private, since the merchant named it.
    pub exempt: Option<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let exempt = self.exempt.as_deref() == Some(host.as_str());
        Box::pin(async move {
            let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err("the name has no address".into());
            }
            if !exempt {
                found.retain(|address| !is_private(address.ip()));
            }
            if found.is_empty() {
                return Err(PrivateAddress::Resolved.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is anything but a public unicast one: loopback, private, shared, link-local, multicast, reserved,
/// or an IPv6 address that carries such an IPv4 one.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || a == 0 // "this network", 0.0.0.0 included
        || (a == 100 && (64..128).contains(&b)) // carrier-grade NAT, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments, RFC 6890
        || (a == 198 && (18..20).contains(&b)) // benchmarks, RFC 2544
        || a >= 240 // reserved, broadcast included
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || (segments[0] & 0xffc0) == 0xfec0 // site-local, withdrawn but routed by some
        || segments[..3] == [0x0064, 0xff9b, 0x0001] // NAT64 of a site's own, RFC 8215
        || embedded_v4(segments).is_some_and(is_private_v4)
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 or 6to4.
fn embedded_v4(segments: [u16; 8]) -> Option<Ipv4Addr> {
    let [high, low] = match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => [high, low],
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => [high, low],
        [0x2002, high, low, ..] => [high, low],
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_private() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_let_through() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2606:4700::1111",
        ] {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn literals_are_seen_through_their_disguises() {
        for text in ["https://127.0.0.1/", "https://0x7f.1/", "https://2130706433/", "https://[::ffff:127.0.0.1]/"] {
            assert!(check_literal(&Url::parse(text).unwrap()).is_err(), "{text}");
        }
        assert!(check_literal(&Url::parse("https://oapi.dingtalk.com/").unwrap()).is_ok());
        assert!(check_literal(&Url::parse("https://8.8.8.8/").unwrap()).is_ok());
    }
}
