//! Names that an adapter can't foresee.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A request id. Below 2^53, so that it survives languages whose only number is a double.
pub fn fresh_id() -> u64 {
    entropy() >> 11
}

/// A word of twelve letters and digits.
pub fn fresh_nonce() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits = entropy();
    (0..12).map(|at| char::from(LETTERS[(bits >> (at * 5)) as usize & 31])).collect()
}

/// The standard library's hash keys come from the operating system; hashing nothing with fresh ones yields 64
/// unpredictable bits without another dependency.
fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_differ_and_ids_fit_a_double() {
        let ids: HashSet<u64> = (0..1000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| *id < 1 << 53));
        let nonces: HashSet<String> = (0..1000).map(|_| fresh_nonce()).collect();
        assert_eq!(nonces.len(), 1000);
        assert!(nonces.iter().all(|nonce| nonce.len() == 12));
    }
}
