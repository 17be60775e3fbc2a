//! Signatures (placeholder until merged).
use sha2::Digest;
use sha2::Sha256;
pub fn keeta(address: &str, parameters: &str, secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(address);
    hash.update(parameters);
    hash.update(secret);
    hex::encode(hash.finalize())
}
pub fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}
