//! PagedAttention pages ⇄ contiguous tensors (feature F013).
//!
//! A serving engine keeps one pool of pages for each layer's keys and one for its values; a sequence owns pages all over
//! it. Token `t` stands in page `block_table[t / block_size]`, row `t % block_size`. The wire wants every head's tokens
//! in one run, so both directions also swap tokens and heads.

use std::collections::HashSet;

use super::header::KvDtype;
use crate::error::{Error, ErrorClass, Result};

/// How a pool is laid out: [pages, block_size, num_kv_heads, head_dim], row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageLayout {
    /// Tokens a page.
    pub block_size: u32,
    /// Key/value heads.
    pub num_kv_heads: u32,
    /// Elements of one head's vector.
    pub head_dim: u32,
    /// Element type.
    pub dtype: KvDtype,
}

impl PageLayout {
    /// Copies a sequence out of the pool: appends [num_kv_heads, seq_len, head_dim] to `out`.
    ///
    /// # Errors
    /// `shape_mismatch` when the pool is not whole pages, `invalid_argument` when the block table is too short or names
    /// a page that is not there. `out` is unchanged then.
    pub fn gather_into(
        &self,
        pool: &[u8],
        block_table: &[u32],
        seq_len: u32,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let sizes = self.check(pool.len(), block_table, seq_len)?;
        if sizes.sequence == 0 {
            return Ok(());
        }
        out.reserve(sizes.sequence);
        for head in 0..self.num_kv_heads as usize {
            for token in 0..seq_len as usize {
                let at = sizes.offset(block_table, token, head);
                out.extend_from_slice(&pool[at..at + sizes.vector]);
            }
        }
        Ok(())
    }

    /// Copies a tensor [num_kv_heads, seq_len, head_dim] into the sequence's pages. Rows behind the last token stay as
    /// they are.
    ///
    /// # Errors
    /// As [`PageLayout::gather_into`]; also `shape_mismatch` when the tensor's length is not the shape's, and
    /// `invalid_argument` when the table names a page twice, since one token would overwrite another. The pool is
    /// unchanged then.
    pub fn scatter(&self, tensor: &[u8], seq_len: u32, block_table: &[u32], pool: &mut [u8]) -> Result<()> {
        let sizes = self.check(pool.len(), block_table, seq_len)?;
        if tensor.len() != sizes.sequence {
            let (expected, found) = (format!("{} bytes", sizes.sequence), format!("{} bytes", tensor.len()));
            return Err(Error::new(ErrorClass::ShapeMismatch, "kv.pages.tensor", expected, found));
        }
        let mut seen = HashSet::new();
        let used = &block_table[..(seq_len as usize).div_ceil(sizes.block_size)];
        if let Some(twice) = used.iter().find(|block| !seen.insert(**block)) {
            let found = format!("page {twice} twice");
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "kv.pages.block_table",
                "a page for each block",
                found,
            ));
        }
        if sizes.sequence == 0 {
            return Ok(());
        }
        let mut vectors = tensor.chunks_exact(sizes.vector);
        for head in 0..self.num_kv_heads as usize {
            for (token, vector) in vectors.by_ref().take(seq_len as usize).enumerate() {
                let at = sizes.offset(block_table, token, head);
                pool[at..at + sizes.vector].copy_from_slice(vector);
            }
        }
        Ok(())
    }

    /// Checks every index before the first copy.
    fn check(&self, pool_len: usize, block_table: &[u32], seq_len: u32) -> Result<Sizes> {
        let invalid = |expected: String, found: String| {
            Err(Error::new(ErrorClass::InvalidArgument, "kv.pages.block_table", expected, found))
        };
        let vector = self.head_dim as usize * self.dtype.size();
        let row = vector.checked_mul(self.num_kv_heads as usize);
        let page = row.and_then(|row| row.checked_mul(self.block_size as usize));
        let sequence = row.and_then(|row| row.checked_mul(seq_len as usize));
        let (Some(row), Some(page), Some(sequence)) = (row, page, sequence) else {
            let found = format!("{self:?}");
            return Err(Error::new(ErrorClass::ShapeMismatch, "kv.pages", "sizes that fit in memory", found));
        };
        if self.block_size == 0 {
            return Err(Error::new(ErrorClass::InvalidArgument, "kv.pages.block_size", "at least 1", "0"));
        }
        if page != 0 && !pool_len.is_multiple_of(page) {
            let (expected, found) = (format!("pages of {page} bytes"), format!("{pool_len} bytes"));
            return Err(Error::new(ErrorClass::ShapeMismatch, "kv.pages.pool", expected, found));
        }
        let sizes = Sizes { block_size: self.block_size as usize, vector, row, page, sequence };
        let blocks = (seq_len as usize).div_ceil(sizes.block_size);
        let Some(used) = block_table.get(..blocks) else {
            return invalid(format!("{blocks} pages for {seq_len} tokens"), format!("{}", block_table.len()));
        };
        if let Some(pages) = pool_len.checked_div(page)
            && let Some(block) = used.iter().find(|block| **block as usize >= pages)
        {
            return invalid(format!("pages below {pages}"), format!("page {block}"));
        }
        Ok(sizes)
    }
}

/// Sizes in bytes (`block_size` in tokens), checked against each other.
struct Sizes {
    block_size: usize,
    vector: usize,
    row: usize,
    page: usize,
    sequence: usize,
}

impl Sizes {
    fn offset(&self, block_table: &[u32], token: usize, head: usize) -> usize {
        let page = block_table[token / self.block_size] as usize;
        page * self.page + token % self.block_size * self.row + head * self.vector
    }
}
