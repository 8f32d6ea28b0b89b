//! PagedAttention pages ⇄ contiguous tensors.

use avp::{
    ErrorClass,
    kv::{KvDtype, PageLayout},
};

use crate::noise;

const LAYOUT: PageLayout = PageLayout { block_size: 4, num_kv_heads: 2, head_dim: 3, dtype: KvDtype::F16 };
/// Bytes of one head's vector, one token, one page.
const VECTOR: usize = 6;
const ROW: usize = 12;
const PAGE: usize = 48;

#[test]
fn a_sequence_is_found_all_over_the_pool() {
    let pool = noise(5 * PAGE);
    let table = [3, 0, 4];
    let mut out = b"before".to_vec();
    LAYOUT.gather_into(&pool, &table, 10, &mut out).unwrap();
    let tensor = &out[6..];
    assert_eq!(tensor.len(), 10 * ROW);
    for head in 0..2 {
        for token in 0..10 {
            let at = table[token / 4] as usize * PAGE + token % 4 * ROW + head * VECTOR;
            let to = (head * 10 + token) * VECTOR;
            assert_eq!(tensor[to..to + VECTOR], pool[at..at + VECTOR], "head {head}, token {token}");
        }
    }
}

/// F013: page → contiguous → page changes nothing, in both directions.
#[test]
fn there_and_back_is_the_identity() {
    for (seq_len, table) in [(0, &[][..]), (1, &[2]), (4, &[1]), (5, &[4, 0]), (20, &[3, 1, 4, 0, 2])] {
        let mut pool = noise(5 * PAGE);
        let before = pool.clone();
        let mut tensor = Vec::new();
        LAYOUT.gather_into(&pool, table, seq_len, &mut tensor).unwrap();
        LAYOUT.scatter(&tensor, seq_len, table, &mut pool).unwrap();
        assert_eq!(pool, before);

        let other: Vec<u8> = noise(tensor.len()).iter().map(|byte| !byte).collect();
        LAYOUT.scatter(&other, seq_len, table, &mut pool).unwrap();
        let mut back = Vec::new();
        LAYOUT.gather_into(&pool, table, seq_len, &mut back).unwrap();
        assert_eq!(back, other);
        // Pages of other sequences are left alone.
        for page in (0..5).filter(|page| !table.contains(page)) {
            let range = page as usize * PAGE..(page as usize + 1) * PAGE;
            assert_eq!(pool[range.clone()], before[range]);
        }
    }
}

#[test]
fn bad_tables_and_pools_are_refused() {
    let pool = noise(5 * PAGE);
    let gather = |layout: PageLayout, pool: &[u8], table: &[u32], seq_len| {
        let mut out = b"before".to_vec();
        let result = layout.gather_into(pool, table, seq_len, &mut out).map_err(|error| error.class);
        assert!(result.is_ok() || out == b"before");
        result
    };
    let invalid = Err(ErrorClass::InvalidArgument);
    let mismatch = Err(ErrorClass::ShapeMismatch);
    assert_eq!(gather(LAYOUT, &pool, &[0], 5), invalid, "table too short");
    assert_eq!(gather(LAYOUT, &pool, &[0, 5], 5), invalid, "no such page");
    assert_eq!(gather(LAYOUT, &pool, &[0, 5], 4), Ok(()), "an unused entry is not looked at");
    assert_eq!(gather(LAYOUT, &pool[1..], &[0], 1), mismatch, "half a page");
    assert_eq!(gather(PageLayout { block_size: 0, ..LAYOUT }, &pool, &[0], 1), invalid);
    let huge = PageLayout { block_size: u32::MAX, num_kv_heads: u32::MAX, head_dim: u32::MAX, ..LAYOUT };
    assert_eq!(gather(huge, &pool, &[0], u32::MAX), mismatch);
    let empty = PageLayout { head_dim: 0, num_kv_heads: u32::MAX, ..LAYOUT };
    assert_eq!(gather(empty, &[], &vec![0; 1 << 20], 4 << 20), Ok(()), "nothing, and no time for it");

    let scatter = |tensor: &[u8], table: &[u32]| {
        let mut target = pool.clone();
        let result = LAYOUT.scatter(tensor, 5, table, &mut target).map_err(|error| error.class);
        assert!(result.is_ok() || target == pool);
        result
    };
    assert_eq!(scatter(&noise(5 * ROW), &[1, 0]), Ok(()));
    assert_eq!(scatter(&noise(5 * ROW), &[1, 1]), invalid, "a page twice");
    assert_eq!(scatter(&noise(5 * ROW - 1), &[1, 0]), mismatch);
}
