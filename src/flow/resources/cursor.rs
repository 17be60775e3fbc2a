//! Where a list goes on, as programs carry it from one page to the next: a text that says nothing to them, and that fits the list
//! and the filters that it was made for, and no others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::event::DeliveryId;

/// So many bytes say what a cursor is for.
const CHECK: usize = 6;

/// What stands in a cursor: the key of the last row of a page.
pub trait CursorKey: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn of_bytes(bytes: &[u8]) -> Option<Self>;
}

impl CursorKey for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(i64::from_be_bytes)
    }
}

impl CursorKey for DeliveryId {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

/// A cursor of a list; `wanted` are its filters.
pub fn write(wanted: &str, key: &impl CursorKey) -> String {
    let mut bytes = key.to_bytes();
    let check = check(wanted, &bytes);
    bytes.extend(check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`write()`] wrote for the same filters; `None` for anything else.
pub fn read<K: CursorKey>(wanted: &str, text: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (key, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK)?)?;
    (check(wanted, key) == *found).then(|| K::of_bytes(key))?
}

fn check(wanted: &str, key: &[u8]) -> [u8; CHECK] {
    let hash = Sha256::new().chain_update(wanted).chain_update([0]).chain_update(key).finalize();
    std::array::from_fn(|byte| hash[byte])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_for_its_own_list_and_filters_alone() {
        let id = DeliveryId(Uuid::from_u128(7));
        let cursor = write("deliveries dead", &id);
        assert_eq!(read::<DeliveryId>("deliveries dead", &cursor), Some(id));
        assert_eq!(read::<DeliveryId>("deliveries waiting", &cursor), None);
        assert_eq!(read::<i64>("deliveries dead", &cursor), None);
        assert_eq!(read::<i64>("events", &write("events", &-5)), Some(-5));
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for made_up in ["", "a", "AAAA", "AAAAAAAAAAAAAAAAAAAA", "../..", "ä", &"A".repeat(10_000)] {
            assert_eq!(read::<i64>("events", made_up), None, "{made_up}");
        }
    }
}
