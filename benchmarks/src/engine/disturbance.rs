//! A CACHE → WHAT A CONTROL MAKES OF IT.

use avp::model::{Context, Runtime};
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::arm::{Cache, CacheKind};

/// What goes over the wire to the last agent instead of a cache. What is whole, foreign, or has been cut already stays.
pub(super) fn disturbed(
    model: &Runtime,
    context: Context,
    cache: Cache,
    random: &mut ChaCha8Rng,
) -> avp::Result<Context> {
    let len = context.seq_len();
    match cache.kind {
        CacheKind::Whole
        | CacheKind::Foreign
        | CacheKind::LatentOnly
        | CacheKind::Sequential
        | CacheKind::Chained => Ok(context),
        CacheKind::Shuffled => {
            let mut order: Vec<usize> = (0..len).collect();
            order.shuffle(random);
            model.rearranged(&context, &order)
        }
        CacheKind::Noise => replaced(context, &mut |head| normal(head, random)),
        CacheKind::Zero => replaced(context, &mut |head| head.fill(0.0)),
    }
}

/// The context with every head's keys, and its values, [len, head_dim], gone over.
fn replaced(context: Context, change: &mut dyn FnMut(&mut [f32])) -> avp::Result<Context> {
    let Some(cache) = context.cache() else { return Ok(context) };
    let head = cache.len() * cache.head_dim();
    let mut layers = Vec::with_capacity(cache.num_layers());
    for index in 0..cache.num_layers() {
        let mut layer = cache.read_layer(index)?.unwrap_or_default();
        layer.iter_mut().flat_map(|tensor| tensor.chunks_exact_mut(head.max(1))).for_each(&mut *change);
        layers.push(layer);
    }
    let cache = cache.with_layers(&layers)?;
    Ok(context.with_cache(cache))
}

/// Normal numbers with the mean and the deviation of those that were there.
fn normal(values: &mut [f32], random: &mut ChaCha8Rng) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    for value in values {
        *value = (mean + variance.sqrt() * random.sample::<f64, _>(StandardNormal)) as f32;
    }
}

/// Random directions of one length, [count, width].
pub(super) fn directions(count: usize, width: usize, length: f32, random: &mut ChaCha8Rng) -> Vec<f32> {
    let rows = (0..count).flat_map(|_| {
        let row: Vec<f64> = (0..width).map(|_| random.sample(StandardNormal)).collect();
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        row.into_iter().map(move |value| (value / norm * f64::from(length)) as f32)
    });
    rows.collect()
}

/// Another prompt with as many tokens as `own`: what the two have in common at their ends, which a chat template writes, and
/// between that the other's own tokens, cut or begun again.
pub(super) fn length_matched(own: &[u32], other: &[u32]) -> Vec<u32> {
    let shorter = own.len().min(other.len());
    let before = own.iter().zip(other).take_while(|(a, b)| a == b).count();
    let behind = own.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let behind = behind.min(shorter - before);
    let between = &other[before..other.len() - behind];
    let wanted = own.len() - before - behind;
    let filled = between.iter().cycle().take(wanted);
    other[..before].iter().chain(filled).chain(&other[other.len() - behind..]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    #[test]
    fn noise_has_the_moments_of_what_was_there() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut values: Vec<f32> = (0..20_000).map(|index| 3.0 + (index % 7) as f32).collect();
        normal(&mut values, &mut random);
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!((mean - 6.0).abs() < 0.05 && (variance - 4.0).abs() < 0.15, "{mean}, {variance}");
        let row = directions(2, 64, 5.0, &mut random);
        assert!(row.chunks(64).all(|row| (row.iter().map(|v| v * v).sum::<f32>().sqrt() - 5.0).abs() < 1e-3));
    }

    #[test]
    fn a_foreign_prompt_keeps_the_template() {
        assert_eq!(length_matched(&[1, 10, 11, 12, 2], &[1, 20, 2]), [1, 20, 20, 20, 2]);
        assert_eq!(length_matched(&[1, 10, 2], &[1, 20, 21, 22, 2]), [1, 20, 2]);
        assert_eq!(length_matched(&[1, 2], &[1, 2]), [1, 2]);
    }

    proptest! {
        #[test]
        fn lengths_agree(
            own in proptest::collection::vec(0_u32..4, 1..20),
            other in proptest::collection::vec(0_u32..4, 1..20),
        ) {
            let made = length_matched(&own, &other);
            // Where the other one is a part of this one there is nothing to fill with.
            prop_assert!(made.len() == own.len() || made == other);
        }
    }
}
