//! Chance from a seed: drawn in sequence, or from what something is called, so that no sequence of threads matters.

/// A generator of moments (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// What is drawn for something of this name, whenever it is asked.
    pub fn of(seed: u64, names: &[&str]) -> Self {
        let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
        for byte in names.iter().flat_map(|name| name.bytes().chain([0])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(hash)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        least + (self.draw() % (most - least + 1).unsigned_abs()) as i64
    }

    /// So many times in a thousand.
    pub fn once_in_a_while(&mut self, in_a_thousand: u64) -> bool {
        self.draw() % 1000 < in_a_thousand
    }

    pub fn one_of<T: Clone>(&mut self, among: &[T]) -> T {
        among[(self.draw() % among.len() as u64) as usize].clone()
    }

    pub fn uuid(&mut self, millisecond: i64) -> uuid::Uuid {
        let rest: [u8; 10] = std::array::from_fn(|_| self.draw() as u8);
        uuid::Builder::from_unix_timestamp_millis(millisecond.unsigned_abs(), &rest).into_uuid()
    }
}
