//! Generated cases: random messages, mutations, scripts and configurations, each with the answer that the harness's own
//! oracles and dissector give.
//!
//! Golden vectors say what is known to matter, one example each; these cases say it again in volume, where nobody chose
//! the example. A case depends on the seed, the property's name and its index alone, so that it can be made again.

mod cache;
mod config;
mod connector;
mod context;
mod crossing;
mod decoding;
mod draft;
mod easy;
mod encoding;
mod enumeration;
mod extension;
mod fault;
mod handshake;
mod hostile;
mod http;
mod inspect;
mod map;
mod message;
mod metamorphic;
mod model;
mod mutation;
mod pieces;
mod project;
mod random;
mod realign;
mod resource;
mod sequence;
mod session;
mod share;
mod store;
mod stream;
mod tensor;
mod text;
mod tiny;
mod transfer;
mod validation;
mod value;
mod vocabulary;
mod volume;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::case::{Case, Spec};
use draft::{Draft, Property};
use random::Random;
pub use share::{CASES_PER_AREA, FEWER};

/// Cases that a thread makes at a time: the slowest property takes some milliseconds for so many.
const AT_A_TIME: u32 = 64;

/// Every property, in the order of its cases.
const PROPERTIES: &[&[Property]] = &[
    encoding::PROPERTIES,
    decoding::PROPERTIES,
    mutation::PROPERTIES,
    fault::PROPERTIES,
    stream::PROPERTIES,
    metamorphic::PROPERTIES,
    pieces::PROPERTIES,
    tensor::PROPERTIES,
    cache::PROPERTIES,
    config::PROPERTIES,
    vocabulary::PROPERTIES,
    handshake::PROPERTIES,
    session::PROPERTIES,
    realign::PROPERTIES,
    project::PROPERTIES,
    validation::PROPERTIES,
    map::PROPERTIES,
    text::PROPERTIES,
    context::PROPERTIES,
    store::PROPERTIES,
    transfer::PROPERTIES,
    extension::PROPERTIES,
    model::PROPERTIES,
    crossing::PROPERTIES,
    connector::PROPERTIES,
    easy::PROPERTIES,
    resource::PROPERTIES,
    volume::PROPERTIES,
    sequence::PROPERTIES,
    enumeration::PROPERTIES,
    hostile::PROPERTIES,
    inspect::PROPERTIES,
    http::PROPERTIES,
];

/// The generated cases of a dialect, so many an area in both dialects together; none when that is 0. The same seed gives
/// the same cases, and more cases an area are the same ones and further ones.
pub fn generated(spec: Spec, seed: u64, per_area: u32) -> Vec<Case> {
    let mut ranges = Vec::new();
    for (property, count) in share::counts(PROPERTIES.iter().copied().flatten(), per_area) {
        if property.specs.contains(&spec) {
            let starts = (0..count).step_by(AT_A_TIME as usize);
            ranges.extend(starts.map(|from| (property, from..count.min(from + AT_A_TIME))));
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        while let Some((at, (property, range))) =
            ranges.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed))
        {
            made.push((at, range.clone().map(|index| make(property, spec, seed, index)).collect()));
        }
        made
    };
    let mut made: Vec<(usize, Vec<Case>)> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().flat_map(|(_, cases)| cases).collect()
}

/// Makes one generated case again from its id, `gen/<property>/<index>`. `None` when there is no such property in that
/// dialect. The index may lie beyond the property's usual count.
pub fn generated_case(id: &str, spec: Spec, seed: u64) -> Option<Case> {
    let (property, index) = named(id, spec)?;
    Some(make(property, spec, seed, index))
}

/// The choices that a generated case is made of, for [`from_choices`]. `None` when there is no such property.
pub fn choices(id: &str, spec: Spec, seed: u64) -> Option<Vec<u64>> {
    let (property, index) = named(id, spec)?;
    let mut random = Random::recording(seed, property.name, index);
    (property.make)(&mut random, &mut Draft::new(property, spec, seed, index));
    Some(random.into_choices())
}

/// A case of the same property from other choices: fewer or smaller ones make a plainer case. It bears the id and the seed
/// of the case that it goes back to. `None` when there is no such property, or when the choices make no case.
pub fn from_choices(id: &str, spec: Spec, seed: u64, choices: &[u64]) -> Option<Case> {
    let (property, index) = named(id, spec)?;
    let mut random = Random::again(choices);
    let mut draft = Draft::new(property, spec, seed, index);
    (property.make)(&mut random, &mut draft);
    random.is_faithful().then(|| draft.finish())
}

/// The property and the index that an id names.
fn named(id: &str, spec: Spec) -> Option<(&'static Property, u32)> {
    let (name, index) = id.strip_prefix("gen/")?.split_once('/')?;
    let index = index.parse().ok()?;
    let mut properties = PROPERTIES.iter().copied().flatten();
    let property = properties.find(|property| property.name == name && property.specs.contains(&spec))?;
    Some((property, index))
}

/// The first generated cases of every property of a dialect, `most` of each.
pub fn first(spec: Spec, seed: u64, most: u32) -> impl Iterator<Item = Case> {
    let counts = share::counts(PROPERTIES.iter().copied().flatten(), CASES_PER_AREA).into_iter();
    counts
        .filter(move |(property, _)| property.specs.contains(&spec))
        .flat_map(move |(property, count)| (0..count.min(most)).map(move |i| make(property, spec, seed, i)))
}

fn make(property: &Property, spec: Spec, seed: u64, index: u32) -> Case {
    let mut random = Random::new(seed, property.name, index);
    let mut draft = Draft::new(property, spec, seed, index);
    (property.make)(&mut random, &mut draft);
    draft.finish()
}

#[cfg(test)]
mod tests;
