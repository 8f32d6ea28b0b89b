//! Generated cases: random messages, mutations, scripts and configurations, each with the answer that the harness's own
//! oracles and dissector give.
//!
//! Golden vectors say what is known to matter, one example each; these cases say it again in volume, where nobody chose
//! the example. A case depends on the seed, the property's name and its index alone, so that it can be made again.

mod cache;
mod config;
mod context;
mod crossing;
mod decoding;
mod draft;
mod encoding;
mod extension;
mod fault;
mod handshake;
mod map;
mod message;
mod metamorphic;
mod model;
mod mutation;
mod project;
mod random;
mod realign;
mod resource;
mod sequence;
mod session;
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

use crate::case::{Case, Spec};
use draft::{Draft, Property};
use random::Random;

/// Every property, in the order of its cases.
const PROPERTIES: &[&[Property]] = &[
    encoding::PROPERTIES,
    decoding::PROPERTIES,
    mutation::PROPERTIES,
    fault::PROPERTIES,
    stream::PROPERTIES,
    metamorphic::PROPERTIES,
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
    resource::PROPERTIES,
    volume::PROPERTIES,
    sequence::PROPERTIES,
];

/// All generated cases of a dialect. The same seed gives the same cases.
pub fn generated(spec: Spec, seed: u64) -> Vec<Case> {
    let properties = PROPERTIES.iter().copied().flatten().filter(|property| property.specs.contains(&spec));
    properties.flat_map(|property| (0..property.count).map(move |i| make(property, spec, seed, i))).collect()
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
    let properties =
        PROPERTIES.iter().copied().flatten().filter(move |property| property.specs.contains(&spec));
    properties
        .flat_map(move |property| (0..property.count.min(most)).map(move |i| make(property, spec, seed, i)))
}

fn make(property: &Property, spec: Spec, seed: u64, index: u32) -> Case {
    let mut random = Random::new(seed, property.name, index);
    let mut draft = Draft::new(property, spec, seed, index);
    (property.make)(&mut random, &mut draft);
    draft.finish()
}

#[cfg(test)]
mod tests;
